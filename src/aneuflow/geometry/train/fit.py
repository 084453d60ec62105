"""The training itself: steps over segments, each in one of its copies, larger or smaller, and at times without its tubes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aneuflow.geometry.train.network import INPUTS, SacNetwork
from aneuflow.geometry.train.plan import SacPlan

_WARM_UP, _LARGEST_STEP = 50, 1.0
_TINY_SHARE = 0.01

Case = Mapping[str, Tensor]


def read_case(file: Path) -> Case:
    """A prepared case: the arrays of a cloud, and sac (n,), 1 where its points are sac."""
    with np.load(file) as content:
        return {name: torch.from_numpy(np.ascontiguousarray(content[name])) for name in (*INPUTS, "sac")}


def fit(plan: SacPlan, segments: Sequence[Sequence[Case]]) -> SacNetwork:
    """The network trained on segments, each as its copies: the same from the same plan and cases."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = SacNetwork(segments[0][0]["features"].shape[1], plan.width)
    network.set_scale(torch.cat([case["features"] for copies in segments for case in copies]))
    optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    steps, step = plan.epochs * math.ceil(len(segments) / plan.batch), 0
    for epoch in range(plan.epochs):
        order, total = rng.permutation(len(segments)), 0.0
        for first in range(0, len(order), plan.batch):
            part = order[first : first + plan.batch]
            rate = min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * rate
            optimizer.zero_grad(set_to_none=True)
            for place in part:
                copies = segments[int(place)]
                loss = _shown(network, copies[int(rng.integers(len(copies)))], plan, rng)
                (loss / len(part)).backward()
                total += float(loss.detach())
            nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_STEP)
            optimizer.step()
            step += 1
        print(f"epoch {epoch + 1} loss {total / len(segments):.4f}", flush=True)
    return network.eval()


def _shown(network: SacNetwork, case: Case, plan: SacPlan, rng: np.random.Generator) -> Tensor:
    factor = plan.scale ** float(rng.uniform(-1.0, 1.0))
    features = case["features"] + plan.noise * network.spread * torch.randn_like(case["features"])
    features[:, plan.expected] += math.log(factor)
    told = torch.ones(features.shape[1])
    if rng.random() < plan.without_tubes:
        told[list(plan.tube_features)] = 0.0
    odds = network(factor * case["points"], case["normals"], case["frame"], features, case["near"], told)
    return loss_of(odds, case["sac"])


def loss_of(odds: Tensor, sac: Tensor) -> Tensor:
    """Cross entropy, and one less the Dice, of log-odds (n,) for points that are sac where sac (n,) is 1."""
    entropy = nn.functional.binary_cross_entropy_with_logits(odds, sac)
    chance, tiny = odds.sigmoid(), _TINY_SHARE * len(odds)
    return entropy + 1.0 - (2.0 * (chance * sac).sum() + tiny) / ((chance + sac).sum() + tiny)
