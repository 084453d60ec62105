"""The training itself: steps over cases, each shown as predicted or as simulated, with the classes its points should have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aneuflow.risk.train.regions.network import RegionsNetwork
from aneuflow.risk.train.regions.plan import RegionsPlan

_LARGEST_STEP, _WARM_UP, _LEAST_RATE = 2.0, 20, 0.01
_TINY_SHARE = 0.01

Case = dict[str, Tensor]


def read_case(file: Path) -> Case:
    """A prepared case: features (n, f), of the simulation too where they differ, near, wide (n, k), areas and classes (n,)."""
    with np.load(file) as content:
        return {name: torch.from_numpy(np.ascontiguousarray(content[name])) for name in content.files}


def fit(plan: RegionsPlan, cases: Sequence[Case]) -> RegionsNetwork:
    """The network trained on prepared cases: the same from the same plan and cases."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = RegionsNetwork(cases[0]["features"].shape[1], plan.width, plan.classes)
    network.set_scale(torch.cat([case["features"] for case in cases]))
    optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    each, step = math.ceil(len(cases) / plan.batch), 0
    epochs = max(plan.epochs, math.ceil(plan.least_steps / each))
    for epoch in range(epochs):
        order, total = rng.permutation(len(cases)), 0.0
        for first in range(0, len(order), plan.batch):
            part = order[first : first + plan.batch]
            rate = 0.5 * (1.0 + math.cos(math.pi * step / (epochs * each))) + _LEAST_RATE
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate * min(1.0, (step + 1) / _WARM_UP)
            optimizer.zero_grad(set_to_none=True)
            for place in part:
                loss = loss_of(*_shown(network, cases[place], rng.random() < plan.simulated_share))
                (loss / len(part)).backward()
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_STEP)
            optimizer.step()
            step += 1
        print(f"epoch {epoch + 1} loss {total / len(cases):.4f}", flush=True)
    network.eval()
    return network


def _shown(network: RegionsNetwork, case: Case, simulated: bool) -> tuple[Tensor, Any, Any]:
    given: Any = case["simulated"] if simulated and "simulated" in case else case["features"]
    return network(given, case["near"], case["wide"]), case["classes"], case["areas"]


def loss_of(odds: Tensor, wanted: Any, areas: Any) -> Tensor:
    """Cross entropy by area, and one less the Dice of each class; odds (n, c), wanted (n,) int64, areas (n,)."""
    share = (areas / areas.sum()).float()
    entropy = (nn.functional.cross_entropy(odds, wanted, reduction="none") * share).sum()
    chance, true = odds.softmax(dim=1), nn.functional.one_hot(wanted, odds.shape[1]).float()
    both = 2.0 * (share[:, None] * chance * true).sum(dim=0) + _TINY_SHARE
    either = (share[:, None] * (chance + true)).sum(dim=0) + _TINY_SHARE
    return entropy + 1.0 - (both / either)[1:].mean()
