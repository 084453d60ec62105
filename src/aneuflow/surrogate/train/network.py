"""A network on points: shared layers, max pooling over neighbors at several scales, and back by inverse-distance interpolation.

After Qi et al. 2017 (PointNet++); flow as a third channel of the input after Li et al. 2021. What it shares with other networks
that are held against it (`beside`) stands in `FlowNetwork`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aneuflow.surrogate.points_input import INPUTS, LUMEN_VECTORS, LUMEN_WIDTH, OUTPUTS, WALL_VECTORS, WALL_WIDTH

_CLIP = 4.0
_LARGEST_GAIN, _LARGEST_NUMBER = 1.5, 2.0
_NORMAL = slice(3, 6)
# The columns of each input that belong to a channel, which a network may be without.
_CHANNELS = {
    "place": {"wall": slice(0, 9), "lumen": slice(0, 6), "scalars": slice(0, 0)},
    "shape": {"wall": slice(15, 20), "lumen": slice(9, 13), "scalars": slice(None)},
}


def layers(inputs: int, *widths: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU()]
        inputs = width
    return nn.Sequential(*parts)


def head(inputs: int, outputs: int) -> nn.Linear:
    """Says nothing at first, so that training begins at what is to be corrected."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def interpolated(features: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return (features[index] * weight[..., None]).sum(dim=1)


class FlowNetwork(nn.Module):
    """The arrays `INPUTS` of one case to its wall shear (n, 3), wall pressure (n,), velocity (m, 3) and numbers (2,).

    Wall shear is tangential and velocity vanishes at the wall by construction. What is to be changed of the flow that is known
    is for a network to say, in `free`. without: a channel of the input ("place", "shape") that it is not given.
    """

    def __init__(self, scalars: int, without: str = "") -> None:
        super().__init__()
        self.without = without
        for name, width in (("wall", WALL_WIDTH), ("lumen", LUMEN_WIDTH), ("scalars", scalars)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_spread", torch.ones(width))

    def free(self, given: dict[str, Tensor], wall: Tensor, lumen: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """On the wall (n, 5), in the lumen (m, 4) and of the numbers (2,), from the scaled inputs; zero changes nothing.

        Log of a gain and three components of what is added, in parts of the local scale; on the wall besides the pressure.
        """
        raise NotImplementedError

    def set_scale(self, cases: Sequence[dict[str, Tensor]]) -> None:
        """Take the mean and spread of each input from training cases; components of vectors are not shifted."""
        for name, vectors in (("wall", WALL_VECTORS), ("lumen", LUMEN_VECTORS), ("scalars", 0)):
            values = torch.cat([case[name].reshape(-1, case[name].shape[-1]) for case in cases])
            known = torch.isfinite(values)
            count = known.sum(dim=0).clamp(min=1)
            mean = torch.where(known, values, 0.0).sum(dim=0) / count
            mean[: 3 * vectors] = 0.0
            away = torch.where(known, values - mean, 0.0).square().sum(dim=0) / count
            getattr(self, f"{name}_mean").copy_(mean)
            getattr(self, f"{name}_spread").copy_(away.sqrt().clamp(min=0.05))

    def _scaled(self, name: str, values: Tensor, noise: Tensor | None = None) -> Tensor:
        scaled = (values - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_spread")
        scaled = torch.where(torch.isnan(scaled), torch.zeros_like(scaled), scaled).clamp(-_CLIP, _CLIP)
        scaled = scaled if noise is None else scaled + noise
        if self.without:
            scaled[..., _CHANNELS[self.without][name]] = 0.0
        return scaled

    def places(self, given: dict[str, Tensor]) -> Tensor:
        """Of the wall's points (n, 3), D."""
        places = given["wall"][:, :3]
        return torch.zeros_like(places) if self.without == "place" else places

    def forward(self, given: dict[str, Tensor], noise: Tensor | None = None) -> dict[str, Tensor]:
        wall, scalars = self._scaled("wall", given["wall"]), self._scaled("scalars", given["scalars"], noise)
        on_wall, in_lumen, numbers = self.free(given, wall, self._scaled("lumen", given["lumen"]), scalars)
        factor = numbers.clamp(-_LARGEST_NUMBER, _LARGEST_NUMBER).exp()
        shear = _corrected(on_wall[:, :4], given["shear_base"], given["shear_scale"])
        normal = given["wall"][:, _NORMAL]
        return {
            "shear": shear - (shear * normal).sum(dim=1, keepdim=True) * normal,
            "pressure": given["pressure_base"] * factor[0] + given["pressure_scale"] * on_wall[:, 4],
            "velocity": _corrected(in_lumen, given["velocity_base"], given["velocity_scale"]) * given["no_slip"][:, None],
            "numbers": given["numbers_base"] * factor,
        }


class PointNetwork(FlowNetwork):
    """The network of the surrogate; widths: features per point on the wall and on each coarser level."""

    def __init__(self, widths: Sequence[int], scalars: int, without: str = "") -> None:
        super().__init__(scalars, without)
        deepest = widths[-1]
        self.stem = layers(WALL_WIDTH, widths[0], widths[0])
        self.pool = nn.ModuleList(layers(a + 3, b, b) for a, b in itertools.pairwise(widths))
        self.down = nn.ModuleList(layers(a + b, b) for a, b in itertools.pairwise(widths))
        self.whole = layers(2 * deepest + scalars, deepest, deepest)
        self.bottom = layers(2 * deepest, deepest)
        self.up = nn.ModuleList(layers(a + b, a) for a, b in itertools.pairwise(widths))
        self.wall = nn.Sequential(layers(widths[0] + WALL_WIDTH, widths[0]), head(widths[0], 5))
        self.lumen = nn.Sequential(layers(widths[0] + LUMEN_WIDTH, widths[0], widths[0]), head(widths[0], 4))
        self.numbers = head(deepest, 2)

    def free(self, given: dict[str, Tensor], wall: Tensor, lumen: Tensor, scalars: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        levels, places = [self.stem(wall)], self.places(given)
        for level, (pool, down) in enumerate(zip(self.pool, self.down, strict=True), start=1):
            chosen, near = given[f"pick_{level}"], given[f"near_{level}"]
            centers = places[chosen]
            away = places[near] - centers[:, None]
            away = away / (away.abs().amax(dim=(0, 1)).amax() + 1e-6)
            gathered = pool(torch.cat([levels[-1][near], away], dim=2)).amax(dim=1)
            levels.append(down(torch.cat([levels[-1][chosen], gathered], dim=1)))
            places = centers
        values = levels.pop()
        whole = self.whole(torch.cat([values.amax(dim=0), values.mean(dim=0), scalars])[None])
        values = self.bottom(torch.cat([values, whole.expand(values.shape[0], -1)], dim=1))
        for level in range(len(levels), 0, -1):
            values = interpolated(values, given[f"up_{level}"], given[f"weight_{level}"])
            values = self.up[level - 1](torch.cat([levels[level - 1], values], dim=1))
        inside = interpolated(values, given["lumen_up"], given["lumen_weight"])
        return (
            self.wall(torch.cat([values, wall], dim=1)),
            self.lumen(torch.cat([inside, lumen], dim=1)),
            self.numbers(whole)[0],
        )


def _corrected(free: Tensor, base: Tensor, scale: Tensor) -> Tensor:
    gain = (_LARGEST_GAIN * torch.tanh(free[:, :1])).exp()
    return gain * (base + scale[:, None] * free[:, 1:4])


class Listed(nn.Module):
    """The same network with its input as a list in the order of `INPUTS`, its output in that of `OUTPUTS`, for ONNX."""

    def __init__(self, network: FlowNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(dict(zip(INPUTS, given, strict=True)))
        return tuple(answer[name] for name in OUTPUTS)
