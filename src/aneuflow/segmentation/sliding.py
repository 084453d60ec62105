"""A network run over a large image by overlapping tiles, only where a cheap pass at twice the spacing saw something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aneuflow.segmentation.intensity import USUAL_LEVEL, at_level, level_seen
from aneuflow.types import Float32Array, Progress

BoolArray = npt.NDArray[np.bool_]
# A tile's own part is what no other tile has nearer to its middle; the rest overlaps.
_OVERLAP = 0.375
_SIGMA_OF_SIZE = 1 / 8
# The cheap pass decides where to look, never where a vessel is: a low bar and a wide margin.
_SEEN, _MARGIN_VOXELS = 0.1, 4
# Under this many tiles the cheap pass costs more than it saves.
_FEW_TILES = 8


@dataclass(frozen=True)
class Tiling:
    """Cubes of `size` voxels; `run` gives for an image (size, size, size) the probabilities (classes, size, size, size)."""

    size: int
    run: Callable[[Float32Array], Float32Array]


def lumen_and_aneurysm(
    tiling: Tiling, image: Float32Array, leveled: bool, progress: Progress
) -> tuple[Float32Array, Float32Array, float | None]:
    """Probability of lumen (artery or aneurysm) and of aneurysm in each voxel of `image` (nx, ny, nz), 0 where none was near,
    and how bright large arteries are in `image`.

    leveled: the network takes images with large arteries at 1; how bright they are the first pass finds, else None is given.
    Memory: three more arrays of the image's size.
    """
    where = level = None
    if leveled or len(list(_corners(image.shape, tiling.size))) > _FEW_TILES:
        halved = _halved(image)
        first = _given_at(tiling, USUAL_LEVEL) if leveled else tiling
        seen, _ = _blended(first, halved, None, lambda fraction: progress(0.2 * fraction, "where vessels are"))
        if leveled:
            level = level_seen(halved, seen)
            tiling = _given_at(tiling, level)
        near = ndimage.binary_dilation(seen > _SEEN, iterations=_MARGIN_VOXELS)
        where = near.repeat(2, 0).repeat(2, 1).repeat(2, 2)[tuple(slice(n) for n in image.shape)]
    return *_blended(tiling, image, where, lambda fraction: progress(0.2 + 0.8 * fraction, "network")), level


def _given_at(tiling: Tiling, level: float) -> Tiling:
    return Tiling(tiling.size, lambda tile: tiling.run(at_level(tile, level)))


def _halved(image: Float32Array) -> Float32Array:
    """The mean over each 2 x 2 x 2 voxels; an odd last layer counts twice."""
    even = np.pad(image, [(0, n % 2) for n in image.shape], mode="edge")
    a, b, c = (n // 2 for n in even.shape)
    return np.asarray(even.reshape(a, 2, b, 2, c, 2).mean(axis=(1, 3, 5), dtype=np.float32), np.float32)


def _corners(shape: tuple[int, ...], size: int) -> Iterator[tuple[int, ...]]:
    """The lowest corners of tiles that cover `shape`, evenly spread along each axis."""
    step = size * (1 - _OVERLAP)
    axes = []
    for n in shape:
        last = max(n - size, 0)
        axes.append(np.unique(np.round(np.linspace(0, last, int(np.ceil(last / step)) + 1)).astype(int)).tolist())
    return product(*axes)


def _blended(
    tiling: Tiling, image: Float32Array, where: BoolArray | None, told: Callable[[float], None]
) -> tuple[Float32Array, Float32Array]:
    """Lumen and aneurysm: the mean of the tiles' answers, weighted by a Gaussian about each tile's middle."""
    size, shape = tiling.size, image.shape
    padded = np.pad(image, [(0, max(size - n, 0)) for n in shape], mode="edge")
    lumen, aneurysm, total = (np.zeros(padded.shape, np.float32) for _ in range(3))
    axis = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / (_SIGMA_OF_SIZE * size)) ** 2)
    weight = np.maximum(axis[:, None, None] * axis[:, None] * axis, 1e-4).astype(np.float32)
    rim = int(size * _OVERLAP / 2)
    tiles = [corner for corner in _corners(shape, size) if where is None or _core(where, corner, size, rim).any()]
    for done, corner in enumerate(tiles):
        told(done / len(tiles))
        place = tuple(slice(start, start + size) for start in corner)
        answer = tiling.run(np.ascontiguousarray(padded[place]))
        lumen[place] += weight * (answer[1] + answer[2])
        aneurysm[place] += weight * answer[2]
        total[place] += weight
    cut = tuple(slice(n) for n in shape)
    total = np.maximum(total, np.float32(1e-6))
    lumen /= total
    aneurysm /= total
    return lumen[cut], aneurysm[cut]


def _core(where: BoolArray, corner: tuple[int, ...], size: int, rim: int) -> BoolArray:
    """The part of `where` that a tile answers for: all but its rim, but to the border of the image."""
    ends = []
    for start, n in zip(corner, where.shape, strict=True):
        low = start + rim if start else 0
        ends.append(slice(low, start + size - rim if start + size < n else n))
    return where[tuple(ends)]
