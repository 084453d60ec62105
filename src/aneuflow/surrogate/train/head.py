"""The last layers of a network tuned at a site, to be averaged with those of others: its features stay as they are.

With so few weights moved, a site with a few dozen cases does not unlearn what the database taught.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from aneuflow.numerics.averaging import Weights, update_sums
from aneuflow.surrogate.train.fit import Case, validate, varied
from aneuflow.surrogate.train.loss import loss_of
from aneuflow.surrogate.train.network import PointNetwork
from aneuflow.surrogate.train.plan import TrainingPlan
from aneuflow.types import FloatArray

LONGEST_UPDATE = 1.0
# A site finds a head worse where the wall shear of its locked cases is off by this much more, relative to before.
WORSE = 0.02
_LARGEST_STEP = 2.0


def head_layers(network: PointNetwork) -> list[nn.Parameter]:
    """Weights and biases of the layers that give wall shear and pressure, velocity, and the numbers."""
    layers = (network.wall[-1], network.lumen[-1], network.numbers)
    return [parameter for layer in layers for parameter in layer.parameters()]


def head_of(network: PointNetwork) -> Weights:
    """The head's weights as arrays."""
    return [parameter.detach().numpy().astype(np.float64) for parameter in head_layers(network)]


def set_head(network: PointNetwork, weights: Sequence[FloatArray]) -> None:
    """Put the weights of `head_of` into a network."""
    with torch.no_grad():
        for parameter, values in zip(head_layers(network), weights, strict=True):
            parameter.copy_(torch.from_numpy(np.asarray(values, dtype=np.float32)))


def tuned_head(network: PointNetwork, weights: Sequence[FloatArray], plan: TrainingPlan, training: Sequence[Case]) -> Weights:
    """The head after the plan's epochs over these cases, from `weights`; the rest of the network is not touched."""
    set_head(network, weights)
    moved = head_layers(network)
    optimizer, rng = torch.optim.SGD(moved, plan.learning_rate, momentum=0.9), np.random.default_rng(plan.seed)
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
    return head_of(network)


def head_sums(
    network: PointNetwork, plan: TrainingPlan, training: Sequence[Case], locked: Sequence[Case], accepted: Weights,
    candidate: Weights, cases: int,
) -> Weights:  # fmt: skip
    """What a site sends for a candidate head: `update_sums` of its own tuning of it, and its vote: [1 where it is worse, 1]."""
    found = []
    for weights in (accepted, candidate):
        set_head(network, weights)
        found.append(validate(network.eval(), locked, plan.coarse))
    worse = float(not found[1] <= found[0] * (1 + WORSE))
    tuned = tuned_head(network, candidate, plan, training)
    return [*update_sums(candidate, tuned, len(training) / cases, LONGEST_UPDATE), np.array([worse, 1.0])]
