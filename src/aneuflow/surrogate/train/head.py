"""The last layers of networks tuned at a site, to be averaged with those of others: their features stay as they are.

With so few weights moved, a site with a few dozen cases does not unlearn what the database taught.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from aneuflow.numerics.averaging import Weights, update_sums
from aneuflow.surrogate.train.fit import Case, validate, varied
from aneuflow.surrogate.train.loss import loss_of
from aneuflow.surrogate.train.network import PointNetwork
from aneuflow.surrogate.train.plan import TrainingPlan
from aneuflow.surrogate.train.together import LONGEST_UPDATE, WORSE
from aneuflow.types import FloatArray

_LARGEST_STEP = 2.0


def head_layers(network: PointNetwork) -> list[nn.Parameter]:
    """Weights and biases of the layers that give wall shear and pressure, velocity, and the numbers."""
    layers = (network.wall[-1], network.lumen[-1], network.numbers)
    return [parameter for layer in layers for parameter in layer.parameters()]


def head_of(network: PointNetwork) -> FloatArray:
    """(weights,) the head's weights, one layer after another."""
    return np.concatenate([parameter.detach().numpy().astype(np.float64).ravel() for parameter in head_layers(network)])


def set_head(network: PointNetwork, weights: FloatArray) -> None:
    """Put the weights of `head_of` into a network."""
    with torch.no_grad():
        start = 0
        for parameter in head_layers(network):
            values = weights[start : start + parameter.numel()].astype(np.float32).reshape(parameter.shape)
            parameter.copy_(torch.from_numpy(values))
            start += parameter.numel()


def tuned_head(network: PointNetwork, weights: FloatArray, plan: TrainingPlan, training: Sequence[Case]) -> FloatArray:
    """The head after the plan's epochs over these cases, from `weights`; the rest of the network is not touched."""
    set_head(network, weights)
    moved = head_layers(network.requires_grad_(False))
    for parameter in moved:
        parameter.requires_grad_(True)
    optimizer, rng = torch.optim.SGD(moved, plan.learning_rate, momentum=0.9), np.random.default_rng(plan.seed)
    # The rate falls to nothing, so that what is sent is not the noise of the last steps.
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.epochs * math.ceil(len(training) / plan.batch))
    for _ in range(plan.epochs):
        order = rng.permutation(len(training))
        for first in range(0, len(order), plan.batch):
            part = order[first : first + plan.batch]
            optimizer.zero_grad(set_to_none=True)
            for place in part:
                given, wanted = varied(training[place], plan, rng)
                (loss_of(network(given), wanted)[0] / len(part)).backward()
            nn.utils.clip_grad_norm_(moved, _LARGEST_STEP)
            optimizer.step()
            falling.step()
    return head_of(network)


def head_sums(
    networks: Sequence[tuple[PointNetwork, TrainingPlan]], training: Sequence[Case], locked: Sequence[Case],
    accepted: FloatArray, candidate: FloatArray, cases: int,
) -> Weights:  # fmt: skip
    """What a site with `training` of all sites' `cases` sends for candidate heads (networks, weights).

    [its share], `update_sums` of its own tuning of each (networks, weights), and its vote: [1 where it is against, 1]. It is
    where the wall shear of its locked cases is off by `WORSE` more than with the accepted heads, in the mean of the networks
    that are given a coarse flow or of those that are not.
    """
    share, updates = len(training) / cases, []
    off: dict[tuple[bool, bool], list[float]] = {}
    for (network, plan), before, after in zip(networks, accepted, candidate, strict=True):
        for weights in (before, after):
            set_head(network, weights)
            off.setdefault((plan.coarse, weights is after), []).append(validate(network.eval(), locked, plan.coarse))
        tuned = tuned_head(network, after, plan, training)
        updates.append(update_sums([after], [tuned], share, LONGEST_UPDATE)[1])
    kinds = {plan.coarse for _, plan in networks}
    # Not "more than": what is no number must not pass.
    worse = any(not np.mean(off[kind, True]) <= np.mean(off[kind, False]) * (1 + WORSE) for kind in kinds)
    return [np.array([share]), np.stack(updates), np.array([float(worse), 1.0])]
