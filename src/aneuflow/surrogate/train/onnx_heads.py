"""The last layers of a network as they stand in its ONNX file, read and replaced. Needs onnx, but no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aneuflow.errors import InputError
from aneuflow.surrogate.network import KINDS
from aneuflow.types import FloatArray

# In the order of `head.head_layers`.
LAYERS = tuple(f"network.{layer}.{part}" for layer in ("wall.1", "lumen.1", "numbers") for part in ("weight", "bias"))


def network_files(folder: Path) -> list[tuple[bool, Path]]:
    """The networks in a folder of `aneuflow train surrogate`, each with whether it is given a coarse flow.

    Raises InputError where there is none.
    """
    found = [(coarse, file) for kind, coarse in KINDS.items() for file in sorted(folder.glob(f"{kind}-*.onnx"))]
    if not found:
        raise InputError(f"{folder} holds no coarse-0.onnx; give a folder of `aneuflow train surrogate`.")
    return found


def heads_in(folder: Path) -> FloatArray:
    """(networks, weights) the heads of a folder's networks, which have to be alike. Raises InputError where they are not."""
    import onnx

    heads = []
    for _, file in network_files(folder):
        held = _held(onnx.load(str(file)), file)
        heads.append(np.concatenate([onnx.numpy_helper.to_array(held[name]).ravel() for name in LAYERS]).astype(np.float64))
    if len({len(head) for head in heads}) > 1:
        raise InputError(f"The networks in {folder} are of different sizes; only networks of one training are tuned together.")
    return np.stack(heads)


def with_head(file: Path, head: FloatArray) -> bytes:
    """The ONNX file of the network in `file` with another head (weights,)."""
    import onnx

    model = onnx.load(str(file))
    held, start = _held(model, file), 0
    for name in LAYERS:
        shape = tuple(held[name].dims)
        size = int(np.prod(shape))
        values = head[start : start + size].astype(np.float32).reshape(shape)
        held[name].CopyFrom(onnx.numpy_helper.from_array(values, name))
        start += size
    return bytes(model.SerializeToString())


def _held(model: Any, file: Path) -> dict[str, Any]:
    held = {entry.name: entry for entry in model.graph.initializer}
    if not set(LAYERS) <= set(held):
        raise InputError(f"{file} is no network of `aneuflow train surrogate`: it has no layer {LAYERS[0]}.")
    return held
