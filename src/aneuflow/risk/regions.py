"""Where on the sac's wall the flow meets a written definition; each stands in the registry with its source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.numerics.surface import geodesic_distance, vertex_areas
from aneuflow.numerics.surface_fields import connected_parts, random_field, smoothed, surface_divergence
from aneuflow.risk.clinical import Number
from aneuflow.risk.settings import GradeSettings
from aneuflow.types import (
    REGION_PARENT,
    REGION_SAC,
    FloatArray,
    FlowSolution,
    LumenModel,
    Measure,
    Surface,
    WallRegion,
)

BoolArray = npt.NDArray[np.bool_]

LOW_SHEAR_PA, HIGH_OSI = 0.4, 0.2
LEAST_AREA_MM2 = 1.0
# The parent artery here: wall within this many of its diameters around the neck's center.
PARENT_REACH = 2.0
DIVERGENCE_SMOOTHING_MM, JET_REACH_MM = 0.4, 1.0
# At a given flow shear goes with the third power of the radius (Poiseuille); its errors are alike over about this length.
RADIUS_POWER, ERROR_LENGTH_MM = 3.0, 2.0
# Errors assumed of OSI, and of pressure as a part of its spread over the sac.
OSI_ERROR, PRESSURE_ERROR = 0.03, 0.1
KEPT_SHARE = 0.5
# A region on so much of the sac has no place of its own on it.
MOST_OF_SAC = 0.5
SEED = 12


@dataclass(frozen=True, eq=False)
class Wall:
    """The lumen's wall with what the definitions look at; fields (n,), shear in Pa, residence in 1/Pa, divergence in Pa/mm.

    osi and rrt are None for a steady flow; blebs (n,) truths. near: the parent artery around the neck. reach (n,): how far
    along the wall from the neck, 1 at the sac's farthest point.
    """

    surface: Surface
    areas: FloatArray
    sac: BoolArray
    near: BoolArray
    tawss: FloatArray
    osi: FloatArray | None
    rrt: FloatArray | None
    pressure: FloatArray
    divergence: FloatArray
    blebs: BoolArray | None
    radius_mm: float
    reach: FloatArray

    def parent(self, values: FloatArray) -> tuple[float, float]:
        """Area mean and standard deviation over the parent artery."""
        return mean_sd(values[self.near], self.areas[self.near])


Definition = Callable[[Wall], BoolArray | None]


def wall_of(model: LumenModel, flow: FlowSolution, steady: bool, blebs: tuple[FloatArray, ...] | None) -> Wall | None:
    """The wall of a solution with an aneurysm, None without one or where no parent artery is left.

    blebs: points (k, 3) mm of each bleb, None where they were not looked for.
    """
    if model.aneurysm is None:
        return None
    points, triangles = flow.wall.points, flow.wall.triangles
    fields = {name: np.asarray(values, dtype=np.float64) for name, values in flow.wall_fields.items()}
    ostium, line = model.aneurysm.ostium, model.aneurysm.parent_line
    radius = float(line.radius_mm[-1])
    sac = flow.region == REGION_SAC
    near = (flow.region == REGION_PARENT) & near_neck(points, np.asarray(ostium.center_mm), radius)
    if not sac.any() or not near.any():
        return None
    divergence = smoothed(points, triangles, surface_divergence(points, triangles, fields["WSS_mean"]), DIVERGENCE_SMOOTHING_MM)
    return Wall(
        surface=flow.wall,
        areas=vertex_areas(points, triangles),
        sac=sac,
        near=near,
        tawss=fields["TAWSS"],
        osi=None if steady else fields["OSI"],
        rrt=None if steady else fields["RRT"],
        pressure=fields["pressure"],
        divergence=divergence,
        blebs=None if blebs is None else _points_near(points, blebs) & sac,
        radius_mm=radius,
        reach=reach_of(points, triangles, sac),
    )


def near_neck(points: FloatArray, center_mm: FloatArray, radius_mm: float) -> BoolArray:
    """(n,) whether points are as near to the neck's center as the parent artery of that radius is looked at."""
    return np.asarray(np.linalg.norm(points - center_mm, axis=1) <= 2 * radius_mm * PARENT_REACH)


def reach_of(points: FloatArray, triangles: npt.NDArray[np.integer], sac: BoolArray) -> FloatArray:
    """(n,) distance along the wall from the vessel as a part of the sac's largest; 0 outside the sac.

    Along the wall, for a sac can be bent: the tip of one that turns back lies low over the neck plane.
    """
    distance = np.where(sac, geodesic_distance(points, triangles, np.flatnonzero(~sac)), 0.0)
    finite = np.isfinite(distance)
    return np.where(finite, distance, 0.0) / max(float(distance[finite].max()), 1e-9)


def _points_near(points: FloatArray, parts: tuple[FloatArray, ...]) -> BoolArray:
    if not parts:
        return np.zeros(len(points), dtype=bool)
    return np.asarray(cKDTree(np.vstack(parts)).query(points)[0] < 0.3)


def low_shear(wall: Wall) -> BoolArray:
    """Cycle-mean shear under 0.4 Pa. Source: Malek et al. 1999; Cebral et al. 2011."""
    return wall.sac & (wall.tawss < LOW_SHEAR_PA)


def low_oscillating(wall: Wall) -> BoolArray | None:
    """Shear under the parent's mean less a standard deviation, or under 0.4 Pa, with OSI over 0.2. Source: Meng et al. 2014."""
    if wall.osi is None:
        return None
    mean, sd = wall.parent(wall.tawss)
    return wall.sac & (wall.tawss < max(mean - sd, LOW_SHEAR_PA)) & (wall.osi > HIGH_OSI)


def impingement(wall: Wall) -> BoolArray:
    """Where the jet strikes: pressure over the sac's mean by a standard deviation, shear that diverges, and shear over the
    parent's mean within 1 mm (at the very point of impact there is none). Source: Meng et al. 2007; Cebral et al. 2011.
    """
    mean, sd = mean_sd(wall.pressure[wall.sac], wall.areas[wall.sac])
    struck = wall.sac & (wall.pressure > mean + sd) & (wall.divergence > 0.0)
    high = wall.tawss > wall.parent(wall.tawss)[0]
    if not high.any():
        return np.zeros_like(wall.sac)
    points = wall.surface.points
    struck[struck] = cKDTree(points[high]).query(points[struck])[0] <= JET_REACH_MM
    return struck


def high_residence(wall: Wall) -> BoolArray | None:
    """Residence over the parent's mean by two standard deviations and over the sac's own by one.

    Source: Himburg et al. 2004 for the residence time; the limits are ours.
    """
    if wall.rrt is None:
        return None
    parent_mean, parent_sd = wall.parent(wall.rrt)
    sac_mean, sac_sd = mean_sd(wall.rrt[wall.sac], wall.areas[wall.sac])
    return wall.sac & (wall.rrt > max(parent_mean + 2.0 * parent_sd, sac_mean + sac_sd))


def bleb(wall: Wall) -> BoolArray | None:
    """The sac's blebs as the shape measures find them."""
    return wall.blebs


DEFINITIONS: Mapping[str, Definition] = {
    "low_oscillating_region": low_oscillating,
    "impingement_region": impingement,
    "bleb_region": bleb,
    "high_residence_region": high_residence,
    "low_shear_region": low_shear,
}


def mean_sd(values: FloatArray, areas: FloatArray) -> tuple[float, float]:
    mean = float(np.average(values, weights=areas))
    return mean, float(np.sqrt(np.average((values - mean) ** 2, weights=areas)))


@dataclass(frozen=True, eq=False)
class Marks:
    """Where a kind is found: on the wall (n,), and on each of its samples."""

    here: BoolArray
    sampled: Sequence[BoolArray]


@dataclass(frozen=True, eq=False)
class FoundRegions:
    """regions in the order of the kinds, the largest first; members: the points (n,) of each; flags (n,) by kind;
    totals: area of each kind in mm2 within the interval that 95 % of the samples of flow and surface span; not_looked_for:
    kinds that this flow cannot show.
    """

    regions: tuple[WallRegion, ...]
    members: tuple[BoolArray, ...]
    flags: Mapping[str, BoolArray]
    totals: Mapping[str, Number]
    not_looked_for: tuple[str, ...]


def find_regions(wall: Wall, settings: GradeSettings, others: Mapping[str, Marks] | None = None) -> FoundRegions:
    """All connected regions of at least 1 mm2, with their values and the share of samples that keep them.

    others: kinds that no definition finds, after those of the definitions.
    """
    samples = sampled_walls(wall, settings)
    marks: dict[str, Marks] = {}
    not_looked_for = []
    for kind, definition in DEFINITIONS.items():
        flagged = definition(wall)
        if flagged is None:
            not_looked_for.append(kind)
        else:
            marks[kind] = Marks(flagged, [found for found in map(definition, samples) if found is not None])
    regions: list[WallRegion] = []
    members: list[BoolArray] = []
    flags: dict[str, BoolArray] = {}
    totals: dict[str, Number] = {}
    for kind, marked in {**marks, **(others or {})}.items():
        parts = _large_parts(wall, marked.here)
        flags[kind] = np.any(parts, axis=0) if parts else np.zeros_like(wall.sac)
        totals[kind] = _total(wall, parts, marked.sampled)
        for part in parts:
            regions.append(_region(kind, wall, part, _stability(wall, part, marked.sampled)))
            members.append(part)
    return FoundRegions(tuple(regions), tuple(members), flags, totals, tuple(not_looked_for))


def _large_parts(wall: Wall, flagged: BoolArray) -> list[BoolArray]:
    triangles = wall.surface.triangles
    # An edge between two chosen points lies in a triangle with two of them; leaving out the others is what makes samples cheap.
    labels = connected_parts(triangles[flagged[triangles].sum(axis=1) >= 2], flagged)
    parts = [labels == number for number in range(int(labels.max()) + 1)]
    large = [part for part in parts if wall.areas[part].sum() >= LEAST_AREA_MM2]
    return sorted(large, key=lambda part: -float(wall.areas[part].sum()))


def _total(wall: Wall, parts: list[BoolArray], again: Sequence[BoolArray]) -> Number:
    """Area of all parts in mm2, within what 95 % of the samples have in parts of their own."""

    def area(found: list[BoolArray]) -> float:
        return float(sum(wall.areas[part].sum() for part in found))

    value = area(parts)
    low, high = np.percentile([area(_large_parts(wall, flagged)) for flagged in again], [2.5, 97.5])
    return Number(value, min(value, float(low)), max(value, float(high)))


def _stability(wall: Wall, part: BoolArray, again: Sequence[BoolArray]) -> float:
    """Share of the samples whose flagged wall covers at least half of the region."""
    area = wall.areas[part].sum()
    kept = [wall.areas[part & found].sum() >= KEPT_SHARE * area for found in again]
    return float(np.mean(kept)) if kept else 1.0


def sampled_walls(wall: Wall, settings: GradeSettings) -> list[Wall]:
    """The wall under other inflows and surfaces that are as likely: shear scales with the flow and with the local radius.

    No flow is computed anew: at a fixed pattern shear goes with flow over radius cubed. Flow is log-normal, the wall's place a
    smooth random field.
    """
    generator = np.random.default_rng(SEED)
    looked_at = wall.sac | wall.near
    pressure_error = PRESSURE_ERROR * float(wall.pressure[wall.sac].std())

    def error(size: float) -> FloatArray:
        values = np.zeros(len(looked_at))
        values[looked_at] = size * random_field(wall.surface.points[looked_at], ERROR_LENGTH_MM, generator)
        return values

    found = []
    for _ in range(settings.samples):
        flow = np.exp(generator.normal(scale=np.log1p(settings.flow_uncertainty_percent / 100.0)))
        factor = flow * np.exp(-RADIUS_POWER * error(settings.surface_uncertainty_mm) / wall.radius_mm)
        osi = None if wall.osi is None else np.clip(wall.osi + error(OSI_ERROR), 0.0, 0.5)
        rrt = None if wall.rrt is None else wall.rrt / factor
        found.append(replace(wall, tawss=wall.tawss * factor, osi=osi, rrt=rrt, pressure=wall.pressure + error(pressure_error)))
    return found


def _region(kind: str, wall: Wall, part: BoolArray, stability: float) -> WallRegion:
    areas = wall.areas[part]
    share = float(areas.sum() / wall.areas[wall.sac].sum())
    middle = np.average(wall.surface.points[part], axis=0, weights=areas)
    inside = np.flatnonzero(part)
    center = wall.surface.points[inside[np.argmin(np.linalg.norm(wall.surface.points[inside] - middle, axis=1))]]
    reach = float(np.average(wall.reach[part], weights=areas))
    fields = {"region_tawss": wall.tawss, "region_osi": wall.osi, "region_rrt": wall.rrt, "region_pressure": _over_mean(wall)}
    means = [Measure(id, float(np.average(values[part], weights=areas))) for id, values in fields.items() if values is not None]
    return WallRegion(
        kind=kind,
        center_mm=(float(center[0]), float(center[1]), float(center[2])),
        place="sac" if share >= MOST_OF_SAC else "neck" if reach < 1 / 3 else "body" if reach < 2 / 3 else "dome",
        values=(
            Measure(kind, float(areas.sum())),
            Measure("region_share", 100.0 * share),
            *means,
            Measure("region_stability", 100.0 * stability),
        ),
        stability=stability,
    )


def _over_mean(wall: Wall) -> FloatArray:
    return wall.pressure - mean_sd(wall.pressure[wall.sac], wall.areas[wall.sac])[0]


def region_totals(wall: Wall, found: FoundRegions) -> dict[str, Number]:
    """Total area of each defined kind of region in mm2, and that of low oscillating shear as a share of the sac in percent."""
    totals = {kind: total for kind, total in found.totals.items() if kind in DEFINITIONS}
    if "low_oscillating_region" in totals:
        part, of_sac = totals["low_oscillating_region"], 100.0 / float(wall.areas[wall.sac].sum())
        totals["low_oscillating_share"] = Number(of_sac * part.value, of_sac * part.low, of_sac * part.high)
    return totals
