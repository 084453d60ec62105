"""A small network on the points of a sac: shared layers, and maxima over neighbors near and far and over the whole.

After Qi et al. 2017 (PointNet++).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_FARTHEST = 6.0


def _layers(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU())


class RegionsNetwork(nn.Module):
    """Features (n, f), near and wide (n, k) of one sac to the log-odds (n, classes) of its points; class 0 is no mark."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.stem = nn.Sequential(_layers(inputs, width), _layers(width, width))
        self.nearby = _layers(2 * width, width)
        self.around = _layers(2 * width, width)
        self.whole = _layers(3 * width, width)
        self.head = nn.Linear(width, classes)

    def set_scale(self, features: Tensor) -> None:
        """Take mean and spread of the training cases' features (m, f)."""
        self.mean.copy_(features.mean(dim=0))
        self.spread.copy_(features.std(dim=0) + 1e-3)

    def forward(self, features: Tensor, near: Tensor, wide: Tensor) -> Tensor:
        point = self.stem(((features - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST))
        point = self.nearby(torch.cat([point, point[near].amax(dim=1)], dim=1))
        point = self.around(torch.cat([point, point[wide].amax(dim=1)], dim=1))
        whole = torch.cat([point.amax(dim=0), point.mean(dim=0)])
        return self.head(self.whole(torch.cat([point, whole.expand(point.shape[0], -1)], dim=1)))


class Chances(nn.Module):
    """The same, as the probability of each class."""

    def __init__(self, network: RegionsNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor, near: Tensor, wide: Tensor) -> Tensor:
        return self.network(features, near, wide).softmax(dim=1)
