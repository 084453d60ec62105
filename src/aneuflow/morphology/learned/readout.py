"""The measures of a sac from points that are marked as its own and from where its neck, summit and branches are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aneuflow.morphology import shape
from aneuflow.morphology.angles import angle_deg
from aneuflow.morphology.learned.cloud import Given
from aneuflow.morphology.learned.names import PLACES
from aneuflow.morphology.size import equivalent_diameter, longest_chord
from aneuflow.numerics.surface import hull_volume_area
from aneuflow.types import FloatArray

LEAST_POINTS = 24  # of a sac that can be measured
_ACROSS = 0.08  # of a chord: what of it may lie along the axis of a section it is taken in


def read_out(cloud: Given, area_mm2: float, sac: npt.NDArray[np.float32], places: npt.NDArray[np.float32]) -> FloatArray:
    """(8,) by `MEASURES`, in mm, 1 and degrees, by the definitions of the geometric measures; NaN where too few are the sac's.

    sac (n,): probability that a point is the sac's; places (6, 3) by `PLACES`, in the cloud's units. Each point stands for an
    equal part of the wall; what the sac's wall lacks to be closed is the neck, whose area and normal follow from Gauss.
    """
    inside = sac > 0.5
    if inside.sum() < LEAST_POINTS:
        return np.full(8, np.nan)
    points = cloud.scale_mm * cloud.arrays["points"].astype(np.float64)
    normals = cloud.arrays["normals"].astype(np.float64)
    at = dict(zip(PLACES, cloud.scale_mm * places.astype(np.float64), strict=True))
    each = area_mm2 / len(points) * sac.astype(np.float64)
    opening = each @ normals
    neck_area = max(float(np.linalg.norm(opening)), 1e-6)
    from_neck = points - at["neck"]
    area, volume = float(each.sum()), max(float(each @ (from_neck * normals).sum(axis=1)) / 3.0, 1e-6)
    own, axis = points[inside], at["summit"] - at["neck"]
    height = max(float((from_neck[inside] @ opening).max()) / neck_area, 1e-3)
    hull_volume, hull_area = hull_volume_area(own)
    return np.array(
        [
            longest_chord(own)[0],
            height,
            _width(own, axis),
            shape.nonsphericity_index(volume, area),
            shape.ellipticity_index(hull_volume, max(hull_area - neck_area, 1e-6)),
            shape.aspect_ratio(height, equivalent_diameter(neck_area)),
            angle_deg(at["inflow_end"] - at["inflow_start"], axis),
            angle_deg(at["outflow_end"] - at["outflow_start"], axis),
        ]
    )


def _width(points: FloatArray, axis: FloatArray) -> float:
    """The longest chord between two points that is nearly perpendicular to the axis, mm."""
    along = points @ (axis / max(float(np.linalg.norm(axis)), 1e-9))
    square = (points**2).sum(axis=1)
    chord = np.maximum(square[:, None] + square - 2.0 * points @ points.T, 0.0)
    rise = (along[:, None] - along) ** 2
    return float(np.sqrt(np.where(rise <= _ACROSS**2 * chord, chord - rise, 0.0).max()))
