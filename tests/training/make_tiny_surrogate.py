"""Writes tests/surrogate/tiny: two networks of 8 features that were never trained but say something, and a card of wide limits.

Run with an interpreter that has torch and onnx: PYTHONPATH=src:. python tests/training/make_tiny_surrogate.py
"""

import json
from pathlib import Path

import numpy as np
import torch

from aneuflow.surrogate.points_input import assemble
from aneuflow.surrogate.train.fit import tensors
from aneuflow.surrogate.train.network import PointNetwork
from aneuflow.surrogate.train.to_onnx import write_onnx
from tests.training.surrogate_tubes import prepared_tube

FOLDER = Path(__file__).parents[1] / "surrogate" / "tiny"
SCALARS = 9


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    case = {**prepared_tube(0), "scalars": np.zeros(SCALARS, np.float32)}
    for member in (0, 1):
        torch.manual_seed(member)
        network = PointNetwork((8, 8, 8, 8), SCALARS)
        network.set_scale([tensors(assemble(case, True))])
        for head in (network.wall[-1], network.lumen[-1], network.numbers):
            torch.nn.init.normal_(head.weight, std=0.03)
        for kind in ("coarse", "free"):
            write_onnx(network, case, FOLDER / f"{kind}-{member}.onnx", {"seed": member, "trained": False})
    interval = {"factor": 2.0, "level": 0.75, "patients": 3}
    intervals = dict.fromkeys(("point", "sac_mean", "pressure_loss", "inflow_fraction"), interval)
    names = ["log_reynolds", "log_length_mm", "size_ratio", "aspect_ratio", "bottleneck_factor", "nonsphericity_index"]
    card = {
        "resolution_mm": 0.2,
        "members": {"coarse": 2, "free": 2},
        "cases": {"train": 0, "validation": 3, "test": 0},
        "patients": {"train": 0, "validation": 3, "test": 0},
        "limits": {
            "names": [*names, "aneurysm_angle", "outlets", "largest_share"],
            "mean": [5.3, 1.1, 1.5, 1.0, 1.2, 0.15, 60.0, 1.5, 0.8],
            "spread": [0.5, 0.5, 1.0, 0.5, 0.5, 0.1, 40.0, 0.5, 0.3],
            "low": [4.0, 0.3, 0.2, 0.2, 0.5, 0.0, 0.0, 1.0, 0.2],
            "high": [6.4, 1.8, 6.0, 4.0, 4.0, 0.5, 180.0, 6.0, 1.0],
            "inverse": np.eye(SCALARS).tolist(),
            "distance": 12.0,
        },
        "intervals": {"coarse": intervals, "free": intervals},
    }
    (FOLDER / "surrogate.json").write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
