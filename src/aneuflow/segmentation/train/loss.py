"""Cross entropy and Dice against what fills each voxel, so that the network's lumen is a share of the voxel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

_ARTERY, _ANEURYSM = 1, 2
# Voxels at and in vessels, and at and in aneurysms, count this much more: on both sides of the wall, so that it stays in place.
_NEAR_LUMEN, _NEAR_ANEURYSM = 4.0, 4.0
_COARSER = 0.5


def target_of(labels: Tensor, share: Tensor, classes: int) -> Tensor:
    """What fills each voxel, (n, classes, x, y, z), summing to 1: labels (n, x, y, z) int64, share (n, x, y, z) of lumen."""
    sac = functional.max_pool3d((labels == _ANEURYSM).float()[:, None], 3, 1, 1)[:, 0]
    is_lumen = (labels == _ARTERY) | (labels == _ANEURYSM)
    target = functional.one_hot(torch.where(is_lumen, 0, labels), classes).movedim(-1, 1).float() * (1 - share[:, None])
    in_sac = torch.where(is_lumen, (labels == _ANEURYSM).float(), sac)
    target[:, _ARTERY] = share * (1 - in_sac)
    target[:, _ANEURYSM] = share * in_sac
    return target


def loss_of(logits: Sequence[Tensor], target: Tensor) -> Tensor:
    """The sum over the levels, each coarser one half as heavy; the target of a coarser level is the mean over its voxels."""
    total, weight = torch.zeros((), device=target.device), 1.0
    for level in logits:
        total = total + weight * _level_loss(level, target)
        target, weight = functional.avg_pool3d(target, 2), weight * _COARSER
    return total


def _level_loss(logits: Tensor, target: Tensor) -> Tensor:
    near = functional.max_pool3d(torch.stack([target[:, 1] + target[:, 2], target[:, 2]], dim=1), 3, 1, 1) > 0.05
    weight = 1 + _NEAR_LUMEN * near[:, 0] + _NEAR_ANEURYSM * near[:, 1]
    entropy = -(target * functional.log_softmax(logits, dim=1)).sum(dim=1)
    probability = logits.softmax(dim=1)
    lumen = _dice(probability[:, 1] + probability[:, 2], target[:, 1] + target[:, 2])
    aneurysm = _dice(probability[:, 2], target[:, 2])
    return (weight * entropy).sum() / weight.sum() + (1 - lumen) + 0.5 * (1 - aneurysm)


def _dice(given: Tensor, wanted: Tensor) -> Tensor:
    """Soft Dice over the whole batch; 1 where neither holds anything."""
    return (2 * (given * wanted).sum() + 1) / ((given**2).sum() + (wanted**2).sum() + 1)
