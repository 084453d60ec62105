"""The trained network with its readout: from a wall to the eight measures, their intervals, or why there are none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.errors import InputError
from aneuflow.morphology.learned.cloud import Given
from aneuflow.morphology.learned.names import ANGLES, INPUTS, LENGTHS, MEASURES, OUTPUTS
from aneuflow.morphology.learned.readout import read_out
from aneuflow.types import FloatArray

KEY, NETWORK, CARD, SHIPPED = "aneuflow-morphology", "sac.onnx", "morphology.json", "morphology"
# Measures that are compared by ratio, and what their intervals count as the least spread: of the value, or in their unit.
RATIOS = frozenset({*LENGTHS, "aspect_ratio"})
LEAST_SPREAD = {id: 0.03 if id in RATIOS else 4.0 if id in ANGLES else 0.015 for id in MEASURES}
Marked = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class LearnedModel:
    """mark: a cloud's arrays to the probabilities (n,) that its points are the sac's and the places (6, 3).

    card: what morphology.json holds, empty before it is written; digest: SHA-256 of the network and the card.
    """

    mark: Callable[[Mapping[str, npt.NDArray[Any]]], Marked]
    card: Mapping[str, Any]
    digest: str


@cache
def shipped_model() -> LearnedModel:
    """The network that comes with the package."""
    return load_model(Path(str(resources.files("aneuflow") / "data" / SHIPPED)))


def load_model(folder: Path) -> LearnedModel:
    """The network in a folder of `aneuflow train morphology`. Raises InputError where it holds none."""
    import onnxruntime

    file = folder / NETWORK
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the network is too small to gain from more
    try:
        content = file.read_bytes()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; give a folder of `aneuflow train morphology`.") from error
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise InputError(f"{file} is no ONNX file that can be run; train it again.") from error
    if KEY not in session.get_modelmeta().custom_metadata_map:
        raise InputError(f"{file} is no network of `aneuflow train morphology`; give the folder of one.")
    card = json.loads((folder / CARD).read_text("utf-8")) if (folder / CARD).is_file() else {}
    digest = hashlib.sha256(content + json.dumps(card, sort_keys=True).encode()).hexdigest()

    def mark(arrays: Mapping[str, npt.NDArray[Any]]) -> Marked:
        sac, places = session.run(list(OUTPUTS), {name: arrays[name] for name in INPUTS})
        return np.asarray(sac), np.asarray(places)

    return LearnedModel(mark, card, digest)


def read_clouds(model: LearnedModel, clouds: list[Given], area_mm2: float) -> FloatArray:
    """(clouds, 8): the measures as each cloud of a wall has them, before `corrected`; NaN where no sac is marked."""
    return np.stack([read_out(cloud, area_mm2, *model.mark(cloud.arrays)) for cloud in clouds])


def scaled(values: FloatArray) -> FloatArray:
    """Measures (..., 8) as they are compared: lengths and the aspect ratio by their logarithm."""
    ratio = np.array([id in RATIOS for id in MEASURES])
    return np.where(ratio, np.log(np.where(ratio, np.maximum(values, 1e-3), 1.0)), values)


def unscaled(values: FloatArray) -> FloatArray:
    """The inverse of `scaled`."""
    ratio = np.array([id in RATIOS for id in MEASURES])
    return np.where(ratio, np.exp(np.where(ratio, values, 0.0)), values)


def terms(read: FloatArray) -> FloatArray:
    """What the correction is linear in (..., 8), of the measures read (..., 8): one, and seven that no scale changes."""
    diameter, height, width, nonsphericity, ellipticity, aspect, inflow, outflow = np.moveaxis(scaled(read), -1, 0)
    parts = (np.ones_like(height), height - diameter, width - diameter, nonsphericity, ellipticity, aspect)
    return np.stack([*parts, inflow / 90.0 - 1.0, outflow / 90.0 - 1.0], axis=-1)


def corrected(read: FloatArray, correction: FloatArray) -> FloatArray:
    """Measures (..., 8) from those read (..., 8), which lie off by what a row of points misses of a wall.

    correction (8, 8): for each measure its factors of `terms`, in the terms of `scaled`.
    """
    return unscaled(scaled(read) + terms(read) @ correction.T)
