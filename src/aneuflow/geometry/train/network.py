"""A network on the points of a wall: each hears from others near, farther and far, by what does not change with a turn.

After Wang et al. 2019 (dynamic graph CNN; here neighbors are fixed); pairs of points are described as by Drost et al. 2010.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_FARTHEST = 5.0
_REACHES = (0, 1, 2, 1, 0)
_SETS = max(_REACHES) + 1
_WHOLE_AFTER = 3
_PAIR = 8

Cloud = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
INPUTS = ("points", "normals", "frame", "features", "near")


def _layers(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU())


class _Heard(nn.Module):
    """What points (n, w) take up from the most telling of their neighbors (n, k), given how they lie to them (n, k, p)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.other = nn.Linear(width, width), nn.Linear(width, width, bias=False)
        self.pair = nn.Linear(_PAIR, width, bias=False)
        self.mixed = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, point: Tensor, pair: Tensor, near: Tensor) -> Tensor:
        heard = nn.functional.embedding(near, self.other(point)) + self.pair(pair)
        # The largest of sums is the sum with the largest: what a point adds itself need not be added sixteen times.
        strongest = torch.relu(heard.amax(dim=1) + self.own(point))
        return nn.functional.gelu(point + self.mixed(strongest))


class SacNetwork(nn.Module):
    """The cloud of a wall (`aneuflow.geometry.wall_cloud`) to the log-odds (n,) that its points are sac."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        self.stem = nn.Sequential(_layers(inputs, width), _layers(width, width))
        self.rounds = nn.ModuleList(_Heard(width) for _ in _REACHES)
        self.whole = _layers(3 * width, width)
        self.head = nn.Sequential(_layers(width, width), nn.Linear(width, 1))

    def set_scale(self, features: Tensor) -> None:
        """Take mean and spread of the training cases' features (m, f)."""
        self.mean.copy_(features.mean(dim=0))
        self.spread.copy_(features.std(dim=0) + 1e-3)

    def forward(
        self, points: Tensor, normals: Tensor, frame: Tensor, features: Tensor, near: Tensor, silent: Tensor | None = None
    ) -> Tensor:
        """silent (f,): 1 where a feature is told, 0 where the network is to do without."""
        scaled = ((features - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        point = self.stem(scaled if silent is None else scaled * silent)
        pairs = [_pairs(points, normals, frame, near[reach]) for reach in range(_SETS)]
        for number, (heard, reach) in enumerate(zip(self.rounds, _REACHES, strict=True), start=1):
            point = heard(point, pairs[reach], near[reach])
            if number == _WHOLE_AFTER:
                whole = torch.cat([point.amax(dim=0), point.mean(dim=0)])
                point = self.whole(torch.cat([point, whole.expand(point.shape[0], -1)], dim=1))
        return self.head(point)[:, 0]


def _pairs(points: Tensor, normals: Tensor, frame: Tensor, near: Tensor) -> Tensor:
    """How neighbors lie to their points (n, k, 8), the same however both are turned or mirrored."""
    step = points[near] - points[:, None]
    length = step.square().sum(dim=2, keepdim=True).sqrt()
    step = step / (length + 1e-6)
    away, along = frame[:, None, 0], frame[:, None, 1]
    parts = (
        (normals[:, None] * step).sum(dim=2),
        (normals[near] * step).sum(dim=2),
        (normals[:, None] * normals[near]).sum(dim=2),
        (away * step).sum(dim=2),
        (along * step).sum(dim=2).abs(),
        (away * frame[near][:, :, 0]).sum(dim=2),
    )
    return torch.cat([torch.stack(parts, dim=2), 0.5 * length, torch.log1p(length)], dim=2)


class Chances(nn.Module):
    """The probability that points are sac by several networks, their log-odds averaged."""

    def __init__(self, networks: Sequence[SacNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, points: Tensor, normals: Tensor, frame: Tensor, features: Tensor, near: Tensor) -> Tensor:
        odds = [network(points, normals, frame, features, near) for network in self.networks]
        return torch.stack(odds).mean(dim=0).sigmoid()
