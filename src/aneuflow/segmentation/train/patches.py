"""Patches from prepared images: where they are taken, how they are turned, and how their grey values are varied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from aneuflow.segmentation.train.plan import TrainingPlan

LOWEST, HIGHEST = -1.5, 4.0
_BONE = 3
# How bright patches are, as a logarithm: of leveled images as far off as the first pass finds the level, or guesses it.
_LEVEL_SIGMA, _GUESSED_LEVEL, _UNLEVELED = 0.1, (-1.0, 0.7), (-0.35, 0.3)
# Where arteries are in images that are not leveled.
_UNLEVELED_ARTERY = 1.6


@dataclass(frozen=True, eq=False)
class Patch:
    """image (1, x, y, z) float32, labels (x, y, z) int64, share (x, y, z) float32 in [0, 1]."""

    image: Tensor
    labels: Tensor
    share: Tensor


def read_case(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """image float32, labels uint8, share float32 of a prepared file; without share the labels' own lumen is taken."""
    with np.load(file) as content:
        image, labels = content["image"].astype(np.float32), content["labels"]
        share = content["share"] / np.float32(255) if "share" in content else ((labels == 1) | (labels == 2)).astype(np.float32)
    return image, labels, share


def random_patch(file: Path, plan: TrainingPlan, rng: np.random.Generator) -> Patch:
    """One patch of a prepared file: turned, scaled, mirrored, its grey values varied."""
    image, labels, share = read_case(file)
    if is_coarse := rng.random() < plan.coarse_share:
        image, labels, share = _halved(image, labels, share)
    center = _center(labels, rng)
    matrix = _turn(rng)
    shape, size = np.array(labels.shape), plan.patch
    # A patch beyond the border is moved back in as far as the turned cube allows.
    reach = np.abs(matrix).sum(axis=1) * size / 2
    center = np.clip(center, np.minimum(reach, shape / 2 - 0.5), np.maximum(shape - 1 - reach, shape / 2 - 0.5))
    taken = _sampled(image, labels, share, matrix, center, size)
    if plan.leveled:
        brightness = rng.uniform(*_GUESSED_LEVEL) if is_coarse else _LEVEL_SIGMA * rng.standard_normal()
    else:
        brightness = rng.uniform(*_UNLEVELED)
    varied = _varied(taken.image[0] * math.exp(brightness), taken.labels, rng, plan)
    return Patch(varied[None], taken.labels, taken.share)


def fixed_patches(file: Path, plan: TrainingPlan) -> list[Patch]:
    """Two patches for validation, unturned: one about the aneurysm or the first artery, one in the middle."""
    image, labels, share = read_case(file)
    places = np.argwhere(labels == 2)
    places = places if len(places) else np.argwhere(labels == 1)
    shape, half = np.array(labels.shape), plan.patch / 2
    middles = [places.mean(axis=0)] if len(places) else []
    patches = []
    for middle in (*middles, shape / 2):
        center = np.clip(middle, np.minimum(half, shape / 2), np.maximum(shape - half, shape / 2)) - 0.5
        patches.append(_sampled(image, labels, share, np.eye(3), center, plan.patch))
    return patches


def _halved(image: np.ndarray, labels: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    def mean(values: np.ndarray) -> np.ndarray:
        return functional.avg_pool3d(torch.from_numpy(values)[None, None], 2)[0, 0].numpy()

    cut = tuple(slice(0, n - n % 2, 2) for n in labels.shape)
    return mean(image), labels[cut], mean(share)


def _center(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A voxel of an aneurysm, of an artery, of bone, or any."""
    kind = rng.choice([2, 1, _BONE, -1], p=[0.35, 0.3, 0.15, 0.2])
    if kind > 0:
        places = np.flatnonzero(labels == kind)
        if len(places):
            return np.array(np.unravel_index(rng.choice(places), labels.shape), float)
    return rng.uniform(0, labels.shape)


def _turn(rng: np.random.Generator) -> np.ndarray:
    """From patch to image voxels: mirrored along each axis or not, turned by up to 30 degrees, scaled by 0.8 to 1.25."""
    axis = rng.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    angle = rng.uniform(0, math.radians(30))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turn @ np.diag(rng.choice([-1.0, 1.0], 3)) * math.exp(rng.uniform(-0.22, 0.22))


def _sampled(
    image: np.ndarray, labels: np.ndarray, share: np.ndarray, matrix: np.ndarray, center: np.ndarray, size: int
) -> Patch:
    """Voxel p of the patch lies at center + matrix (p - (size - 1) / 2) of the image; beyond the border the border goes on."""
    axis = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    places = places @ torch.from_numpy(matrix.T.astype(np.float32)) + torch.from_numpy(center.astype(np.float32))
    scale = torch.tensor(labels.shape, dtype=torch.float32) - 1
    grid = (2 * places / scale - 1).flip(-1)[None]
    both = torch.from_numpy(np.stack([image, share]))[None]
    values = functional.grid_sample(both, grid, "bilinear", "border", align_corners=True)[0]
    named = torch.from_numpy(labels.astype(np.float32))[None, None]
    nearest = functional.grid_sample(named, grid, "nearest", "border", align_corners=True)[0, 0]
    return Patch(values[:1], nearest.long(), values[1])


def _smooth(size: int, knots: int, rng: np.random.Generator) -> Tensor:
    """A smooth random field with mean 0 and values of about 1."""
    coarse = torch.from_numpy(rng.standard_normal((1, 1, knots, knots, knots)).astype(np.float32))
    return functional.interpolate(coarse, (size, size, size), mode="trilinear", align_corners=True)[0, 0]


def _blurred(image: Tensor, sigma: float) -> Tensor:
    reach = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
    kernel = kernel / kernel.sum()
    values = image[None, None]
    for axis in range(3):
        shape, pad = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis] = 7
        pad[2 * (2 - axis)] = pad[2 * (2 - axis) + 1] = 3
        values = functional.conv3d(functional.pad(values, pad, mode="replicate"), kernel.reshape(shape))
    return values[0, 0]


def _varied(image: Tensor, labels: Tensor, rng: np.random.Generator, plan: TrainingPlan) -> Tensor:
    """Contrast, shading, sharpness and noise as other scanners and patients have them."""
    artery = 1.0 if plan.leveled else _UNLEVELED_ARTERY
    lumen = (labels == 1) | (labels == 2)
    if rng.random() < 0.3 and "bone" in plan.classes:
        bone = labels == plan.classes.index("bone")
        image = torch.where(bone, image * float(rng.uniform(0.35, 1.2)), image)
    if rng.random() < 0.3:
        image = torch.where(lumen, image * (1 + 0.12 * _smooth(plan.patch, 4, rng)), image)
    if rng.random() < 0.3:
        image = image * torch.exp(0.15 * _smooth(plan.patch, 3, rng))
    if rng.random() < 0.08:  # an image whose background was removed, as archives hold them
        image = torch.where(lumen | (image > artery * rng.uniform(0.5, 0.75)), image, torch.zeros_like(image))
    if rng.random() < 0.25:
        image = _blurred(image, float(rng.uniform(0.4, 1.0)))
    image = image + artery * float(rng.normal(0, 0.05))
    if rng.random() < 0.2:
        top = float(image.max().clamp(min=0.5))
        image = torch.where(image > 0, top * (image.clamp(min=0) / top) ** float(rng.uniform(0.75, 1.35)), image)
    if rng.random() < 0.4:
        noise = torch.from_numpy(rng.standard_normal(image.shape).astype(np.float32))
        noise = _blurred(noise, float(rng.uniform(0.3, 0.8))) if rng.random() < 0.5 else noise
        image = image + artery * float(rng.uniform(0, 0.11)) * noise
    return image.clamp(LOWEST, HIGHEST)
