"""How likely the points of a lumen's wall are sac, by a trained network (docs/sac-card.md)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from aneuflow.geometry.wall_cloud import WallCloud
from aneuflow.types import FloatArray

_SHIPPED = "sac.onnx"
_NEAREST, _LEAST_MM, _LEAST_CHANCE = 4, 0.05, 1e-4


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the network is too small to gain from more
    content = (resources.files("aneuflow") / "data" / "geometry" / _SHIPPED).read_bytes()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def network_input(cloud: WallCloud) -> dict[str, Any]:
    """The arrays that the network takes; points about their middle, for single precision."""
    points = cloud.points - cloud.points.mean(axis=0)
    return {
        "points": points,
        "normals": cloud.normals,
        "frame": cloud.frame,
        "features": cloud.features,
        "near": cloud.near,
    }


def sac_odds(cloud: WallCloud, places: FloatArray, session: Any = None) -> FloatArray:
    """The log-odds (n,) that places (n, 3) mm on the wall are sac, interpolated between the cloud's points.

    session: the network in place of that of the package.
    """
    chance = np.asarray((session or _session()).run(["chances"], network_input(cloud))[0], dtype=float)
    chance = np.clip(chance, _LEAST_CHANCE, 1 - _LEAST_CHANCE)
    away, nearest = cKDTree(cloud.points).query(places, k=range(1, min(_NEAREST, len(cloud.points)) + 1))
    weight = 1 / np.maximum(away, _LEAST_MM) ** 2
    return np.asarray((weight * np.log(chance / (1 - chance))[nearest]).sum(axis=1) / weight.sum(axis=1))
