"""A network on points: shared layers, max pooling over neighbors at several scales, and back by inverse-distance interpolation.

After Qi et al. 2017 (PointNet++); flow as a third channel of the input after Li et al. 2021.
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


def _layers(inputs: int, *widths: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for width in widths:
        parts += [nn.Linear(inputs, width), nn.LayerNorm(width), nn.GELU()]
        inputs = width
    return nn.Sequential(*parts)


def _head(inputs: int, outputs: int) -> nn.Linear:
    """Says nothing at first, so that training begins at what is to be corrected."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _interpolated(features: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    return (features[index] * weight[..., None]).sum(dim=1)


class PointNetwork(nn.Module):
    """The arrays `INPUTS` of one case to its wall shear (n, 3), wall pressure (n,), velocity (m, 3) and numbers (2,).

    Wall shear is tangential and velocity vanishes at the wall by construction.
    """

    def __init__(self, widths: Sequence[int], scalars: int) -> None:
        super().__init__()
        for name, width in (("wall", WALL_WIDTH), ("lumen", LUMEN_WIDTH), ("scalars", scalars)):
            self.register_buffer(f"{name}_mean", torch.zeros(width))
            self.register_buffer(f"{name}_spread", torch.ones(width))
        deepest = widths[-1]
        self.stem = _layers(WALL_WIDTH, widths[0], widths[0])
        self.pool = nn.ModuleList(_layers(a + 3, b, b) for a, b in itertools.pairwise(widths))
        self.down = nn.ModuleList(_layers(a + b, b) for a, b in itertools.pairwise(widths))
        self.whole = _layers(2 * deepest + scalars, deepest, deepest)
        self.bottom = _layers(2 * deepest, deepest)
        self.up = nn.ModuleList(_layers(a + b, a) for a, b in itertools.pairwise(widths))
        self.wall = nn.Sequential(_layers(widths[0] + WALL_WIDTH, widths[0]), _head(widths[0], 5))
        self.lumen = nn.Sequential(_layers(widths[0] + LUMEN_WIDTH, widths[0], widths[0]), _head(widths[0], 4))
        self.numbers = _head(deepest, 2)

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

    def _scaled(self, name: str, values: Tensor) -> Tensor:
        scaled = (values - getattr(self, f"{name}_mean")) / getattr(self, f"{name}_spread")
        return torch.where(torch.isnan(scaled), torch.zeros_like(scaled), scaled).clamp(-_CLIP, _CLIP)

    def forward(self, given: dict[str, Tensor], noise: Tensor | None = None) -> dict[str, Tensor]:
        wall, scalars = self._scaled("wall", given["wall"]), self._scaled("scalars", given["scalars"])
        if noise is not None:
            scalars = scalars + noise
        levels, places = [self.stem(wall)], given["wall"][:, :3]
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
            values = _interpolated(values, given[f"up_{level}"], given[f"weight_{level}"])
            values = self.up[level - 1](torch.cat([levels[level - 1], values], dim=1))
        factor = self.numbers(whole)[0].clamp(-_LARGEST_NUMBER, _LARGEST_NUMBER).exp()
        answer = self._on_wall(given, self.wall(torch.cat([values, wall], dim=1)), factor[0])
        inside = _interpolated(values, given["lumen_up"], given["lumen_weight"])
        free = self.lumen(torch.cat([inside, self._scaled("lumen", given["lumen"])], dim=1))
        answer["velocity"] = _corrected(free, given["velocity_base"], given["velocity_scale"]) * given["no_slip"][:, None]
        return answer | {"numbers": given["numbers_base"] * factor}

    def _on_wall(self, given: dict[str, Tensor], free: Tensor, factor: Tensor) -> dict[str, Tensor]:
        shear = _corrected(free[:, :4], given["shear_base"], given["shear_scale"])
        normal = given["wall"][:, _NORMAL]
        shear = shear - (shear * normal).sum(dim=1, keepdim=True) * normal
        return {"shear": shear, "pressure": given["pressure_base"] * factor + given["pressure_scale"] * free[:, 4]}


def _corrected(free: Tensor, base: Tensor, scale: Tensor) -> Tensor:
    gain = (_LARGEST_GAIN * torch.tanh(free[:, :1])).exp()
    return gain * (base + scale[:, None] * free[:, 1:4])


class Listed(nn.Module):
    """The same network with its input as a list in the order of `INPUTS`, its output in that of `OUTPUTS`, for ONNX."""

    def __init__(self, network: PointNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        answer = self.network(dict(zip(INPUTS, given, strict=True)))
        return tuple(answer[name] for name in OUTPUTS)
