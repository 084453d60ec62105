"""A residual U-Net in three dimensions with supervision at the coarser levels.

After Isensee et al. 2021 (nnU-Net) and He et al. 2016, but with a single convolution each way at full resolution, where
nearly all the cost would lie.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

Norm = Callable[[int], nn.Module]


def _of_each_channel(channels: int) -> nn.Module:
    return nn.InstanceNorm3d(channels, affine=True)


def _of_all_channels(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


def _convolution(inputs: int, outputs: int, norm: Norm, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs), nn.LeakyReLU(0.01))


class Residual(nn.Module):
    """Two convolutions and a shortcut; the first one may halve the resolution."""

    def __init__(self, inputs: int, outputs: int, norm: Norm, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, norm, stride)
        self.second = nn.Sequential(nn.Conv3d(outputs, outputs, 3, 1, 1, bias=False), norm(outputs))
        self.halve = nn.AvgPool3d(stride) if stride > 1 else nn.Identity()
        self.shortcut = nn.Conv3d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()

    def forward(self, values: Tensor) -> Tensor:
        return functional.leaky_relu(self.second(self.first(values)) + self.shortcut(self.halve(values)), 0.01)


class ResidualUNet(nn.Module):
    """Image (n, 1, x, y, z) to logits (n, classes, x, y, z); edges are multiples of 2^(len(widths) - 1).

    In training it gives a list: the logits at full, half and quarter resolution. leveled: the network sees how bright a patch
    is. Its first layer then has no norm and the others have one over all channels (Wu and He 2018, one group); with a norm of
    each channel (Isensee) a vein by itself looks like an artery, which serves where brightness means little, as in MRA.
    """

    supervised = 3

    def __init__(self, widths: Sequence[int], classes: int, leveled: bool = False) -> None:
        super().__init__()
        norm = _of_all_channels if leveled else _of_each_channel
        bare = nn.Sequential(nn.Conv3d(1, widths[0], 3, 1, 1), nn.LeakyReLU(0.01))
        self.stem = bare if leveled else _convolution(1, widths[0], norm)
        self.down = nn.ModuleList(Residual(a, b, norm, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, 2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(
            Residual(2 * width, width, norm) if level else _convolution(2 * width, width, norm)
            for level, width in enumerate(widths[:-1])
        )
        self.heads = nn.ModuleList(nn.Conv3d(width, classes, 1) for width in widths[: self.supervised])

    def forward(self, image: Tensor) -> Tensor | list[Tensor]:
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        values, logits = levels.pop(), []
        for level in reversed(range(len(levels))):
            values = self.merge[level](torch.cat([levels[level], self.up[level](values)], dim=1))
            if level < self.supervised and (self.training or level == 0):
                logits.append(self.heads[level](values))
        return logits[::-1] if self.training else logits[-1]
