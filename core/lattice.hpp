// The sparse lattice: which memory the populations live in and what is done with it in a step.
//
// Populations are float32 deviations from rest, one row of `stride` cells for each direction, streamed in place by the
// AA pattern (Bailey et al. 2009). Between steps two states alternate. "Natural": slot (i, x) holds the population that
// is about to collide in x. "Swapped": slot (opposite i, x) holds what left x along i. The even step leads from natural
// to swapped and touches only its own cell, the odd step back and touches the neighbors through `slot`. Where the
// neighbor along i is no fluid, slot (opposite i, x) takes its place in both, which is half-way bounce-back; every
// other boundary rule is a pass after the step that rewrites this one slot.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel.hpp"

namespace aneuflow {

constexpr int kBlock = 16;  // cells a step works on at once; strides are multiples of it
constexpr int kPart = 256;  // blocks whose links to the wall are passed together

// Shear-dependent relaxation: `keep` over the bit pattern of the squared stress, which is a piecewise linear logarithm.
struct Relaxation {
    float keep = 0.0f;             // of a Newtonian fluid
    float keep_third = 0.0f;       // see `collide`
    const float* table = nullptr;  // (size,) of any other
    int size = 0;
    int first_bits = 0;
    int shift = 0;
};

// Slots of some lanes of a block, base + lane each: in narrow vessels few blocks have all their slots in one row.
struct Run {
    std::int32_t base = 0;
    std::uint32_t lanes = 0;  // a bit for each
};

// Where the runs of a block are. Each direction has as many, those too many without lanes: so the step knows their
// number before it begins.
struct Runs {
    std::uint32_t first = 0;
    std::uint32_t each = 1;
};

// Where what leaves the cells goes. Lattices on the same cells share it: of the neighbors nothing else is kept.
class Streaming {
  public:
    Streaming(int cells, const std::int32_t* neighbors);  // neighbors (26, cells), -1 where there is no fluid

    int slot(int direction, int cell) const;      // where what leaves the cell along it goes
    int neighbor(int direction, int cell) const;  // -1 where there is none
    int cells, stride;
    std::vector<Run> run;    // by block, then direction 1..26
    std::vector<Runs> runs;  // (stride / kBlock,)
};

struct Cells {
    int count = 0;
    int stride = 0;
    float* f = nullptr;        // (27, stride)
    const Run* run = nullptr;  // of `Streaming`
    const Runs* runs = nullptr;
    const std::uint8_t* opens = nullptr;  // (stride / kBlock,): whether a cell has a link to an inlet or outlet
    float* momentum = nullptr;  // (3, stride), of the last collision that was asked for it; at openings of the last
};

// The blocks of links of kPart blocks of cells, and the first and last block of cells that they touch.
struct WallPart {
    int first = 0, end = 0;
    int lowest = 0, highest = 0;
};

// Links from a cell x to the wall along i. The population that comes back is a * left_i(x) + b * left_i(x - c_i)
// + c * left_opposite(x) + d * left_i(x - 2 c_i). Where a cell behind is no fluid its coefficient must be zero.
// These shares are for what is linear in the velocity. What they miss else is `offset`, taken every kRefit steps:
// - The quadratic part of the equilibrium is taken out of each and put in for the velocity beyond the wall, linear
//   between no slip and the cell: v0 * u(x) + v1 * u(x - c_i). Shared out like the rest it would leave a drag of the
//   order of u^2 on walls oblique to the lattice.
// - Of a velocity that bends, the terms times the velocity along the link of a fit beside the wall, where there is one.
// Sorted by parts of kPart blocks of cells, then by direction; each direction of a part begins a block.
struct WallLinks {
    std::vector<std::int32_t> cell, cell_1, cell_2;  // x, x - c_i, x - 2 c_i; x itself where that is no fluid
    std::vector<float> share[kWallShares];           // a, b, c, d, v0, v1, then the terms
    std::vector<std::int32_t> fit;
    std::vector<float> offset;
    std::vector<std::int32_t> direction, lanes;  // of each block: the direction, and how many links it has
    std::vector<WallPart> parts;
    double total_weight = 0.0;
};

// Fits of the velocity beside the wall: kTerms coefficients of each component, from the momentum of some cells.
struct WallFits {
    int count = 0, cells = 0;              // fits, and cells of each
    const std::int32_t* cell = nullptr;    // (count, cells), the caller's, as are the weights
    const std::int16_t* weight = nullptr;  // (count, kTerms, cells), in units of
    const float* unit = nullptr;           // (count, kTerms)
    std::vector<float> found;              // (count, kTerms, 3)
};

struct Step {
    void (*even)(const Cells&, const Relaxation&, bool momentum, int first_block, int end_block);
    void (*odd)(const Cells&, const Relaxation&, bool momentum, int first_block, int end_block);
    // Gives the mass gained; takes `give_back` times its weight from each link.
    double (*walls)(const Cells&, const WallLinks&, bool swapped, float give_back, int first_block, int end_block);
    void (*fit)(const Cells&, WallFits&, int first, int end);
    void (*offsets)(const Cells&, WallLinks&, const WallFits&, int first_block, int end_block);
    void (*fields)(const Cells&, int block, float* out);  // out (10, kBlock)
};
Step step_baseline();
Step step_wide();

struct Inlet {
    std::vector<std::int32_t> back;
    float normal[3] = {0, 0, 0};  // outward
    std::vector<float> gain;      // (rows, links): what is added to the population that comes back, over one period
    int rows = 1;
};

struct Outlet {
    std::vector<std::int32_t> cell;       // ascending, one entry a link
    std::vector<std::int32_t> direction;  // of the link
    float normal[3] = {0, 0, 0};
    float share = 0.0f;      // of the total inflow; negative where the pressure is given by itself or a load
    float density = 0.0f;    // pressure over c_s^2, deviation
    float impedance = 0.0f;  // density per volume flow
    float integral = 0.0f;   // density per volume flow and step
    float offset = 0.0f;     // what the controller has integrated
    double flow = 0.0;       // mass out of it in the last step
};

// What lies beyond an outlet: a resistance, then a capacitance to ground, then a distal resistance to the pressure
// `far` (three-element Windkessel). Densities stand for pressures, over c_s^2; resistances are density per mass flow.
// Over a step of constant flow q the capacitance's pressure goes to keep * stored + (1 - keep) * (far + distal * q),
// exactly.
struct Load {
    int outlet = 0;
    double resistance = 0.0, distal = 0.0;
    double keep = 0.0;  // exp(-1 / (distal * capacitance)), per step
    double far = 0.0;
    double stored = 0.0;
};

class Lattice {
  public:
    explicit Lattice(const Streaming& streaming);  // which has to outlive it

    // coefficients: a, b, c, d, v0, v1 and the terms of each link; fit: which of `fits` is the link's.
    void set_walls(int count, const std::int32_t* cell, const std::int32_t* direction, const float* coefficients,
                   const std::int32_t* fit, WallFits fits);
    void add_inlet(int links, const std::int32_t* cell, const std::int32_t* direction, int rows, const float* gain);
    void add_outlet(int links, const std::int32_t* cell, const std::int32_t* direction, const float* normal,
                    float share, float density, float impedance, float integral);
    void add_load(const Load& load);  // all outlets whose pressure is given must have one, or none

    // Runs pairs of steps. The inlets follow amplitude * gain(phase), the amplitude going linearly from `amplitude[0]`
    // to `amplitude[1]` and the phase from `phase[0]` by `phase[1]` a step, in periods.
    void run(int pairs, const double amplitude[2], const double phase[2], int threads);

    // Sets the outlets' pressures for the next step from the flows of this one; `run` does it by itself.
    void control(double inflow, const std::vector<double>& outflow);

    void fields(float* out, int threads) const;  // (10, cells)
    float peak_speed(int threads) const;         // NaN where a population is not finite

    int cells() const { return cells_.count; }
    int stride() const { return cells_.stride; }
    const Streaming& streaming;
    std::vector<float> populations;
    Relaxation relaxation;
    std::vector<float> relaxation_table;
    std::vector<double> inlet_flow;   // mass into the lattice in each step, mean of the last run
    std::vector<double> outlet_flow;  // mass out of it
    std::vector<Inlet> inlets;
    std::vector<Outlet> outlets;
    std::vector<Load> loads;
    WallLinks walls;
    WallFits fits;
    // What the pressure of all loads has in common, as density. A rigid lumen of incompressible blood does not feel it,
    // a lattice would store mass by it: it never enters the lattice.
    double reference = 0.0;
    // Mass that the wall rule gained in the last step, and gives back in the next: interpolation does not conserve it.
    double leak = 0.0;

  private:
    struct Work;
    std::vector<Work> work_of(int threads) const;
    void pass_openings(double amplitude, double phase);
    double pass_outlet(const Outlet& outlet);
    void follow_shares();
    void follow_loads();
    double pass_inlet(const Inlet& inlet, double amplitude, double phase);
    void let_out(const Inlet& inlet, double flow);
    float outward_momentum(int x, const float* normal, float (&j)[3]) const;

    Cells cells_;
    Step step_;
    std::vector<std::uint8_t> opens_;
    std::vector<float> momentum_;
    double inflow_now_ = 0.0;
    std::vector<double> inlet_sum_, outlet_sum_;
};

// Where the lattice lines of a closed surface's box cross its triangles.
struct Crossings {
    std::vector<std::int32_t> cells;      // (n, 3): lattice coordinates of the nodes inside, x fastest
    std::vector<std::int32_t> neighbors;  // (26, n)
    std::vector<std::int32_t> link_cell, link_direction, link_triangle;
    std::vector<float> link_distance;  // in units of the link, in [0, 1]
};
Crossings cross_surface(int points, const double* point, int triangles, const std::int32_t* triangle,
                        const int shape[3], int threads);

}  // namespace aneuflow
