"""A trained network as one ONNX file with its own scaling inside; its metadata say what it was trained on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from aneuflow.surrogate.points_input import FIELDS, INDICES, INPUTS, OUTPUTS, assemble
from aneuflow.surrogate.train.fit import Case, tensors
from aneuflow.surrogate.train.network import FlowNetwork, Listed

OPSET = 17
KEY = "aneuflow-surrogate"
_WHOLE = ("scalars", "numbers_base")


def write_onnx(network: FlowNetwork, example: Case, file: Path, card: dict[str, object]) -> None:
    """Write `file`, float32, any number of points; example: a prepared case to trace the network with."""
    import onnx

    given = tensors(assemble(example, False))
    axes = {name: {0: f"{name}_rows"} for name in INPUTS if name not in _WHOLE}
    for name in (name for name in INDICES if name.startswith("near")):
        axes[name][1] = f"{name}_neighbors"
    torch.onnx.export(
        Listed(network.cpu()).eval(),
        tuple(given[name] for name in INPUTS),
        str(file),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes=axes | {name: {0: f"{name}_rows"} for name in OUTPUTS if name != "numbers"},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(file))
    weights = int(np.sum([parameter.numel() for parameter in network.parameters()]))
    content = {**card, "fields": list(FIELDS), "indices": list(INDICES), "weights": weights}
    for key, value in {KEY: "1", "card": json.dumps(content)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(file))
