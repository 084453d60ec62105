#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <stdexcept>

#include "device_source.hpp"
#include "lattice.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace aneuflow;

namespace {

template <class T>
using Array = nb::ndarray<nb::numpy, const T, nb::c_contig, nb::device::cpu>;

template <class T>
nb::ndarray<nb::numpy, T> give(std::vector<T>&& values, std::vector<std::size_t> shape) {
    auto* kept = new std::vector<T>(std::move(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return nb::ndarray<nb::numpy, T>(kept->data(), shape.size(), shape.data(), owner);
}

template <class T>
nb::ndarray<nb::numpy, T> copy(const T* values, std::size_t count) {
    return give(std::vector<T>(values, values + count), {count});
}

template <class T>
nb::ndarray<nb::numpy, T> copy(const std::vector<T>& values) {
    return copy(values.data(), values.size());
}

// Everything a step reads and does not change, for a GPU to copy.
nb::dict setup(const Lattice& self) {
    nb::dict all;
    const std::size_t links = self.walls.cell.size(), stride = self.stride();
    const std::size_t fit_cells = static_cast<std::size_t>(self.fits.count) * self.fits.cells;
    std::vector<float> share;
    for (const std::vector<float>& row : self.walls.share) share.insert(share.end(), row.begin(), row.end());
    std::vector<float> fit_weight(kTerms * fit_cells);
    for (std::size_t k = 0; k < fit_weight.size(); ++k)
        fit_weight[k] = self.fits.unit[k / self.fits.cells] * static_cast<float>(self.fits.weight[k]);
    std::vector<std::int32_t> slots;
    for (int i = 1; i < kDirections; ++i)
        for (std::size_t x = 0; x < stride; ++x) slots.push_back(self.streaming.slot(i, static_cast<int>(x)));
    all["slots"] = give(std::move(slots), {kDirections - 1, stride});
    all["wall_cells"] = nb::make_tuple(copy(self.walls.cell), copy(self.walls.cell_1), copy(self.walls.cell_2));
    all["wall_shares"] = give(std::move(share), {kWallShares, links});
    all["wall_blocks"] = nb::make_tuple(copy(self.walls.direction), copy(self.walls.lanes));
    all["wall_weight"] = self.walls.total_weight;
    all["wall_fit"] = copy(self.walls.fit);
    all["fits"] = nb::make_tuple(self.fits.count, self.fits.cells, copy(self.fits.cell, fit_cells),
                                 give(std::move(fit_weight), {kTerms * fit_cells}));
    all["refit"] = kRefit;
    all["block"] = kBlock;
    all["relaxation"] = nb::make_tuple(self.relaxation.keep, self.relaxation.keep_third, copy(self.relaxation_table),
                                       self.relaxation.first_bits, self.relaxation.shift);
    nb::list inlets, outlets;
    for (const Inlet& inlet : self.inlets) {
        const std::size_t rows = inlet.rows;
        inlets.append(nb::make_tuple(copy(inlet.back),
                                     nb::make_tuple(inlet.normal[0], inlet.normal[1], inlet.normal[2]),
                                     give(std::vector<float>(inlet.gain), {rows, inlet.back.size()})));
    }
    for (const Outlet& outlet : self.outlets)
        outlets.append(nb::make_tuple(copy(outlet.cell), copy(outlet.direction),
                                      nb::make_tuple(outlet.normal[0], outlet.normal[1], outlet.normal[2])));
    all["inlets"] = inlets;
    all["outlets"] = outlets;
    return all;
}

void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

nb::tuple cross(Array<double> points, Array<std::int32_t> triangles, std::vector<int> shape, int threads) {
    require(points.ndim() == 2 && points.shape(1) == 3 && triangles.ndim() == 2 && triangles.shape(1) == 3 &&
                shape.size() == 3,
            "points and triangles must be (n, 3), shape three numbers");
    Crossings c;
    {
        nb::gil_scoped_release release;
        c = cross_surface(static_cast<int>(points.shape(0)), points.data(), static_cast<int>(triangles.shape(0)),
                          triangles.data(), shape.data(), threads);
    }
    const std::size_t n = c.cells.size() / 3, links = c.link_cell.size();
    return nb::make_tuple(give(std::move(c.cells), {n, 3}), give(std::move(c.neighbors), {kDirections - 1, n}),
                          give(std::move(c.link_cell), {links}), give(std::move(c.link_direction), {links}),
                          give(std::move(c.link_triangle), {links}), give(std::move(c.link_distance), {links}));
}

// What was freed goes back to the system; the C library would keep a good part of it.
void give_back_memory() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

}  // namespace

NB_MODULE(_core, m) {
    m.doc() = "Sparse lattice-Boltzmann kernel.";
    m.def("give_back_memory", &give_back_memory);
    m.attr("device_source") = kDeviceSource;
    m.def("cross_surface", &cross, "points"_a, "triangles"_a, "shape"_a, "threads"_a);
    nb::class_<Streaming>(m, "Streaming")
        .def(
            "__init__",
            [](Streaming* self, Array<std::int32_t> neighbors) {
                require(neighbors.ndim() == 2 && neighbors.shape(0) == kDirections - 1, "neighbors must be (26, n)");
                require(neighbors.shape(1) < (1u << 31) / kDirections - kBlock, "too many cells for 32-bit slots");
                new (self) Streaming(static_cast<int>(neighbors.shape(1)), neighbors.data());
            },
            "neighbors"_a)
        .def(
            "neighbors",
            [](const Streaming& self, Array<std::int32_t> cell, Array<std::int32_t> direction) {
                require(direction.size() == cell.size(), "one direction for each cell");
                std::vector<std::int32_t> out(cell.size());
                for (std::size_t k = 0; k < out.size(); ++k) {
                    const int i = direction.data()[k], x = cell.data()[k];
                    require(i > 0 && i < kDirections && x >= 0 && x < self.cells, "there is no such cell or direction");
                    out[k] = self.neighbor(i, x);
                }
                return give(std::move(out), {cell.size()});
            },
            "cell"_a, "direction"_a);
    nb::class_<Lattice>(m, "Lattice")
        .def(nb::init<const Streaming&>(), "streaming"_a, nb::keep_alive<1, 2>())
        .def_prop_ro("cells", &Lattice::cells)
        .def_prop_ro("stride", &Lattice::stride)
        .def("setup", &setup)
        .def(
            "control",
            [](Lattice& self, double inflow, const std::vector<double>& outflow) {
                require(outflow.size() == self.outlets.size(), "one flow for each outlet");
                self.control(inflow, outflow);
            },
            "inflow"_a, "outflow"_a)
        .def(
            "set_walls",
            [](Lattice& self, Array<std::int32_t> cell, Array<std::int32_t> direction, Array<float> coefficients,
               Array<std::int32_t> fit, Array<std::int32_t> fit_cells, Array<std::int16_t> fit_weights,
               Array<float> fit_units) {
                require(coefficients.size() == kWallShares * cell.size() && direction.size() == cell.size() &&
                            fit.size() == cell.size(),
                        "one row for each link");
                require(fit_cells.ndim() == 2 && fit_weights.size() == kTerms * fit_cells.size() &&
                            fit_units.size() == kTerms * fit_cells.shape(0),
                        "fit_cells must be (n, k), fit_weights (n, 5, k), fit_units (n, 5)");
                WallFits fits;
                fits.count = static_cast<int>(fit_cells.shape(0));
                fits.cells = static_cast<int>(fit_cells.shape(1));
                fits.cell = fit_cells.data();
                fits.weight = fit_weights.data();
                fits.unit = fit_units.data();
                self.set_walls(static_cast<int>(cell.size()), cell.data(), direction.data(), coefficients.data(),
                               fit.data(), std::move(fits));
            },
            "cell"_a, "direction"_a, "coefficients"_a, "fit"_a, "fit_cells"_a.noconvert(), "fit_weights"_a.noconvert(),
            "fit_units"_a.noconvert(), nb::keep_alive<1, 6>(), nb::keep_alive<1, 7>(), nb::keep_alive<1, 8>())
        .def(
            "add_inlet",
            [](Lattice& self, Array<std::int32_t> cell, Array<std::int32_t> direction, Array<float> gain) {
                require(gain.ndim() == 2 && gain.shape(1) == cell.size() && direction.size() == cell.size(),
                        "gain must be (rows, links)");
                self.add_inlet(static_cast<int>(cell.size()), cell.data(), direction.data(),
                               static_cast<int>(gain.shape(0)), gain.data());
            },
            "cell"_a, "direction"_a, "gain"_a)
        .def(
            "add_outlet",
            [](Lattice& self, Array<std::int32_t> cell, Array<std::int32_t> direction, Array<float> normal, float share,
               float density, float impedance, float integral) {
                require(normal.size() == 3 && direction.size() == cell.size(), "one direction for each link");
                self.add_outlet(static_cast<int>(cell.size()), cell.data(), direction.data(), normal.data(), share,
                                density, impedance, integral);
            },
            "cell"_a, "direction"_a, "normal"_a, "share"_a, "density"_a, "impedance"_a, "integral"_a)
        .def(
            "add_load",
            [](Lattice& self, int outlet, double resistance, double distal, double keep, double far, double stored) {
                require(outlet >= 0 && outlet < static_cast<int>(self.outlets.size()), "there is no such outlet");
                require(resistance >= 0.0 && distal >= 0.0 && keep >= 0.0 && keep <= 1.0, "a load must be passive");
                self.add_load({outlet, resistance, distal, keep, far, stored});
            },
            "outlet"_a, "resistance"_a, "distal"_a, "keep"_a, "far"_a, "stored"_a)
        .def_ro("reference", &Lattice::reference)
        .def_prop_rw(
            "stored",
            [](const Lattice& self) {
                std::vector<double> out;
                for (const Load& load : self.loads) out.push_back(load.stored);
                return out;
            },
            [](Lattice& self, const std::vector<double>& values) {
                require(values.size() == self.loads.size(), "one pressure for each load");
                for (std::size_t k = 0; k < values.size(); ++k) self.loads[k].stored = values[k];
            },
            "Pressure at the capacitance of each load, as density.")
        .def(
            "set_newtonian",
            [](Lattice& self, float tau, float keep_third) {
                self.relaxation_table.clear();
                self.relaxation = {};
                self.relaxation.keep = 1.0f - 1.0f / tau;
                self.relaxation.keep_third = keep_third;
            },
            "tau"_a, "keep_third"_a)
        .def(
            "set_relaxation_table",
            [](Lattice& self, Array<float> keep, int first_bits, int shift, float keep_third) {
                self.relaxation_table.assign(keep.data(), keep.data() + keep.size());
                self.relaxation = {0.0f, keep_third, nullptr, static_cast<int>(keep.size()), first_bits, shift};
            },
            "keep"_a, "first_bits"_a, "shift"_a, "keep_third"_a)
        .def(
            "run",
            [](Lattice& self, int pairs, double amplitude, double amplitude_end, double phase, double phase_step,
               int threads) {
                const double range[2] = {amplitude, amplitude_end}, time[2] = {phase, phase_step};
                nb::gil_scoped_release release;
                self.run(pairs, range, time, threads);
            },
            "pairs"_a, "amplitude"_a, "amplitude_end"_a, "phase"_a, "phase_step"_a, "threads"_a)
        .def(
            "fields",
            [](const Lattice& self, int threads) {
                std::vector<float> out(10 * static_cast<std::size_t>(self.cells()));
                self.fields(out.data(), threads);
                return give(std::move(out), {10, static_cast<std::size_t>(self.cells())});
            },
            "threads"_a)
        .def("peak_speed", &Lattice::peak_speed, "threads"_a)
        .def("inlet_flow", [](const Lattice& self) { return self.inlet_flow; })
        .def("outlet_flow", [](const Lattice& self) { return self.outlet_flow; })
        .def_prop_rw(
            "controls",
            [](const Lattice& self) {
                std::vector<double> out{self.leak};
                for (const Outlet& outlet : self.outlets) {
                    out.push_back(outlet.density);
                    out.push_back(outlet.offset);
                }
                return out;
            },
            [](Lattice& self, const std::vector<double>& values) {
                require(values.size() == 2 * self.outlets.size() + 1, "leak, density and offset of each outlet");
                self.leak = values[0];
                for (std::size_t k = 0; k < self.outlets.size(); ++k) {
                    self.outlets[k].density = static_cast<float>(values[2 * k + 1]);
                    self.outlets[k].offset = static_cast<float>(values[2 * k + 2]);
                }
            },
            "What the lattice controls itself by: the walls' leak, then density and proportional offset of each "
            "outlet.")
        .def_prop_rw(
            "populations",
            [](const Lattice& self) {
                const std::size_t n = self.cells(), stride = self.stride();
                std::vector<float> out(kDirections * n);
                for (int i = 0; i < kDirections; ++i)
                    std::copy_n(self.populations.data() + i * stride, n, out.data() + i * n);
                return give(std::move(out), {kDirections, n});
            },
            [](Lattice& self, Array<float> values) {
                const std::size_t n = self.cells(), stride = self.stride();
                require(values.size() == kDirections * n, "populations must be (27, cells)");
                for (int i = 0; i < kDirections; ++i)
                    std::copy_n(values.data() + i * n, n, self.populations.data() + i * stride);
            },
            nb::for_getter(nb::rv_policy::move));
}
