"""Trained networks as one ONNX file with their own scaling inside; its metadata say what they were trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from aneuflow.geometry.train.fit import Case
from aneuflow.geometry.train.network import INPUTS, Chances, SacNetwork

OPSET, KEY = 17, "aneuflow-sac"


def write_onnx(networks: Sequence[SacNetwork], example: Case, file: Path, card: Mapping[str, Any]) -> None:
    """Write `file`, float32, any number of points; example: a prepared case to trace the networks with."""
    import onnx

    torch.onnx.export(
        Chances(networks).eval(),
        tuple(example[name] for name in INPUTS),
        str(file),
        input_names=list(INPUTS),
        output_names=["chances"],
        dynamic_axes={name: {1 if name == "near" else 0: "points"} for name in (*INPUTS, "chances")},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(file))
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(card, sort_keys=True)
    onnx.save(model, str(file))
