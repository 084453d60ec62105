"""A trained network as one ONNX file that says by itself how it is to be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from aneuflow.segmentation.train.network import ResidualUNet
from aneuflow.segmentation.train.plan import TrainingPlan

OPSET = 17


class _Probabilities(nn.Module):
    """Image (1, 1, x, y, z) to the probability of each class (1, classes, x, y, z)."""

    def __init__(self, network: ResidualUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image).softmax(dim=1)


def files_hash(files: Sequence[Path]) -> str:
    """SHA-256 of files' names and contents, whatever their order."""
    lines = (f"{file.stem} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in sorted(files))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_onnx(network: ResidualUNet, plan: TrainingPlan, file: Path, name: str, training_sha256: str = "") -> None:
    """Write `file`: float32, edges free (multiples of 2^(levels - 1)); its metadata hold name, spacing, classes and the hash of
    the images it was trained on.
    """
    import onnx

    size = plan.patch
    image = torch.zeros(1, 1, size, size, size)
    torch.onnx.export(
        _Probabilities(network.cpu()).eval(),
        (image,),
        str(file),
        input_names=["image"],
        output_names=["probabilities"],
        dynamic_axes={"image": {2: "x", 3: "y", 4: "z"}, "probabilities": {2: "x", 3: "y", 4: "z"}},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(file))
    content = {
        "name": name,
        "spacing_mm": plan.spacing_mm,
        "patch": plan.patch,
        "multiple": 2 ** (len(plan.widths) - 1),
        "classes": list(plan.classes),
        "is_ct": plan.is_ct,
        "leveled": plan.leveled,
        "training_sha256": training_sha256,
    }
    for key, value in {"aneuflow-segmenter": "1", "plan": json.dumps(content)}.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(model, str(file))
