"""A trained network as one ONNX file with its own scaling inside; its metadata say what it was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aneuflow.risk.train.regions.fit import Case
from aneuflow.risk.train.regions.network import Chances, RegionsNetwork
from aneuflow.risk.train.regions.plan import KEY

OPSET = 17
INPUTS = ("features", "near", "wide")


def write_onnx(network: RegionsNetwork, example: Case, file: Path, card: Mapping[str, Any]) -> None:
    """Write `file`, float32, any number of points; example: a prepared case to trace the network with."""
    import onnx

    torch.onnx.export(
        Chances(network).eval(),
        tuple(example[name] for name in INPUTS),
        str(file),
        input_names=list(INPUTS),
        output_names=["chances"],
        dynamic_axes={name: {0: "points"} for name in (*INPUTS, "chances")},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(file))
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(card, sort_keys=True)
    onnx.save(model, str(file))
