"""The training itself: steps over clouds drawn from the shapes, a moving mean of the weights, checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aneuflow.morphology.learned.names import INPUTS
from aneuflow.morphology.learned.train.network import SacNetwork
from aneuflow.morphology.learned.train.plan import SacPlan

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
_LARGEST_STEP, _WARM_UP, _LEAST_RATE, _LONGEST_MEAN = 1.0, 30, 0.01, 0.99
_JITTER, _FLIP = 0.05, 0.02

Shape = dict[str, "np.ndarray[Any, Any]"]


@dataclass
class State:
    """All that a training needs to go on: also what a checkpoint holds."""

    network: SacNetwork
    mean: SacNetwork
    optimizer: torch.optim.Optimizer
    epoch: int = 0


def read_shape(file: Path) -> Shape:
    """A prepared shape: its arrays by name, as `marks.learning_example` makes them."""
    with np.load(file) as content:
        return {name: content[name] for name in content.files}


def fit(
    plan: SacPlan, training: Sequence[Shape], validation: Sequence[Shape], folder: Path, tell: Callable[[str], None] = print
) -> SacNetwork:
    """The moving mean of the network trained on prepared shapes; goes on from the checkpoint in `folder` where there is one.

    Every epoch draws anew from its own seed, so a resumed training sees what one in a piece would.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = _state(plan, training, folder / CHECKPOINT)
    while state.epoch < plan.epochs:
        start = time.monotonic()
        record = {"epoch": state.epoch + 1, "loss": _epoch(plan, state, training), **_judged(state.mean, validation)}
        state.epoch += 1
        _save(state, folder / CHECKPOINT)
        record["seconds"] = time.monotonic() - start
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(record) + "\n")
        left = (plan.epochs - state.epoch) * record["seconds"] / 60.0
        tell(" ".join(f"{name} {value:.4g}" for name, value in record.items()) + f", about {left:.0f} min left")
    return state.mean.eval()


def _state(plan: SacPlan, training: Sequence[Shape], checkpoint: Path) -> State:
    torch.manual_seed(plan.seed)
    network, mean = SacNetwork(plan.width), SacNetwork(plan.width)
    features = np.concatenate([shape["features"][0] for shape in training])
    network.set_scale(torch.from_numpy(features))
    mean.load_state_dict(network.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=plan.weight_decay)
    state = State(network, mean.eval(), optimizer)
    if checkpoint.exists():
        content = torch.load(checkpoint, weights_only=True)
        for part in ("network", "mean", "optimizer"):
            getattr(state, part).load_state_dict(content[part])
        state.epoch = content["epoch"]
    return state


def _save(state: State, file: Path) -> None:
    content = {part: getattr(state, part).state_dict() for part in ("network", "mean", "optimizer")}
    torch.save({**content, "epoch": state.epoch}, file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)


def _epoch(plan: SacPlan, state: State, training: Sequence[Shape]) -> float:
    """Clouds drawn by the weights of their shapes; gives the mean loss."""
    rng, total = np.random.default_rng([plan.seed, state.epoch]), 0.0
    chance = np.array(plan.weights) / np.sum(plan.weights)
    order = rng.choice(len(training), size=(plan.epoch_clouds // plan.batch, plan.batch), p=chance)
    state.network.train()
    for number, part in enumerate(order):
        step = state.epoch * len(order) + number
        rate = 0.5 * (1.0 + math.cos(math.pi * step / (plan.epochs * len(order)))) + _LEAST_RATE
        for group in state.optimizer.param_groups:
            group["lr"] = plan.learning_rate * rate * min(1.0, (step + 1) / _WARM_UP)
        clouds = batch_of([training[place] for place in part], [int(rng.integers(2)) for _ in part])
        clouds["features"] = clouds["features"] + _JITTER * torch.from_numpy(
            rng.standard_normal(clouds["features"].shape).astype(np.float32)
        )
        state.optimizer.zero_grad(set_to_none=True)
        loss = loss_of(state.network(clouds), clouds)
        loss.backward()
        nn.utils.clip_grad_norm_(state.network.parameters(), _LARGEST_STEP)
        state.optimizer.step()
        _follow(state, step)
        total += float(loss.detach())
    return total / len(order)


def _follow(state: State, step: int) -> None:
    """The moving mean over the last tenth of the steps or so, at most 100."""
    keep = min(_LONGEST_MEAN, 1 - 10 / (step + 10))
    with torch.no_grad():
        for slow, fast in zip(state.mean.parameters(), state.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)


def batch_of(shapes: Sequence[Shape], clouds: Sequence[int]) -> dict[str, Tensor]:
    """One cloud of each shape, stacked: what the network is given and what it should say."""
    names = (*INPUTS, "sac", "places")
    pairs = list(zip(shapes, clouds, strict=True))
    return {name: torch.from_numpy(np.stack([shape[name][number] for shape, number in pairs])) for name in names}


def loss_of(answer: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    """Cross entropy and one less the Dice of both markings of the sac; distance of the places, and their directions."""
    true = wanted["sac"].float()
    marked = torch.stack([_marking(answer[name], true) for name in ("first", "sac")]).mean()
    known = torch.isfinite(wanted["places"]).all(dim=2)
    places = torch.where(known[..., None], wanted["places"], torch.zeros_like(wanted["places"]))
    off = (answer["places"] - places).square().sum(dim=2).add(1e-4).sqrt()
    distance = (off * known).sum() / known.sum()
    turned = []
    for start in (0, 2, 4):
        both = known[:, start] & known[:, start + 1]
        one, other = (values[:, start + 1] - values[:, start] for values in (answer["places"], places))
        cosine = nn.functional.cosine_similarity(one, other, dim=1)
        turned.append(((1.0 - cosine + 1e-4).sqrt() * both).sum() / both.sum().clamp(min=1))
    return marked + 0.5 * distance + torch.stack(turned).mean()


def _marking(odds: Tensor, true: Tensor) -> Tensor:
    entropy = nn.functional.binary_cross_entropy_with_logits(odds, (1.0 - _FLIP) * true + 0.5 * _FLIP)
    chance = odds.sigmoid()
    dice = (2.0 * (chance * true).sum(dim=1) + 1.0) / (chance.sum(dim=1) + true.sum(dim=1) + 1.0)
    return entropy + 1.0 - dice.mean()


def _judged(network: SacNetwork, shapes: Sequence[Shape]) -> dict[str, float]:
    """Median Dice of the sac, and medians of what the three directions are off by, degrees; nothing without shapes."""
    dices, angles = [], []
    for shape in shapes:
        clouds = batch_of([shape], [0])
        with torch.no_grad():
            answer = network(clouds)
        found, true = answer["sac"][0] > 0.0, clouds["sac"][0]
        dices.append(float(2.0 * (found & true).sum() / (found.sum() + true.sum()).clamp(min=1)))
        ends = [values[0, 1::2] - values[0, 0::2] for values in (answer["places"], clouds["places"])]
        cosine = nn.functional.cosine_similarity(ends[0], ends[1], dim=1).clamp(-1.0, 1.0)
        angles.append(torch.rad2deg(torch.arccos(cosine)).numpy())
    if not dices:
        return {}
    axis, inflow, outflow = np.nanmedian(np.stack(angles), axis=0)
    return {"dice": float(np.median(dices)), "axis": float(axis), "inflow": float(inflow), "outflow": float(outflow)}
