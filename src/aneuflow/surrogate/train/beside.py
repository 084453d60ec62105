"""Other networks, trained on the same cases with the same loss, that the surrogate's own is held against."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aneuflow.surrogate.points_input import LUMEN_WIDTH, WALL_WIDTH
from aneuflow.surrogate.train.network import FlowNetwork, PointNetwork, head, interpolated, layers
from aneuflow.surrogate.train.plan import TrainingPlan

_NEIGHBORS = 8
_PRODUCTS = 64
_ON_WALL, _IN_LUMEN = 5, 4


def network_of_plan(plan: TrainingPlan, scalars: int) -> FlowNetwork:
    """The network that a plan names, untrained; scalars: how many numbers it is told of the vessel as a whole."""
    if plan.network == "deeponet":
        return DeepONet(plan.widths, scalars)
    if plan.network == "transformer":
        return PointTransformer(plan.widths, scalars)
    return PointNetwork(plan.widths, scalars, plan.without)


class DeepONet(FlowNetwork):
    """An operator network: what a point's own layers say of it times what the vessel's say, summed over products.

    Lu et al. 2021; the vessel enters by shared layers and pooling over its points, since no two have the same (Park and Kang
    2024). Twice as wide as the plan's deepest level, since nothing else is deep.
    """

    def __init__(self, widths: Sequence[int], scalars: int) -> None:
        super().__init__(scalars)
        width = widths[-1]
        self.points = layers(WALL_WIDTH, width, width)
        self.vessel = layers(2 * width + scalars, 2 * width, 2 * width)
        self.branch = head(2 * width, (_ON_WALL + _IN_LUMEN) * _PRODUCTS)
        self.trunk_wall = nn.Sequential(layers(WALL_WIDTH, width, width), nn.Linear(width, _PRODUCTS))
        self.trunk_lumen = nn.Sequential(layers(LUMEN_WIDTH, width, width), nn.Linear(width, _PRODUCTS))
        self.numbers = head(2 * width, 2)

    def free(self, given: dict[str, Tensor], wall: Tensor, lumen: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        points = self.points(wall)
        vessel = self.vessel(torch.cat([points.amax(dim=0), points.mean(dim=0), scalars]))
        branch = self.branch(vessel).reshape(_PRODUCTS, _ON_WALL + _IN_LUMEN)
        on_wall, in_lumen = self.trunk_wall(wall) @ branch[:, :_ON_WALL], self.trunk_lumen(lumen) @ branch[:, _ON_WALL:]
        return on_wall, in_lumen, self.numbers(vessel)


class PointTransformer(FlowNetwork):
    """Attention between neighbors on graphs of the wall's points and of each coarser level: Zhao et al. 2021, by the layers of
    torch_geometric (which it needs), down, up and to the answer as in the surrogate's own network.
    """

    def __init__(self, widths: Sequence[int], scalars: int) -> None:
        super().__init__(scalars)
        deepest = widths[-1]
        self.stem = layers(WALL_WIDTH, widths[0])
        self.attend = nn.ModuleList(_Attention(width) for width in widths)
        self.down = nn.ModuleList(layers(a, b) for a, b in itertools.pairwise(widths))
        self.whole = layers(2 * deepest + scalars, deepest, deepest)
        self.bottom = layers(2 * deepest, deepest)
        self.up = nn.ModuleList(layers(a + b, a) for a, b in itertools.pairwise(widths))
        self.attend_up = nn.ModuleList(_Attention(width) for width in widths[:-1])
        self.wall = nn.Sequential(layers(widths[0] + WALL_WIDTH, widths[0]), head(widths[0], _ON_WALL))
        self.lumen = nn.Sequential(layers(widths[0] + LUMEN_WIDTH, widths[0], widths[0]), head(widths[0], _IN_LUMEN))
        self.numbers = head(deepest, 2)

    def free(self, given: dict[str, Tensor], wall: Tensor, lumen: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        places = [self.places(given)]
        for level in range(1, len(self.down) + 1):
            places.append(places[-1][given[f"pick_{level}"]])
        edges = [_edges(of) for of in places]
        levels = [self.attend[0](self.stem(wall), places[0], edges[0])]
        for level, down in enumerate(self.down, start=1):
            gathered = down(levels[-1])[given[f"near_{level}"]].amax(dim=1)
            levels.append(self.attend[level](gathered, places[level], edges[level]))
        values = levels.pop()
        whole = self.whole(torch.cat([values.amax(dim=0), values.mean(dim=0), scalars])[None])
        values = self.bottom(torch.cat([values, whole.expand(values.shape[0], -1)], dim=1))
        for level in range(len(levels), 0, -1):
            values = interpolated(values, given[f"up_{level}"], given[f"weight_{level}"])
            values = self.up[level - 1](torch.cat([levels[level - 1], values], dim=1))
            values = self.attend_up[level - 1](values, places[level - 1], edges[level - 1])
        inside = interpolated(values, given["lumen_up"], given["lumen_weight"])
        return (
            self.wall(torch.cat([values, wall], dim=1)),
            self.lumen(torch.cat([inside, lumen], dim=1)),
            self.numbers(whole)[0],
        )


class _Attention(nn.Module):
    """Attention to the neighbors, added to what the points held."""

    def __init__(self, width: int) -> None:
        from torch_geometric.nn import PointTransformerConv

        super().__init__()
        self.norm = nn.LayerNorm(width)
        of_place, of_pair = (nn.Sequential(nn.Linear(a, width), nn.GELU(), nn.Linear(width, width)) for a in (3, width))
        self.layer = PointTransformerConv(width, width, pos_nn=of_place, attn_nn=of_pair)

    def forward(self, values: Tensor, places: Tensor, edges: Tensor) -> Tensor:
        return values + self.layer(self.norm(values), places, edges)


def _edges(places: Tensor) -> Tensor:
    """From each point's nearest neighbors to it (2, edges)."""
    near = torch.cdist(places, places).topk(min(_NEIGHBORS, len(places)), largest=False).indices
    return torch.stack([near.reshape(-1), torch.arange(len(places)).repeat_interleave(near.shape[1])])
