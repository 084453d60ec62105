// Inlets, outlets and what lies beyond them: passes over the links that cross a cap, after a step.
#include <algorithm>
#include <cmath>

#include "lattice.hpp"

namespace aneuflow {

void Lattice::add_inlet(int links, const std::int32_t* cell, const std::int32_t* direction, int rows,
                        const float* gain) {
    Inlet inlet;
    inlet.rows = rows;
    inlet.gain.assign(gain, gain + static_cast<std::size_t>(rows) * links);
    float length = 0.0f;
    for (int k = 0; k < links; ++k) {
        opens_[cell[k] / kBlock] = 1;
        inlet.back.push_back(opposite(direction[k]) * cells_.stride + cell[k]);
        for (int a = 0; a < 3; ++a) inlet.normal[a] += weight(direction[k]) * kVelocity[direction[k]][a];
    }
    for (const float part : inlet.normal) length += part * part;
    for (float& part : inlet.normal) part /= std::sqrt(length);
    inlets.push_back(inlet);
    inlet_flow.push_back(0.0);
    inlet_sum_.push_back(0.0);
}

void Lattice::add_outlet(int links, const std::int32_t* cell, const std::int32_t* direction, const float* normal,
                         float share, float density, float impedance, float integral) {
    Outlet outlet;
    for (int k = 0; k < links; ++k) opens_[cell[k] / kBlock] = 1;
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

double Lattice::pass_inlet(const Inlet& inlet, double amplitude, double phase) {
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
        let_out(inlet, flow);
        return flow;
    }
    for (std::size_t k = 0; k < links; ++k) cells_.f[inlet.back[k]] += added(k);
    return flow;
}

// The momentum of cell x at its last collision, less what of it goes against `normal`; gives its part along the normal.
float Lattice::outward_momentum(int x, const float* normal, float (&j)[3]) const {
    for (int a = 0; a < 3; ++a) j[a] = momentum_[a * static_cast<std::size_t>(cells_.stride) + x];
    const float outward = j[0] * normal[0] + j[1] * normal[1] + j[2] * normal[2];
    for (int a = 0; a < 3; ++a) j[a] -= std::min(outward, 0.0f) * normal[a];
    return outward;
}

// Blood that leaves through an inlet: held to a profile there, it would make the first cells run away. What comes back
// is the equilibrium at the cell's own density and velocity, and what that lacks of the wanted flow is spread by
// weight.
void Lattice::let_out(const Inlet& inlet, double flow) {
    double missing = flow, weights = 0.0;
    for (const std::int32_t slot : inlet.back) {
        const int back = slot / cells_.stride;
        float j[3];
        outward_momentum(slot % cells_.stride, inlet.normal, j);
        const float value = equilibrium(back, 0.0f, j[0], j[1], j[2]);
        missing -= value - cells_.f[slot];
        weights += weight(back);
        cells_.f[slot] = value;
    }
    const float lacking = static_cast<float>(missing / weights);
    for (const std::int32_t slot : inlet.back) cells_.f[slot] += lacking * weight(slot / cells_.stride);
}

// What comes back from an outlet holds its pressure half-way along the link (anti-bounce-back, Ginzburg et al. 2008):
// with what left it makes the even part of the equilibrium at that pressure and the cell's own velocity. The
// equilibrium alone would leave a pressure of some percent of rho u^2 behind a cap oblique to the lattice, a tenth
// behind a vessel's. Backflow control: where blood comes in, it is the equilibrium without the normal part of the
// velocity, which leaves fluid to be drawn in from rest.
double Lattice::pass_outlet(const Outlet& outlet) {
    const float density = outlet.density + outlet.offset;
    double flow = 0.0;
    for (std::size_t k = 0; k < outlet.cell.size(); ++k) {
        const int x = outlet.cell[k], i = outlet.direction[k], back = opposite(i);
        float j[3];
        const float outward = outward_momentum(x, outlet.normal, j);
        float& slot = cells_.f[back * static_cast<std::size_t>(cells_.stride) + x];
        float value = equilibrium(back, density, j[0], j[1], j[2]);
        // The slot still holds what left along i.
        if (outward > 0.0f) value += kEven * (equilibrium(i, density, j[0], j[1], j[2]) - slot);
        flow += slot - value;
        slot = value;
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

void Lattice::pass_openings(double amplitude, double phase) {
    inflow_now_ = 0.0;
    for (std::size_t k = 0; k < inlets.size(); ++k) {
        const double flow = pass_inlet(inlets[k], amplitude, phase);
        inlet_sum_[k] += flow;
        inflow_now_ += flow;
    }
    std::vector<double> outflow;
    for (std::size_t k = 0; k < outlets.size(); ++k) {
        outflow.push_back(pass_outlet(outlets[k]));
        outlet_sum_[k] += outflow.back();
    }
    control(inflow_now_, outflow);
}

void Lattice::control(double inflow, const std::vector<double>& outflow) {
    inflow_now_ = inflow;
    for (std::size_t k = 0; k < outlets.size(); ++k) outlets[k].flow = outflow[k];
    follow_shares();
    if (!loads.empty()) follow_loads();
}

// Where all outlets have a share, the pressure of the largest is zero and what it would add to its own is taken off the
// others': else all of them together would follow the flow it lacks at a rate that falls with their number.
void Lattice::follow_shares() {
    const auto excess = [&](const Outlet& outlet) { return outlet.flow - outlet.share * inflow_now_; };
    const auto smaller = [](const Outlet& a, const Outlet& b) { return a.share < b.share; };
    const auto held = std::max_element(outlets.begin(), outlets.end(), smaller);
    const bool all = std::all_of(outlets.begin(), outlets.end(), [](const Outlet& o) { return o.share >= 0.0f; });
    const double common = all && held != outlets.end() ? held->integral * excess(*held) : 0.0;
    for (auto outlet = outlets.begin(); outlet != outlets.end(); ++outlet) {
        if (outlet->share < 0.0f || (all && outlet == held)) continue;
        outlet->density += static_cast<float>(outlet->integral * excess(*outlet) - common);
        outlet->offset = static_cast<float>(outlet->impedance * excess(*outlet));
    }
}

}  // namespace aneuflow
