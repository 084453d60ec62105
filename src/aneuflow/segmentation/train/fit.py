"""The training itself: steps over random patches, a moving mean of the weights, validation, checkpoints, an early end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from aneuflow.segmentation.train.loss import loss_of, target_of
from aneuflow.segmentation.train.network import ResidualUNet
from aneuflow.segmentation.train.patches import Patch, fixed_patches, random_patch
from aneuflow.segmentation.train.plan import TrainingPlan

CHECKPOINT, LOG = "checkpoint.pt", "log.jsonl"
_LONGEST_MEAN = 0.998
_MOST_VALIDATION = 24
_LARGEST_STEP = 5.0


@dataclass
class State:
    """All that a training needs to go on: also what a checkpoint holds."""

    network: ResidualUNet
    mean: ResidualUNet
    optimizer: torch.optim.Optimizer
    step: int = 0
    best: float = -1.0
    best_epoch: int = 0


def fit(
    plan: TrainingPlan,
    training: Sequence[Path],
    validation: Sequence[Path],
    folder: Path,
    tell: Callable[[str], None] = print,
) -> ResidualUNet:
    """The network trained on prepared files; goes on from the checkpoint in `folder` where there is one.

    Gives the moving mean of the weights with the best validation score, also kept in folder/best.pt. Without validation
    files it is that of the last epoch.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(parents=True, exist_ok=True)
    state = _state(plan, folder / CHECKPOINT, device)
    checks = [patch for file in validation for patch in fixed_patches(file, plan)][:_MOST_VALIDATION]
    while state.step < plan.epochs * plan.epoch_steps:
        start = time.monotonic()
        loss = _epoch(plan, state, training, device)
        epoch = state.step // plan.epoch_steps
        dice = validate(state.mean, checks, plan, device)
        score = dice["lumen"] + 0.5 * dice["aneurysm"]
        if score > state.best or not checks:
            state.best, state.best_epoch = score, epoch
            _save(state.mean.state_dict(), folder / "best.pt")
        _save(_content(state), folder / CHECKPOINT)
        record = {"epoch": epoch, "loss": loss, **dice, "seconds": time.monotonic() - start}
        with (folder / LOG).open("a") as log:
            log.write(json.dumps(record) + "\n")
        tell(" ".join(f"{name} {value:.4g}" for name, value in record.items()))
        if epoch - state.best_epoch >= plan.patience:
            break
    state.mean.load_state_dict(torch.load(folder / "best.pt", map_location=device, weights_only=True))
    return state.mean


def _state(plan: TrainingPlan, checkpoint: Path, device: torch.device) -> State:
    torch.manual_seed(plan.seed)
    network = ResidualUNet(plan.widths, len(plan.classes), plan.leveled).to(device)
    mean = ResidualUNet(plan.widths, len(plan.classes), plan.leveled).to(device)
    mean.load_state_dict(network.state_dict())
    state = State(network, mean.eval(), torch.optim.AdamW(network.parameters(), plan.learning_rate, weight_decay=1e-4))
    if checkpoint.exists():
        content = torch.load(checkpoint, map_location=device, weights_only=True)
        for part in ("network", "mean", "optimizer"):
            getattr(state, part).load_state_dict(content[part])
        state.step, state.best, state.best_epoch = content["step"], content["best"], content["best_epoch"]
    return state


def _content(state: State) -> dict[str, object]:
    parts = {name: getattr(state, name).state_dict() for name in ("network", "mean", "optimizer")}
    return {**parts, "step": state.step, "best": state.best, "best_epoch": state.best_epoch}


def _save(content: object, file: Path) -> None:
    torch.save(content, file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)


def _epoch(plan: TrainingPlan, state: State, files: Sequence[Path], device: torch.device) -> float:
    """plan.epoch_steps steps; gives their mean loss."""
    network, total = state.network.train(), 0.0
    for _ in range(plan.epoch_steps):
        # Seeded by the step, so that a resumed training sees what an uninterrupted one would.
        rng = np.random.default_rng([plan.seed, state.step])
        rate = plan.learning_rate * max(1 - state.step / (plan.epochs * plan.epoch_steps), 0.01) ** 0.9
        for group in state.optimizer.param_groups:
            group["lr"] = rate * min(1.0, (state.step + 1) / 50)
        chosen = [files[int(rng.integers(len(files)))] for _ in range(plan.batch)]
        image, target = batch_of([random_patch(file, plan, rng) for file in chosen], plan, device)
        with torch.autocast(device.type, torch.bfloat16, enabled=_halves(device)):
            logits = network(image)
        loss = loss_of([level.float() for level in logits], target)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _LARGEST_STEP)
        state.optimizer.step()
        state.step += 1
        _follow(state)
        total += float(loss.detach())
    return total / plan.epoch_steps


def _halves(device: torch.device) -> bool:
    """Whether the device computes in 16 bits; there a step takes two thirds of the time."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    able: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def _follow(state: State) -> None:
    """The moving mean over the last tenth of the steps or so, at most 500."""
    keep = min(_LONGEST_MEAN, 1 - 10 / (state.step + 10))
    with torch.no_grad():
        for slow, fast in zip(state.mean.parameters(), state.network.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)


def batch_of(patches: Sequence[Patch], plan: TrainingPlan, device: torch.device) -> tuple[Tensor, Tensor]:
    """Images (n, 1, x, y, z) and what fills their voxels (n, classes, x, y, z)."""
    image = torch.stack([patch.image for patch in patches])
    labels, share = torch.stack([patch.labels for patch in patches]), torch.stack([patch.share for patch in patches])
    return image.to(device), target_of(labels.to(device), share.to(device), len(plan.classes))


def validate(network: ResidualUNet, patches: Sequence[Patch], plan: TrainingPlan, device: torch.device) -> dict[str, float]:
    """Dice over all patches together, of the lumen (artery or aneurysm) and of the aneurysms."""
    counts = np.zeros((2, 3))
    for patch in patches:
        with torch.no_grad():
            found = network(patch.image[None].to(device)).argmax(dim=1)[0].cpu()
        for row, classes in enumerate(((1, 2), (2,))):
            given = torch.isin(found, torch.tensor(classes))
            wanted = torch.isin(patch.labels, torch.tensor(classes))
            counts[row] += [int((given & wanted).sum()), int(given.sum()), int(wanted.sum())]
    dice = 2 * counts[:, 0] / np.maximum(counts[:, 1] + counts[:, 2], 1)
    return {"lumen": float(dice[0]), "aneurysm": float(dice[1])}
