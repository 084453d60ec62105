"""The trained network as one ONNX file with its own scaling inside; its metadata say what it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aneuflow.morphology.learned.names import INPUTS, OUTPUTS
from aneuflow.morphology.learned.train.fit import Shape, batch_of
from aneuflow.morphology.learned.train.network import Listed, SacNetwork
from aneuflow.morphology.learned.train.plan import KEY

OPSET = 17


def write_onnx(network: SacNetwork, example: Shape, file: Path, card: Mapping[str, Any]) -> None:
    """Write `file`, float32, for clouds of the size of the example's."""
    import onnx

    clouds = batch_of([example], [0])
    torch.onnx.export(
        Listed(network).eval(),
        tuple(clouds[name][0] for name in INPUTS),
        str(file),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(file))
    weights = sum(parameter.numel() for parameter in network.parameters())
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps({**card, "weights": weights}, sort_keys=True)
    onnx.save(model, str(file))
