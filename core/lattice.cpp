#include "lattice.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>

namespace aneuflow {
namespace {

Step best_step() {
#ifdef ANEUFLOW_HAS_WIDE
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
        return step_wide();
#endif
    return step_baseline();
}

}  // namespace

Lattice::Lattice(int cells, const std::int32_t* neighbors) : step_(best_step()) {
    const int blocks = (cells + kBlock - 1) / kBlock;
    const std::size_t stride = static_cast<std::size_t>(blocks) * kBlock;
    populations.assign(kDirections * stride, 0.0f);
    slot_.resize((kDirections - 1) * stride);
    dense_.assign(blocks, 0u);
    for (int i = 1; i < kDirections; ++i) {
        std::int32_t* slot = slot_.data() + (i - 1) * stride;
        for (std::size_t x = 0; x < stride; ++x) {
            const int y =
                x < static_cast<std::size_t>(cells) ? neighbors[static_cast<std::size_t>(i - 1) * cells + x] : -1;
            slot[x] = static_cast<std::int32_t>(y >= 0 ? i * stride + y : opposite(i) * stride + x);
        }
        for (int block = 0; block < blocks; ++block) {
            bool consecutive = true;
            for (int l = 1; l < kBlock; ++l) consecutive &= slot[block * kBlock + l] == slot[block * kBlock] + l;
            if (consecutive) dense_[block] |= 1u << (i - 1);
        }
    }
    cells_ = {cells, static_cast<int>(stride), populations.data(), slot_.data(), dense_.data(), nullptr};
    momentum_.assign(3 * stride, 0.0f);
}

int Lattice::neighbor(int direction, int cell) const {
    const std::size_t stride = cells_.stride;
    const std::size_t slot = slot_[(direction - 1) * stride + cell];
    return slot / stride == static_cast<std::size_t>(direction) ? static_cast<int>(slot % stride) : -1;
}

void Lattice::set_walls(int count, const std::int32_t* cell, const std::int32_t* direction, const float* coefficients) {
    walls_ = {};
    const std::size_t stride = cells_.stride;
    for (int k = 0; k < count; ++k) {
        const int i = direction[k], x = cell[k], behind = neighbor(opposite(i), x);
        const int far = behind < 0 ? -1 : neighbor(opposite(i), behind);
        const auto back = static_cast<std::int32_t>(opposite(i) * stride + x);
        walls_.back.push_back(back);
        walls_.here.push_back(static_cast<std::int32_t>(i * stride + x));
        walls_.behind.push_back(behind < 0 ? back : static_cast<std::int32_t>(opposite(i) * stride + behind));
        walls_.here_2.push_back(behind < 0 ? back : static_cast<std::int32_t>(i * stride + behind));
        walls_.behind_2.push_back(far < 0 ? back : static_cast<std::int32_t>(opposite(i) * stride + far));
        walls_.cell.push_back(x);
        walls_.cell_1.push_back(behind < 0 ? x : behind);
        walls_.cell_2.push_back(far < 0 ? x : far);
        std::vector<float>* shares[] = {&walls_.a, &walls_.b, &walls_.c, &walls_.d, &walls_.v0, &walls_.v1};
        for (int n = 0; n < kWallShares; ++n) shares[n]->push_back(coefficients[kWallShares * k + n]);
        walls_.weight.push_back(weight(i));
        for (int n = 0; n < 3; ++n) walls_.along[n].push_back(static_cast<float>(kVelocity[i][n]));
        walls_.total_weight += weight(i);
    }
}

void Lattice::add_inlet(int links, const std::int32_t* cell, const std::int32_t* direction, int rows,
                        const float* gain) {
    Inlet inlet;
    inlet.rows = rows;
    inlet.gain.assign(gain, gain + static_cast<std::size_t>(rows) * links);
    float length = 0.0f;
    for (int k = 0; k < links; ++k) {
        inlet.back.push_back(opposite(direction[k]) * cells_.stride + cell[k]);
        for (int a = 0; a < 3; ++a) inlet.normal[a] += weight(direction[k]) * kVelocity[direction[k]][a];
    }
    for (const float part : inlet.normal) length += part * part;
    for (float& part : inlet.normal) part /= std::sqrt(length);
    inlets_.push_back(inlet);
    inlet_flow.push_back(0.0);
    inlet_sum_.push_back(0.0);
}

void Lattice::add_outlet(int links, const std::int32_t* cell, const std::int32_t* direction, const float* normal,
                         float share, float density, float impedance, float integral) {
    Outlet outlet;
    outlet.cell.assign(cell, cell + links);
    outlet.direction.assign(direction, direction + links);
    std::copy(normal, normal + 3, outlet.normal);
    outlet.share = share;
    outlet.density = density;
    outlet.impedance = impedance;
    outlet.integral = integral;
    outlets.push_back(outlet);
    outlet_flow.push_back(0.0);
    outlet_sum_.push_back(0.0);
}

void Lattice::add_load(const Load& load) { loads.push_back(load); }

void Lattice::pass_walls(bool swapped) {
    float* f = cells_.f;
    const int count = static_cast<int>(walls_.back.size());
    const float give_back = static_cast<float>(leak_rate_);
    const std::int32_t* arrived = swapped ? walls_.behind.data() : walls_.here.data();
    const std::int32_t* returned = swapped ? walls_.here.data() : walls_.behind.data();
    const std::int32_t* arrived_2 = swapped ? walls_.behind_2.data() : walls_.here_2.data();
    const float *jx = momentum_.data(), *jy = jx + cells_.stride, *jz = jy + cells_.stride;
    const WallLinks& w = walls_;
    double gained = 0.0;
#pragma omp for schedule(static) nowait
    for (int k = 0; k < count; ++k) {
        const float cx = w.along[0][k], cy = w.along[1][k], cz = w.along[2][k];
        const auto quadratic = [&](float x, float y, float z) {
            const float along = cx * x + cy * y + cz * z;
            return 4.5f * along * along - 1.5f * (x * x + y * y + z * z);
        };
        const int x = w.cell[k], x1 = w.cell_1[k], x2 = w.cell_2[k];
        const float here = quadratic(jx[x], jy[x], jz[x]);
        const float beyond = quadratic(w.v0[k] * jx[x] + w.v1[k] * jx[x1], w.v0[k] * jy[x] + w.v1[k] * jy[x1],
                                       w.v0[k] * jz[x] + w.v1[k] * jz[x1]);
        const float shared = (w.a[k] + w.c[k]) * here + w.b[k] * quadratic(jx[x1], jy[x1], jz[x1]) +
                             w.d[k] * quadratic(jx[x2], jy[x2], jz[x2]);
        const float left = f[w.back[k]];
        const float back = w.a[k] * left + w.b[k] * f[arrived[k]] + w.c[k] * f[returned[k]] + w.d[k] * f[arrived_2[k]] +
                           w.weight[k] * (beyond - shared);
        gained += back - left;
        f[w.back[k]] = back - give_back * w.weight[k];
    }
#pragma omp atomic
    leak += gained;
#pragma omp barrier
}

double Lattice::pass_inlet(const Inlet& inlet, double amplitude, double phase, bool swapped) {
    float* f = cells_.f;
    const std::size_t links = inlet.back.size();
    const double at = (phase - std::floor(phase)) * inlet.rows;
    const int row = std::min(static_cast<int>(at), inlet.rows - 1);
    const float* first = inlet.gain.data() + row * links;
    const float* second = inlet.gain.data() + ((row + 1) % inlet.rows) * links;
    const float part = static_cast<float>(at - row), scale = static_cast<float>(amplitude);
    const auto added = [&](std::size_t k) { return scale * (first[k] + part * (second[k] - first[k])); };
    double flow = 0.0;
    for (std::size_t k = 0; k < links; ++k) flow += added(k);
    if (flow < 0.0) {
        let_out(inlet, flow, swapped);
        return flow;
    }
    for (std::size_t k = 0; k < links; ++k) f[inlet.back[k]] += added(k);
    return flow;
}

// Blood that leaves through an inlet: held to a profile there, it would make the first cells run away. What comes back
// is the equilibrium at the cell's own density and velocity, and what that lacks of the wanted flow is spread by
// weight.
void Lattice::let_out(const Inlet& inlet, double flow, bool swapped) {
    float* f = cells_.f;
    const std::size_t stride = cells_.stride, links = inlet.back.size();
    double missing = flow, weights = 0.0;
    for (std::size_t k = 0; k < links;) {
        const std::size_t x = inlet.back[k] % stride;
        float j[3] = {0, 0, 0};
        for (int i = 1; i < kDirections; ++i) {
            const float left = f[swapped ? opposite(i) * stride + x : slot_[(i - 1) * stride + x]];
            for (int a = 0; a < 3; ++a) j[a] += kVelocity[i][a] * left;
        }
        const float* n = inlet.normal;
        const float outward = std::min(j[0] * n[0] + j[1] * n[1] + j[2] * n[2], 0.0f);
        for (int a = 0; a < 3; ++a) j[a] -= outward * n[a];
        for (; k < links && inlet.back[k] % stride == x; ++k) {
            const int back = static_cast<int>(inlet.back[k] / stride);
            const float value = equilibrium(back, 0.0f, j[0], j[1], j[2]);
            missing -= value - f[inlet.back[k]];
            weights += weight(back);
            f[inlet.back[k]] = value;
        }
    }
    const float lacking = static_cast<float>(missing / weights);
    for (std::size_t k = 0; k < links; ++k)
        f[inlet.back[k]] += lacking * weight(static_cast<int>(inlet.back[k] / stride));
}

// What comes back from an outlet holds its pressure half-way along the link (anti-bounce-back, Ginzburg et al. 2008):
// with what left it makes the even part of the equilibrium at that pressure and the cell's own velocity. The
// equilibrium alone would leave a pressure of some percent of rho u^2 behind a cap oblique to the lattice, a tenth
// behind a vessel's. Backflow control: where blood comes in, it is the equilibrium without the normal part of the
// velocity, which leaves fluid to be drawn in from rest.
// Held whole, it lets single cells run away at Reynolds numbers of a thousand; this part of it does not.
constexpr float kEven = 0.8f;

double Lattice::pass_outlet(Outlet& outlet, bool swapped) {
    float* f = cells_.f;
    const std::size_t stride = cells_.stride;
    const float density = outlet.density + outlet.offset;
    const std::size_t links = outlet.cell.size();
    double flow = 0.0;
    for (std::size_t k = 0; k < links;) {
        const int x = outlet.cell[k];
        float j[3] = {0, 0, 0};
        for (int i = 1; i < kDirections; ++i) {
            const float left = f[swapped ? opposite(i) * stride + x : slot_[(i - 1) * stride + x]];
            for (int a = 0; a < 3; ++a) j[a] += kVelocity[i][a] * left;
        }
        const float* n = outlet.normal;
        const float outward = j[0] * n[0] + j[1] * n[1] + j[2] * n[2];
        for (int a = 0; a < 3; ++a) j[a] -= std::min(outward, 0.0f) * n[a];
        for (; k < links && outlet.cell[k] == x; ++k) {
            const int i = outlet.direction[k], back = opposite(i);
            float& slot = f[back * stride + x];
            float value = equilibrium(back, density, j[0], j[1], j[2]);
            // The slot still holds what left along i.
            if (outward > 0.0f) value += kEven * (equilibrium(i, density, j[0], j[1], j[2]) - slot);
            flow += slot - value;
            slot = value;
        }
    }
    return flow;
}

// Sets each outlet's pressure by its load and the reference that makes the corrections of all cancel. A load stiffer
// than the sound impedance of its outlet is followed as a flow would be: what is in excess of the flow the load would
// take at the outlet's pressure is answered by a matched, sound-swallowing end at once and integrated slowly. One that
// is softer sets the pressure. Flows are those of an incompressible fluid: sound is left out of what the loads see in
// common.
void Lattice::follow_loads() {
    const auto fixed_part = [](const Load& load) { return load.keep * load.stored + (1.0 - load.keep) * load.far; };
    const auto resistance = [](const Load& load) { return load.resistance + (1.0 - load.keep) * load.distal; };
    const auto weight = [&](const Load& load) { return 1.0 / (resistance(load) + outlets[load.outlet].impedance); };
    double missing = inflow_now_, weights = 0.0, weighted = 0.0;
    for (const Load& load : loads) {
        missing -= outlets[load.outlet].flow;
        weights += weight(load);
    }
    const auto flow_of = [&](const Load& load) { return outlets[load.outlet].flow + missing * weight(load) / weights; };
    const auto pressure = [&](const Load& load) { return fixed_part(load) + resistance(load) * flow_of(load); };
    for (const Load& load : loads) weighted += weight(load) * (pressure(load) - outlets[load.outlet].density);
    reference = weighted / weights;
    for (Load& load : loads) {
        Outlet& outlet = outlets[load.outlet];
        const double excess = weight(load) * (pressure(load) - reference - outlet.density);
        outlet.density += static_cast<float>(outlet.integral * excess);
        outlet.offset = static_cast<float>(outlet.impedance * excess);
        load.stored = fixed_part(load) + (1.0 - load.keep) * load.distal * flow_of(load);
    }
}

void Lattice::pass(bool swapped, double amplitude, double phase) {
    const int outlet_count = static_cast<int>(outlets.size()), inlet_count = static_cast<int>(inlets_.size());
#pragma omp single
    {
        inflow_now_ = 0.0;
        leak_rate_ = walls_.back.empty() ? 0.0 : leak / walls_.total_weight;
        leak = 0.0;
        for (int k = 0; k < inlet_count; ++k) {
            const double flow = pass_inlet(inlets_[k], amplitude, phase, swapped);
            inlet_sum_[k] += flow;
            inflow_now_ += flow;
        }
    }
    // Outlets before walls: they read all that leaves a cell, and the wall pass overwrites some of it.
#pragma omp for schedule(dynamic, 1)
    for (int k = 0; k < outlet_count; ++k) {
        Outlet& outlet = outlets[k];
        const double flow = pass_outlet(outlet, swapped);
        outlet.flow = flow;
        outlet_sum_[k] += flow;
        if (outlet.share >= 0.0f) {
            const double excess = flow - outlet.share * inflow_now_;
            outlet.density += static_cast<float>(outlet.integral * excess);
            outlet.offset = static_cast<float>(outlet.impedance * excess);
        }
    }
#pragma omp single nowait
    if (!loads.empty()) follow_loads();
    pass_walls(swapped);
}

void Lattice::run(int pairs, const double amplitude[2], const double phase[2], int threads) {
    std::fill(inlet_sum_.begin(), inlet_sum_.end(), 0.0);
    std::fill(outlet_sum_.begin(), outlet_sum_.end(), 0.0);
    cells_.f = populations.data();
    cells_.momentum = momentum_.data();
    relaxation.table = relaxation_table.empty() ? nullptr : relaxation_table.data();
    const int blocks = cells_.stride / kBlock, steps = 2 * pairs;
#pragma omp parallel num_threads(threads)
    {
        const int rank = omp_get_thread_num(), team = omp_get_num_threads();
        const int first = static_cast<int>(static_cast<std::int64_t>(blocks) * rank / team);
        const int end = static_cast<int>(static_cast<std::int64_t>(blocks) * (rank + 1) / team);
        for (int step = 0; step < steps; ++step) {
            const bool natural = step % 2 == 0;
            (natural ? step_.even : step_.odd)(cells_, relaxation, first, end);
#pragma omp barrier
            const double now = amplitude[0] + (amplitude[1] - amplitude[0]) * (step + 1) / steps;
            pass(natural, now, phase[0] + phase[1] * (step + 1));
        }
    }
    for (std::size_t k = 0; k < inlets_.size(); ++k) inlet_flow[k] = inlet_sum_[k] / steps;
    for (std::size_t k = 0; k < outlets.size(); ++k) outlet_flow[k] = outlet_sum_[k] / steps;
}

void Lattice::fields(float* out, int threads) const {
    const int blocks = cells_.stride / kBlock;
    std::vector<float> padded(10 * static_cast<std::size_t>(cells_.stride));
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int block = 0; block < blocks; ++block) step_.fields(cells_, block, block + 1, padded.data());
    for (int k = 0; k < 10; ++k)
        std::copy_n(padded.data() + static_cast<std::size_t>(k) * cells_.stride, cells_.count,
                    out + static_cast<std::size_t>(k) * cells_.count);
}

float Lattice::peak_speed(int threads) const {
    std::vector<float> all(10 * static_cast<std::size_t>(cells_.count));
    fields(all.data(), threads);
    const std::size_t n = cells_.count;
    float peak = 0.0f;
    bool finite = true;
    for (std::size_t x = 0; x < n; ++x) {
        const float square =
            all[n + x] * all[n + x] + all[2 * n + x] * all[2 * n + x] + all[3 * n + x] * all[3 * n + x];
        finite &= std::isfinite(square);
        peak = std::max(peak, square);
    }
    return finite ? std::sqrt(peak) : NAN;
}

}  // namespace aneuflow
