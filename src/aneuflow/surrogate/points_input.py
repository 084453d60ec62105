"""The input of the surrogate's network from a prepared case, with or without the coarse flow. Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

# In the order in which the network takes them.
_BASES = ("shear_base", "shear_scale", "pressure_base", "pressure_scale", "velocity_base", "velocity_scale")
FIELDS = ("wall", "lumen", "scalars", "numbers_base", *_BASES, "no_slip")
INDICES = ("pick_1", "near_1", "up_1", "pick_2", "near_2", "up_2", "pick_3", "near_3", "up_3", "lumen_up")
WEIGHTS = ("weight_1", "weight_2", "weight_3", "lumen_weight")
INPUTS = (*FIELDS, *INDICES, *WEIGHTS)
OUTPUTS = ("shear", "pressure", "velocity", "numbers")
WALL_VECTORS, WALL_WIDTH = 5, 15 + 5 + 5
LUMEN_VECTORS, LUMEN_WIDTH = 3, 9 + 4
_ACROSS = 1


def assemble(case: Arrays, coarse: bool, mirrored: bool = False) -> dict[str, npt.NDArray[Any]]:
    """The arrays `INPUTS` of a prepared case (`points.prepare`), float32 and int64.

    coarse: with the coarse flow, which is then what the network corrects; else a straight tube's flow is. mirrored: of the
    vessel's mirror image, whose wall, sac and artery lie in the frame as before but for the second component of each vector.
    """
    count, inside = len(case["wall_vectors"]), len(case["lumen_vectors"])
    if coarse:
        vectors, known, swift = case["coarse_vectors"], case["coarse_scalars"], case["coarse_velocity_base"][:, None]
        swift = swift / case["coarse_velocity_scale"][:, None, None]
    else:
        vectors, known, swift = np.zeros((count, 2, 3)), np.zeros((count, 5)), np.zeros((inside, 1, 3))
    prefix = "coarse_" if coarse else ""
    wall = _flipped(np.concatenate([case["wall_vectors"], vectors], axis=1), mirrored)
    lumen = _flipped(np.concatenate([case["lumen_vectors"], swift], axis=1), mirrored)
    made = {
        "wall": np.concatenate([wall.reshape(count, -1), case["wall_scalars"], known], axis=1),
        "lumen": np.concatenate([lumen.reshape(inside, -1), case["lumen_scalars"]], axis=1),
        "scalars": case["scalars"],
        "no_slip": case["no_slip"],
    }
    for name in ("shear", "velocity"):
        made[f"{name}_base"] = _flipped(case[f"{prefix}{name}_base"], mirrored)
        made[f"{name}_scale"] = case[f"{prefix}{name}_scale"]
    for name in ("pressure_base", "pressure_scale"):
        made[name] = case[f"{prefix}{name}"]
    base = case[f"{prefix}numbers_base"]
    made["numbers_base"] = np.where(np.isfinite(base), base, case["numbers_base"])
    made |= {name: case[name] for name in WEIGHTS}
    return {name: values.astype(np.float32) for name, values in made.items()} | {
        name: case[name].astype(np.int64) for name in INDICES
    }


def flipped_back(outputs: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The network's answer for the mirror image, mirrored."""
    return {name: _flipped(values, name in ("shear", "velocity")) for name, values in outputs.items()}


def _flipped(vectors: npt.NDArray[Any], mirrored: bool) -> npt.NDArray[Any]:
    if not mirrored:
        return vectors
    signs = np.ones(3, dtype=vectors.dtype)
    signs[_ACROSS] = -1.0
    return vectors * signs
