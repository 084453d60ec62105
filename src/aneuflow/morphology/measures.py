"""All shape measures of a lumen model, each with its interval and the lines that picture it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.morphology import size, vessel
from aneuflow.morphology.anatomy import Anatomy, anatomy_of
from aneuflow.morphology.resampled import resampled
from aneuflow.morphology.settings import MorphologySettings
from aneuflow.morphology.values import Values, values_of
from aneuflow.types import FloatArray, LumenModel, Measure, Morphology, Note

# Of a normal distribution, 90 % lie within so many standard deviations.
_NINETY = 1.645
# Standard deviation of a wall's place: the spread of vessel radius between groups that segmented the same images (Voss 2019);
# and where it is known as voxels of unit length, uniform over one voxel.
_BETWEEN_GROUPS_MM = 0.13
_OF_A_VOXEL = 1 / math.sqrt(12)
_LIMITS = {"undulation_index": (0.0, 1.0), "convexity_ratio": (0.0, 1.0), "tortuosity": (0.0, math.inf)}
_LIMITS |= dict.fromkeys(("aneurysm_angle", "vessel_angle"), (0.0, 90.0))
_ANGLES = ("inflow_angle", "outflow_angle", "branch_angle_1", "branch_angle_2", "bifurcation_angle")
_LIMITS |= dict.fromkeys(_ANGLES, (0.0, 180.0))
_SIGNED = frozenset({"parent_torsion", "nonsphericity_index", "ellipticity_index"})
_COUNTS = frozenset({"bleb_count"})
# A direction that errs to any side only moves away from the end of these scales: 90 % of the distances of a normal
# distribution in two dimensions lie within 2.146 standard deviations.
_FOLDED, _FOLDED_REACH = frozenset({"aneurysm_angle", "vessel_angle", "inflow_angle", "outflow_angle"}), 2.146 / _NINETY


def measure(model: LumenModel, settings: MorphologySettings) -> Morphology:
    """The measures of sac and vessel, each with the interval that holds its true value in about 90 % of cases.

    Intervals: the lumen is measured again on random copies of its surface (`resampled`), moved by what surface and neck are
    uncertain by. Raises MethodError where a sac's neck does not bound an area or a measure is not finite.
    """
    anatomy = anatomy_of(model)
    values, lines = values_of(anatomy)
    _check_finite(values)
    surface_sd, neck_sd = surface_sd_mm(model, settings), neck_sd_mm(model, anatomy, settings)
    copies = resampled(anatomy, surface_sd, settings.surface_correlation_mm, neck_sd, settings.resampling_pairs)
    others = [values_of(copy)[0] for copy in copies] if max(surface_sd, neck_sd) > 0 else []
    notes: tuple[Note, ...] = ()
    if anatomy.sac is not None and not vessel.parent_diameter(anatomy.sac.parent)[1]:
        notes = (Note("short_parent", {"length_mm": vessel.length(anatomy.sac.parent)}),)
    pictures = {name: (_place(a), _place(b)) for name, (a, b) in lines.items()}
    return Morphology(tuple(_with_interval(name, value, others) for name, value in values.items()), pictures, notes)


def surface_sd_mm(model: LumenModel, settings: MorphologySettings) -> float:
    """Standard deviation of the wall's place: as set, else 0.13 mm or what the voxels allow, whichever is more."""
    if settings.surface_uncertainty_mm is not None:
        return settings.surface_uncertainty_mm
    voxels = [float(note.values["spacing_mm"]) for note in model.notes if note.code == "surface_from_labels"]
    return max([_BETWEEN_GROUPS_MM, *(_OF_A_VOXEL * spacing for spacing in voxels)])


def neck_sd_mm(model: LumenModel, anatomy: Anatomy, settings: MorphologySettings) -> float:
    """Standard deviation of the neck line along the wall: the least one, and how far it moves under other weights.

    The ostium's confidence is the overlap (Dice) with sacs found under other weights; a ring of width w along a neck of
    length L on a sac of area S lowers it to 2 S / (2 S + w L).
    """
    if anatomy.sac is None or model.aneurysm is None:
        return 0.0
    sac = anatomy.sac.sac
    around = float(np.linalg.norm(np.diff(sac.neck, axis=0, append=sac.neck[:1]), axis=1).sum())
    confidence = min(max(model.aneurysm.ostium.confidence, 0.2), 1.0)
    moved = 2 * size.wall_area(sac) * (1 / confidence - 1) / around
    return math.hypot(settings.neck_uncertainty_mm, moved)


def _place(point: FloatArray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def _check_finite(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise MethodError(f"The measure {name} came out as {value}; the model is not fit to be measured.")


def _with_interval(name: str, value: float, others: Sequence[Values]) -> Measure:
    """A measure with the interval that its values on the copies support.

    A rough surface shifts some measures one way, whatever the roughness (area up, convexity down); the measured surface has
    been shifted so already, which is why the interval reaches back by that shift.
    """
    found = np.array([other[name] for other in others if name in other])
    found = found[np.isfinite(found)]
    if len(found) < 4:
        return Measure(name, value)
    if name in _COUNTS:
        low, high = (float(round(bound)) for bound in np.quantile(found, [0.05, 0.95]))
        return Measure(name, value, min(low, value), max(high, value))
    shift, reach = float(found.mean() - value), _NINETY * float(found.std(ddof=1))
    least, most = _LIMITS.get(name, (-math.inf if name in _SIGNED else 0.0, math.inf))
    low, high = value - reach - max(shift, 0.0), value + reach - min(shift, 0.0)
    if name in _FOLDED and most - value < _FOLDED_REACH * reach:
        high = most
    return Measure(name, value, min(max(low, least), value), max(min(high, most), value))
