"""A network on points that marks the sac and places its neck, summit and branches, whichever way the vessel is turned.

Shared layers and maxima over neighbors at three scales after Qi et al. 2017 (PointNet++). What is told of two points are their
distance and the cosines of their normals with each other and with the line between them (point pair features, Drost et al.
2010), which no turn and no mirror changes; places are weighted means of points, so they turn with the vessel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aneuflow.morphology.learned.names import FEATURES, INPUTS, PLACES

_PAIR, _HEADS = 5, 4
_FARTHEST = 6.0
_SEEN_FROM = 6


def _layers(inputs: int, *widths: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU()]
        inputs = width
    return nn.Sequential(*parts)


def _taken(values: Tensor, index: Tensor) -> Tensor:
    """Rows of (b, n, f) by an index (b, m, k): (b, m, k, f)."""
    batch, count, width = values.shape
    start = count * torch.arange(batch, device=index.device)[:, None, None]
    return values.reshape(batch * count, width)[(index + start).reshape(-1)].reshape(*index.shape, width)


def _pairs(here: Tensor, normal: Tensor, there: Tensor, other: Tensor) -> Tensor:
    """(..., 5) of points with their normals and others (..., 3): distance, its logarithm, three cosines."""
    away = there - here
    distance = (away.square().sum(dim=-1, keepdim=True) + 1e-6).sqrt()
    away = away / distance
    cosines = [(a * b).sum(dim=-1, keepdim=True) for a, b in ((normal, away), (other, away), (normal, other))]
    return torch.cat([distance.clamp(max=_FARTHEST), distance.log(), *cosines], dim=-1)


class Attention(nn.Module):
    """Every point of a level looks at every other, led by what it is and by where that lies."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ask, self.tell, self.say = (nn.Linear(width, width) for _ in range(3))
        self.lead = nn.Sequential(nn.Linear(_PAIR, 16), nn.GELU(), nn.Linear(16, _HEADS))
        self.mix = _layers(2 * width + _HEADS * _PAIR, width)

    def forward(self, values: Tensor, pairs: Tensor) -> Tensor:
        batch, count, width = values.shape
        ask, tell, say = (
            layer(values).reshape(batch, count, _HEADS, -1).transpose(1, 2) for layer in (self.ask, self.tell, self.say)
        )
        odds = ask @ tell.transpose(2, 3) / (width / _HEADS) ** 0.5 + self.lead(pairs).permute(0, 3, 1, 2)
        share = odds.softmax(dim=3)
        said = (share @ say).transpose(1, 2).reshape(batch, count, width)
        seen = torch.einsum("bhij,bijk->bihk", share, pairs).reshape(batch, count, -1)
        return values + self.mix(torch.cat([values, said, seen], dim=2))


class SacNetwork(nn.Module):
    """The arrays `INPUTS` of clouds (b, ...) to the log-odds (b, n) that a point is the sac's, and its `PLACES` (b, 6, 3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        middle, deep = 2 * width, 3 * width
        self.stem = _layers(FEATURES, width, width)
        self.near_1 = _layers(width + _PAIR, middle, middle)
        self.near_2 = _layers(middle + _PAIR, deep, deep)
        self.look = nn.ModuleList([Attention(deep), Attention(deep)])
        self.whole = _layers(2 * deep, deep)
        self.up_2 = _layers(middle + 2 * deep, middle)
        self.up_1 = _layers(width + middle, width)
        self.first = nn.Linear(width, 1)
        self.again = _layers(width + _SEEN_FROM, width, width)
        self.sac = nn.Linear(width, 1)
        self.branches = _layers(width + _SEEN_FROM, width, width)
        self.place = nn.Linear(width, len(PLACES))
        self.depth = nn.Linear(width, len(PLACES))

    def set_scale(self, features: Tensor) -> None:
        """Take mean and spread of the training features (m, 6)."""
        self.mean.copy_(features.mean(dim=0))
        self.spread.copy_(features.std(dim=0) + 1e-3)

    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        points, normals = given["points"], given["normals"]
        scaled = ((given["features"] - self.mean) / self.spread).clamp(-_FARTHEST, _FARTHEST)
        fine = self.stem(scaled)
        middle = _pooled(self.near_1, fine, points, normals, given["near_1"])
        count = middle.shape[1]
        deep = _pooled(self.near_2, middle, points[:, :count], normals[:, :count], given["near_2"])
        few = deep.shape[1]
        places, outward = points[:, :few], normals[:, :few]
        pairs = _pairs(
            *(values.expand(-1, few, few, -1) for values in (places[:, :, None], outward[:, :, None])),
            *(values.expand(-1, few, few, -1) for values in (places[:, None], outward[:, None])),
        )
        for look in self.look:
            deep = look(deep, pairs)
        whole = self.whole(torch.cat([deep.amax(dim=1), deep.mean(dim=1)], dim=1))
        deep = torch.cat([deep, whole[:, None].expand(-1, few, -1)], dim=2)
        middle = self.up_2(torch.cat([middle, _interpolated(deep, given["up_2"], given["weight_2"])], dim=2))
        fine = self.up_1(torch.cat([fine, _interpolated(middle, given["up_1"], given["weight_1"])], dim=2))
        first = self.first(fine)[..., 0]
        again = torch.cat([fine, _seen_from_sac(first.detach(), points, normals)], dim=2)
        return {"first": first, "sac": first + self.sac(self.again(again))[..., 0], "places": self._places(again, given)}

    def _places(self, values: Tensor, given: dict[str, Tensor]) -> Tensor:
        """Means of points, each moved along its normal, by shares that sum to one."""
        found = self.branches(values)
        share = self.place(found).softmax(dim=1).transpose(1, 2)
        moved = (share * self.depth(found).transpose(1, 2)) @ given["normals"]
        return share @ given["points"] + moved


def _pooled(layers: nn.Sequential, values: Tensor, points: Tensor, normals: Tensor, near: Tensor) -> Tensor:
    """Of the first points, by rows of `near`: the maximum over their neighbors of what these and their pairs give."""
    count, around = near.shape[1], near.shape[2]
    here, outward = (each[:, :count, None].expand(-1, count, around, -1) for each in (points, normals))
    pairs = _pairs(here, outward, _taken(points, near), _taken(normals, near))
    gathered: Tensor = layers(torch.cat([_taken(values, near), pairs], dim=3))
    return gathered.amax(dim=2)


def _interpolated(values: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return (_taken(values, index) * weight[..., None]).sum(dim=2)


def _seen_from_sac(odds: Tensor, points: Tensor, normals: Tensor) -> Tensor:
    """(b, n, 6): where each point lies as seen from the sac as it was first marked.

    Its log-odds; in radii of the sac's area: distance from its middle, height over it along its axis (what of its area does not
    close), distance from that axis; the cosines of its normal with the axis and with the way to the middle.
    """
    share = odds.sigmoid()
    total = share.sum(dim=1)[:, None] + 1.0
    middle = (share[..., None] * points).sum(dim=1, keepdim=True) / total[..., None]
    axis = (share[..., None] * normals).sum(dim=1, keepdim=True)
    axis = axis / (axis.square().sum(dim=2, keepdim=True) + 1e-6).sqrt()
    away = points - middle
    distance = (away.square().sum(dim=2) + 1e-6).sqrt()
    radius = ((share * distance).sum(dim=1, keepdim=True) / total).clamp(min=0.1)
    height = (away * axis).sum(dim=2)
    aside = (distance.square() - height.square()).clamp(min=1e-6).sqrt()
    along = ((normals * axis).sum(dim=2), (normals * away).sum(dim=2) / distance)
    parts = (odds, distance / radius, height / radius, aside / radius, *along)
    return torch.stack(parts, dim=2).clamp(-_FARTHEST, _FARTHEST)


class Listed(nn.Module):
    """The same for one cloud, its input a list in the order of `INPUTS`: the probabilities (n,) and the places (6, 3)."""

    def __init__(self, network: SacNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor]:
        answer = self.network({name: values[None] for name, values in zip(INPUTS, given, strict=True)})
        return answer["sac"][0].sigmoid(), answer["places"][0]
