"""What a network learns from a measured lumen: its measures, which points are the sac's, the places that angles rest on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.morphology.anatomy import SacAnatomy, anatomy_of
from aneuflow.morphology.angles import direction_from_neck
from aneuflow.morphology.learned.cloud import drawn, given
from aneuflow.morphology.learned.names import CLOUDS, INPUTS, MEASURES
from aneuflow.morphology.size import maximum_height
from aneuflow.morphology.values import values_of
from aneuflow.types import REGION_SAC, Centerline, FloatArray, LumenModel


def learning_example(model: LumenModel, generator: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    """The arrays of one shape to learn from, of a lumen model with a sac.

    `INPUTS` of `CLOUDS` clouds, stacked; of each: sac (CLOUDS, n) bool, places (CLOUDS, 6, 3) by `PLACES` in its units,
    scale_mm (CLOUDS,); of the shape: area_mm2 () of the wall, measures (8,) by `MEASURES`, NaN where there is none. Raises
    MethodError where it cannot be measured.
    """
    anatomy = anatomy_of(model)
    assert anatomy.sac is not None
    values, places = values_of(anatomy)[0], _places(anatomy.sac)
    in_sac = (model.lumen.region[anatomy.wall] == REGION_SAC).all(axis=1)
    clouds = [drawn(anatomy.points, anatomy.wall, generator) for _ in range(CLOUDS)]
    made = [given(cloud) for cloud, _ in clouds]
    return {
        **{name: np.stack([each.arrays[name] for each in made]) for name in INPUTS},
        "sac": np.stack([in_sac[face] for _, face in clouds]),
        "places": np.stack([(places - each.middle_mm) / each.scale_mm for each in made]).astype(np.float32),
        "scale_mm": np.array([each.scale_mm for each in made]),
        "area_mm2": np.array(clouds[0][0].area_mm2),
        "measures": np.array([values.get(id, np.nan) for id in MEASURES]),
    }


def _places(anatomy: SacAnatomy) -> FloatArray:
    """(6, 3) by `PLACES`."""
    inflow = _branch(anatomy.parent, at_end=True)
    outflow = _branch(anatomy.daughters[0], at_end=False) if anatomy.daughters else np.full((2, 3), np.nan)
    return np.concatenate([np.stack(maximum_height(anatomy.sac)[1]), inflow, outflow])


def _branch(line: Centerline, at_end: bool) -> FloatArray:
    """(2, 3) where a branch meets the neck, and one diameter from there along its direction."""
    end = -1 if at_end else 0
    start = line.points_mm[end]
    return np.stack([start, start + 2.0 * line.radius_mm[end] * direction_from_neck(line, at_end)])
