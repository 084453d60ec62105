"""From a lumen and its boundary conditions to a lattice that is ready to run."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError, MethodError, ResourceError
from aneuflow.flow.loads import outlet_circuits
from aneuflow.numerics.inlet_profile import inlet_velocity
from aneuflow.numerics.lattice import core
from aneuflow.numerics.lattice.relaxation import PRODUCT, third_order_keep
from aneuflow.numerics.lattice.velocity_set import SOUND_SPEED, VELOCITIES, WEIGHTS
from aneuflow.numerics.lattice.voxels import Voxels, voxelize
from aneuflow.numerics.lattice.wall_fit import WallFits, wall_fits, wall_terms
from aneuflow.numerics.lattice.walls import behind, wall_coefficients
from aneuflow.numerics.rheology import relaxation_table
from aneuflow.types import (
    WALL_PATCH,
    BoundaryConditions,
    Cap,
    Float32Array,
    FloatArray,
    InletCondition,
    IntArray,
    LumenModel,
    PatchedSurface,
)

BYTES_PER_CELL = 700  # measured at 0.5 million cells: populations, where they go, links, wall fit, fields and their copies
BYTES_PER_BOX_NODE = 4
# How fast the pressure of an outlet with a given flow or a stiff load follows: in so many passages of sound through the
# lumen. By the inertia of the blood it would ring below one passage, in a tree with many outlets below two.
_PASSAGES = 3.0


@dataclass(frozen=True)
class Units:
    """Lattice spacing, time step and density in SI: what one lattice unit is worth."""

    spacing_m: float
    time_step_s: float
    density: float

    @property
    def velocity(self) -> float:
        return self.spacing_m / self.time_step_s

    @property
    def stress(self) -> float:
        return self.density * self.velocity**2

    @property
    def flow_ml_s(self) -> float:
        return 1e6 * self.spacing_m**3 / self.time_step_s

    def density_of(self, pressure: float) -> float:
        """The lattice's deviation of density that stands for a pressure in Pa."""
        return float(3.0 * pressure / self.stress)


@dataclass(frozen=True, eq=False)
class Domain:
    """The cells of a lumen with its extensions; link_patch (k,): 0 wall, else the id of the cap that the link crosses.

    fits: of the velocity beside the wall, for the links of patch 0; wall_distance (cells,): from it, mm, NaN far from it.
    """

    voxels: Voxels
    link_patch: IntArray
    fits: WallFits
    wall_distance: Float32Array

    def links(self, patch: int) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.link_patch == patch)

    def arrays(self, links: npt.NDArray[np.intp]) -> tuple[IntArray, IntArray]:
        return self.voxels.link_cell[links], self.voxels.link_direction[links]

    def middles(self, links: npt.NDArray[np.intp]) -> FloatArray:
        """Half-way along the links, (k, 3) float64, mm."""
        cell, direction = self.arrays(links)
        return np.asarray(self.voxels.points[cell] + 0.5 * self.voxels.spacing * VELOCITIES[direction])


def cap_ids(boundary: BoundaryConditions) -> list[int]:
    """The caps that have a condition, inlets first."""
    return [inlet.cap_id for inlet in boundary.inlets] + [outlet.cap_id for outlet in boundary.outlets]


def thread_count(wanted: int) -> int:
    """The number of threads to run on; 0 means all this process may use."""
    return wanted or len(os.sched_getaffinity(0))


def build_domain(model: LumenModel, boundary: BoundaryConditions, spacing_mm: float, threads: int) -> Domain:
    """Cells and cut links of the extended lumen.

    Raises ResourceError where it would not fit into memory, MethodError where an opening is not resolved.
    """
    surface = model.extended
    _check_memory(surface, spacing_mm)
    voxels = voxelize(surface.surface.points, surface.surface.triangles, spacing_mm, threads)
    patch = np.where(voxels.link_triangle >= 0, surface.patch[voxels.link_triangle], WALL_PATCH).astype(np.int32)
    for id in cap_ids(boundary):
        if np.count_nonzero(patch == id) < 20:
            raise MethodError(
                f"Opening {id} is hardly met by the lattice of {spacing_mm:g} mm, or is not connected to the rest of the "
                "lumen; set a finer --resolution or check the model."
            )
    walls = surface.surface.triangles[surface.patch == WALL_PATCH]
    links = np.flatnonzero(patch == WALL_PATCH)
    fits, distance = wall_fits(voxels, links, surface.surface.points, walls, threads)
    return Domain(voxels, patch, fits, distance)


def _check_memory(surface: PatchedSurface, spacing_mm: float) -> None:
    points, triangles = surface.surface.points, surface.surface.triangles
    a, b, c = (points[triangles[:, k]] - points.mean(axis=0) for k in range(3))
    cells = abs(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0 / spacing_mm**3
    box = np.prod(np.ptp(points, axis=0) / spacing_mm + 3.0)
    needed = (cells * BYTES_PER_CELL + box * BYTES_PER_BOX_NODE) / 1e9
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    if needed > 0.8 * available:
        raise ResourceError(
            f"The flow needs {cells / 1e6:.1f} million cells and {needed:.1f} GB at {spacing_mm:g} mm, and this machine has "
            f"{available:.1f} GB; set a coarser --resolution."
        )


def build_lattice(
    domain: Domain, model: LumenModel, boundary: BoundaryConditions, units: Units, subgrid: float = 0.0
) -> core.Lattice:
    """The lattice at rest with its walls, inlets and outlets; `subgrid` as in `relaxation_table`.

    Raises InputError where a boundary condition names no cap, or outlets have conditions that do not go together.
    """
    core.give_back_memory()
    lattice = core.Lattice(domain.voxels.streaming)
    walls = domain.links(WALL_PATCH)
    tau = relaxation_time(boundary, units)
    rear, fits = behind(domain.voxels, walls), domain.fits
    shares = wall_coefficients(domain.voxels.link_distance[walls], rear, tau)
    terms = wall_terms(domain.voxels, walls, fits, shares, rear, tau, PRODUCT)
    coefficients = np.ascontiguousarray(np.column_stack([shares, terms]))
    needed = slice(None) if terms.any() else slice(0)
    lattice.set_walls(
        *domain.arrays(walls), coefficients, fits.of_link, fits.cells[needed], fits.weights[needed], fits.units[needed]
    )
    del rear, shares, terms, coefficients
    caps = {cap.id: cap for cap in model.extended_caps}
    for id in cap_ids(boundary):
        if id not in caps:
            raise InputError(f"The boundary conditions name cap {id}, which the model has not; it has {sorted(caps)}.")
    for inlet in boundary.inlets:
        links = domain.links(inlet.cap_id)
        gain = inlet_gain(domain, model.extended, caps[inlet.cap_id], inlet, boundary, units)
        lattice.add_inlet(*domain.arrays(links), np.ascontiguousarray(gain.T, dtype=np.float32))
    _add_outlets(lattice, domain, caps, boundary, units)
    blood = boundary.blood
    if blood.model == "newtonian" and subgrid == 0.0:
        lattice.set_newtonian(tau, third_order_keep(tau))
    else:
        table = relaxation_table(blood.model, blood.parameters, blood.density, units.spacing_m, units.time_step_s, subgrid)
        lattice.set_relaxation_table(table.keep, table.first_bits, table.shift, third_order_keep(tau))
    core.give_back_memory()
    return lattice


def relaxation_time(boundary: BoundaryConditions, units: Units) -> float:
    """tau of the blood at high shear, in steps."""
    kinematic = boundary.blood.parameters["viscosity"] / boundary.blood.density
    return float(0.5 + 3.0 * kinematic * units.time_step_s / units.spacing_m**2)


def inlet_gain(
    domain: Domain,
    surface: PatchedSurface,
    cap: Cap,
    inlet: InletCondition,
    boundary: BoundaryConditions,
    units: Units,
) -> FloatArray:
    """What each link of an inlet adds to the population that comes back, (links, phases), lattice units.

    Half-way bounce-back off a wall that moves inward, with the profile's velocity where it acts: half-way along the link, not
    where that crosses the cap. The columns are corrected by a part of the steady profile so that the flow into the lattice is
    exactly the one that is wanted.
    """
    links = domain.links(cap.id)
    waveform = boundary.waveform and (inlet.waveform or boundary.waveform)
    rim, frame = cap_rim(surface, cap)
    flat = (domain.middles(links) - cap.center_mm) @ frame.T
    kinematic = boundary.blood.parameters["viscosity"] / boundary.blood.density
    alpha = 0.0 if waveform is None else 1e-3 * cap.radius_mm * np.sqrt(2.0 * np.pi / waveform.period_s / kinematic)
    mean_velocity = 1e-6 * inlet.mean_flow_ml_s / (1e-6 * cap.area_mm2) / units.velocity
    direction = domain.voxels.link_direction[links]
    factor = 6.0 * WEIGHTS[direction] * (VELOCITIES[direction] @ cap.normal) * mean_velocity
    base = factor * inlet_velocity(rim, flat, inlet.profile, None, 0.0)[:, 0]
    gain = base[:, None]
    if waveform is not None:
        gain = factor[:, None] * inlet_velocity(rim, flat, inlet.profile, waveform, alpha)
    phases = np.arange(gain.shape[1]) / gain.shape[1]
    ratio = np.ones(1) if waveform is None else np.interp(phases, waveform.phase, waveform.ratio, period=1.0)
    missing = ratio * inlet.mean_flow_ml_s / units.flow_ml_s - gain.sum(axis=0)
    return np.asarray(gain + base[:, None] / base.sum() * missing)


def cap_rim(surface: PatchedSurface, cap: Cap) -> tuple[FloatArray, FloatArray]:
    """The rim of a cap in its plane, (k, 2) mm, in order, and the two axes of that plane, (2, 3)."""
    triangles = surface.surface.triangles[surface.patch == cap.id]
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    known = {(int(a), int(b)) for a, b in edges}
    following = {a: b for a, b in known if (b, a) not in known}
    start = next(iter(following))
    loop = [start]
    while (point := following[loop[-1]]) != start and len(loop) <= len(following):
        loop.append(point)
    first = np.cross(cap.normal, np.eye(3)[np.argmin(np.abs(cap.normal))])
    first /= np.linalg.norm(first)
    frame = np.stack([first, np.cross(cap.normal, first)])
    return (surface.surface.points[loop] - cap.center_mm) @ frame.T, frame


def _add_outlets(
    lattice: core.Lattice, domain: Domain, caps: dict[int, Cap], boundary: BoundaryConditions, units: Units
) -> None:
    """Pressures follow the flow where its share is given; where all are, the lattice holds that of the largest at zero.

    Outlets that have a load begin without pressure: what the loads have in common stays out of the lattice.
    """
    outlets = boundary.outlets
    steps = _PASSAGES * float(np.ptp(domain.voxels.lattice, axis=0).max()) / SOUND_SPEED
    for outlet in outlets:
        links = domain.links(outlet.cap_id)
        share = outlet.flow_share if outlet.kind == "flow-split" else None
        area_cells = caps[outlet.cap_id].area_mm2 / (1e3 * units.spacing_m) ** 2
        # The impedance of a sound wave in the outlet: a matched end, which swallows the wave its own correction makes.
        impedance = 1.0 / (SOUND_SPEED * area_cells)
        lattice.add_outlet(
            *domain.arrays(links),
            caps[outlet.cap_id].normal.astype(np.float32),
            -1.0 if share is None else share,
            0.0,
            impedance,
            impedance / steps,
        )
    for index, circuit in enumerate(outlet_circuits(boundary)):
        flow_m3_s = 1e-6 * units.flow_ml_s
        lattice.add_load(
            index,
            units.density_of(circuit.resistance * flow_m3_s),
            units.density_of(circuit.distal_resistance * flow_m3_s),
            circuit.keep(units.time_step_s),
            units.density_of(circuit.distal_pressure),
            units.density_of(circuit.distal_pressure),
        )
