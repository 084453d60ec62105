"""The segmenter's training learns, goes on after an interruption as if there had been none, and exports what it learned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.segmentation.train.fit import fit  # noqa: E402
from aneuflow.segmentation.train.loss import loss_of, target_of  # noqa: E402
from aneuflow.segmentation.train.network import ResidualUNet  # noqa: E402
from aneuflow.segmentation.train.patches import random_patch  # noqa: E402
from aneuflow.segmentation.train.plan import TrainingPlan, read_plan  # noqa: E402

PLAN = TrainingPlan(
    patch=16,
    classes=("background", "artery", "aneurysm", "bone"),
    widths=(4, 8, 16),
    batch=2,
    epoch_steps=20,
    epochs=4,
    learning_rate=1e-2,
    coarse_share=0.1,
)


def prepared(folder: Path, seed: int) -> Path:
    """A tube along x with a ball at its side, and a plate of bone, in noise: a file as `aneuflow train segmenter` writes it."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices((40, 40, 40)).astype(float)
    a, b = rng.uniform(14, 26, 2)
    tube = np.hypot(y - a, z - b) - 3.0
    ball = np.sqrt((x - 20) ** 2 + (y - a - 6) ** 2 + (z - b) ** 2) - 5.0
    share = np.clip(0.5 - np.minimum(tube, ball), 0, 1)
    labels = np.zeros((40, 40, 40), np.uint8)
    labels[:, :, 34:37] = 3
    labels[share > 0.5] = 1
    labels[(share > 0.5) & (ball < tube)] = 2
    image = 2 * share + 1.5 * ((labels == 3) & (share < 0.5)) + rng.normal(0, 0.1, share.shape)
    file = folder / f"{seed}.npz"
    np.savez(file, image=image.astype(np.float16), labels=labels, share=np.round(255 * share).astype(np.uint8))
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("prepared")
    return [prepared(folder, seed) for seed in range(4)]


def test_full_half_and_quarter_resolution_are_supervised() -> None:
    network = ResidualUNet((4, 8, 16, 24), 5)
    image = torch.zeros(2, 1, 16, 24, 32)
    assert [tuple(level.shape[2:]) for level in network.train()(image)] == [(16, 24, 32), (8, 12, 16), (4, 6, 8)]
    assert tuple(network.eval()(image).shape) == (2, 5, 16, 24, 32)


def test_only_a_leveled_network_sees_how_bright_a_patch_is() -> None:
    image = torch.from_numpy(np.random.default_rng(0).random((1, 1, 16, 16, 16)).astype(np.float32))
    with torch.no_grad():
        for leveled in (True, False):
            network = ResidualUNet(PLAN.widths, 5, leveled).eval()
            assert torch.allclose(network(0.5 * image), network(image), atol=1e-3) is not leveled


def test_what_fills_a_voxel_sums_to_one_and_lumen_is_its_share() -> None:
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(0, 5, (2, 8, 8, 8)))
    share = torch.from_numpy(rng.random((2, 8, 8, 8)).astype(np.float32))
    target = target_of(labels, share, 5)
    torch.testing.assert_close(target.sum(dim=1), torch.ones(2, 8, 8, 8))
    torch.testing.assert_close(target[:, 1] + target[:, 2], share)
    assert float(target[:, 2][labels == 2].min()) > 0 and float(target[:, 3][labels == 3].max()) > 0


def test_the_wall_is_not_pulled_out_by_the_weight_of_the_lumen() -> None:
    share = torch.zeros(1, 16, 16, 16)
    share[:, :, :, 6:10] = 1
    share[:, :, :, 5] = share[:, :, :, 10] = 0.4
    target = target_of((share > 0.5).long(), share, 3)

    def loss(wall: float) -> float:
        given = target.clone()
        given[:, 1, :, :, 5] = given[:, 1, :, :, 10] = wall
        given[:, 0] = 1 - given[:, 1]
        return float(loss_of([given.clamp(min=1e-4).log()], target))

    assert loss(0.4) < loss(0.3) and loss(0.4) < loss(0.5)


def test_a_patch_keeps_label_and_share_together(files: list[Path]) -> None:
    for seed in range(8):
        patch = random_patch(files[0], PLAN, np.random.default_rng(seed))
        lumen = (patch.labels == 1) | (patch.labels == 2)
        assert patch.image.shape == (1, 16, 16, 16) and patch.labels.shape == patch.share.shape == (16, 16, 16)
        assert not bool(lumen.any()) or float(patch.share[lumen].mean()) > 0.6
        assert float(patch.share[~lumen].mean()) < 0.15


def test_it_learns_tells_the_best_epoch_and_ends_early(files: list[Path], tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=30, patience=3)
    fit(plan, files[:3], files[3:], tmp_path, lambda line: None)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(entry["lumen"] for entry in log) > 0.85
    best = max(range(len(log)), key=lambda k: log[k]["lumen"] + 0.5 * log[k]["aneurysm"])
    assert len(log) == 30 or len(log) - 1 - best == 3
    assert log[-1]["loss"] < 0.6 * log[0]["loss"]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(files: list[Path], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = fit(PLAN, files[:3], files[3:], tmp_path / "whole", lambda line: None)

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(PLAN, files[:3], files[3:], tmp_path / "parts", interrupt)
    parts = fit(PLAN, files[:3], files[3:], tmp_path / "parts", lambda line: None)
    for name, values in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], values, rtol=0, atol=0, msg=name)


@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_what_torch_gives_at_any_size(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from aneuflow.segmentation.train.to_onnx import files_hash, write_onnx

    for name, content in (("a", b"one"), ("b", b"two")):
        (tmp_path / f"{name}.npz").write_bytes(content)
    files = [tmp_path / "b.npz", tmp_path / "a.npz"]
    lines = "\n".join(f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in (("a", b"one"), ("b", b"two")))
    assert files_hash(files) == files_hash(files[::-1]) == hashlib.sha256(lines.encode()).hexdigest() != files_hash(files[:1])
    for leveled in (True, False):
        network, plan = ResidualUNet(PLAN.widths, 4, leveled), replace(PLAN, is_ct=True if leveled else None)
        write_onnx(network, plan, tmp_path / "model.onnx", "tiny", files_hash(files))
        session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
        image = np.random.default_rng(0).standard_normal((1, 1, 24, 32, 16)).astype(np.float32)
        with torch.no_grad():
            wanted = network.eval()(torch.from_numpy(image)).softmax(dim=1).numpy()
        np.testing.assert_allclose(session.run(None, {"image": image})[0], wanted, atol=1e-5)
        assert json.loads(session.get_modelmeta().custom_metadata_map["plan"])["leveled"] == leveled
    about = session.get_modelmeta().custom_metadata_map
    assert about["aneuflow-segmenter"] == "1" and json.loads(about["plan"])["multiple"] == 4
    assert json.loads(about["plan"])["training_sha256"] == files_hash(files)


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    PLAN.write(tmp_path)
    assert read_plan(tmp_path) == PLAN
