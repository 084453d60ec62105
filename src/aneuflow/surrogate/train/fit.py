"""The training itself: steps over cases, a moving mean of the weights, validation, checkpoints, an early end."""

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

from aneuflow.surrogate.points_input import LUMEN_VECTORS, WALL_VECTORS, assemble
from aneuflow.surrogate.train.beside import network_of_plan
from aneuflow.surrogate.train.loss import loss_of
from aneuflow.surrogate.train.network import FlowNetwork
from aneuflow.surrogate.train.plan import TrainingPlan

CHECKPOINT, BEST, LOG = "checkpoint.pt", "best.pt", "log.jsonl"
_TARGETS = ("shear", "pressure", "velocity", "numbers", "area", "region", "lumen_region")
_TURNED = ("shear_base", "velocity_base")
_LARGEST_STEP = 2.0
_LONGEST_MEAN = 0.99

Case = dict[str, "np.ndarray[Any, Any]"]


@dataclass
class State:
    """All that a training needs to go on: also what a checkpoint holds."""

    network: FlowNetwork
    mean: FlowNetwork
    optimizer: torch.optim.Optimizer
    step: int = 0
    epoch: int = 0
    best: float = math.inf
    best_epoch: int = 0


def read_cases(files: Sequence[Path]) -> list[Case]:
    """Prepared cases, each its arrays by name."""
    cases = []
    for file in files:
        with np.load(file) as content:
            cases.append({name: content[name] for name in content.files})
    return cases


def fit(
    plan: TrainingPlan, training: Sequence[Case], validation: Sequence[Case], folder: Path, tell: Callable[[str], None] = print
) -> FlowNetwork:
    """The network trained on prepared cases; goes on from the checkpoint in `folder` where there is one.

    Gives the moving mean of the weights with the best validation score (what the sac's wall shear is off), also kept in
    folder/best.pt. Without validation cases it is that of the last epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = _state(plan, training, folder / CHECKPOINT)
    while state.epoch < plan.epochs and state.epoch - state.best_epoch < plan.patience:
        start = time.monotonic()
        loss = _epoch(plan, state, training)
        state.epoch += 1
        score = validate(state.mean, validation, plan.coarse) if validation else 0.0
        if not validation or score < state.best:
            state.best, state.best_epoch = score, state.epoch
            _save(state.mean.state_dict(), folder / BEST)
        _save(_content(state), folder / CHECKPOINT)
        record = {"epoch": state.epoch, "loss": loss, "sac": score, "seconds": time.monotonic() - start}
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(record) + "\n")
        tell(" ".join(f"{name} {value:.4g}" for name, value in record.items()))
    state.mean.load_state_dict(torch.load(folder / BEST, weights_only=True))
    return state.mean


def _state(plan: TrainingPlan, training: Sequence[Case], checkpoint: Path) -> State:
    torch.manual_seed(plan.seed)
    scalars = len(training[0]["scalars"])
    network = network_of_plan(plan, scalars)
    network.set_scale([tensors(assemble(case, plan.coarse)) for case in training])
    mean = network_of_plan(plan, scalars)
    mean.load_state_dict(network.state_dict())
    state = State(network, mean.eval(), torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=1e-2))
    if checkpoint.exists():
        content = torch.load(checkpoint, weights_only=True)
        for part in ("network", "mean", "optimizer"):
            getattr(state, part).load_state_dict(content[part])
        for part in ("step", "epoch", "best", "best_epoch"):
            setattr(state, part, content[part])
    return state


def _content(state: State) -> dict[str, object]:
    parts = {name: getattr(state, name).state_dict() for name in ("network", "mean", "optimizer")}
    return {**parts, **{name: getattr(state, name) for name in ("step", "epoch", "best", "best_epoch")}}


def _save(content: object, file: Path) -> None:
    torch.save(content, file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)


def _epoch(plan: TrainingPlan, state: State, training: Sequence[Case]) -> float:
    """Each case once, in an order of the epoch's own; gives the mean loss."""
    # Seeded by the epoch, so that a resumed training sees what an uninterrupted one would.
    rng, total = np.random.default_rng([plan.seed, state.epoch]), 0.0
    order, steps = rng.permutation(len(training)), math.ceil(len(training) / plan.batch)
    for first in range(0, len(order), plan.batch):
        part = order[first : first + plan.batch]
        rate = 0.5 * (1.0 + math.cos(math.pi * min(state.step / (plan.epochs * steps), 1.0)))
        for group in state.optimizer.param_groups:
            group["lr"] = plan.learning_rate * max(rate, 0.02) * min(1.0, (state.step + 1) / 30)
        state.optimizer.zero_grad(set_to_none=True)
        for place in part:
            given, wanted = varied(training[place], plan, rng)
            noise = torch.from_numpy(rng.normal(0.0, plan.noise, given["scalars"].shape).astype(np.float32))
            loss = loss_of(state.network(given, noise), wanted)[0]
            (loss / len(part)).backward()
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(state.network.parameters(), _LARGEST_STEP)
        state.optimizer.step()
        state.step += 1
        _follow(state)
    return total / len(training)


def _follow(state: State) -> None:
    """The moving mean over the last tenth of the steps or so, at most 100."""
    keep = min(_LONGEST_MEAN, 1 - 10 / (state.step + 10))
    with torch.no_grad():
        for slow, fast in zip(state.mean.parameters(), state.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)


def varied(case: Case, plan: TrainingPlan, rng: np.random.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Input and target of a case, mirrored at random, in a frame turned a little."""
    mirrored = bool(rng.random() < 0.5)
    given, wanted = tensors(assemble(case, plan.coarse, mirrored)), targets(case, mirrored)
    turn = _turn(rng, plan.turn_degrees)
    for name, vectors in (("wall", WALL_VECTORS), ("lumen", LUMEN_VECTORS)):
        values = given[name]
        turned = values[:, : 3 * vectors].reshape(-1, vectors, 3) @ turn.T
        given[name] = torch.cat([turned.reshape(-1, 3 * vectors), values[:, 3 * vectors :]], dim=1)
    for name in _TURNED:
        given[name] = given[name] @ turn.T
    return given, {name: values @ turn.T if name in ("shear", "velocity") else values for name, values in wanted.items()}


def _turn(rng: np.random.Generator, degrees: float) -> Tensor:
    x, y, z = np.radians(degrees) * rng.standard_normal(3)
    return torch.linalg.matrix_exp(torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float32))


def targets(case: Case, mirrored: bool = False) -> dict[str, Tensor]:
    """What the network should have said of a case."""
    sign = torch.tensor([1.0, -1.0 if mirrored else 1.0, 1.0])
    made = tensors({name: case[name] for name in _TARGETS})
    return {name: values * sign if name in ("shear", "velocity") else values for name, values in made.items()}


def tensors(arrays: Case) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}


def validate(network: FlowNetwork, cases: Sequence[Case], coarse: bool) -> float:
    """What the sac's wall shear is off, mean over the cases that have a sac; 0 without any."""
    found = []
    for case in cases:
        if (case["region"] == 1).any():
            with torch.no_grad():
                answer = network(tensors(assemble(case, coarse)))
            found.append(float(loss_of(answer, targets(case))[1]))
    return float(np.mean(found)) if found else 0.0
