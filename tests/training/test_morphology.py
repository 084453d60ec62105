"""The network of the sac's measures is blind to turns, learns to mark a sac, goes on, and exports what it learned."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.morphology.learned.names import INPUTS, LEVELS, NEIGHBORS, OUTPUTS, POINTS  # noqa: E402
from aneuflow.morphology.learned.train.fit import batch_of, fit, loss_of  # noqa: E402
from aneuflow.morphology.learned.train.network import Listed, SacNetwork  # noqa: E402
from aneuflow.morphology.learned.train.plan import KEY, SacPlan  # noqa: E402
from aneuflow.morphology.learned.train.to_onnx import write_onnx  # noqa: E402

PLAN = SacPlan([], [1.0, 1.0], [], {"shapes": 2}, width=8, epochs=4, epoch_clouds=24, batch=2)


def nearest(places: np.ndarray, among: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    distance = np.linalg.norm(places[:, None] - among, axis=2)
    index = np.argsort(distance, axis=1)[:, :count]
    return index, np.take_along_axis(distance, index, axis=1)


def ball_on_a_plate(seed: int) -> dict[str, np.ndarray]:
    """Half of the points on a ball, which is the sac, half on a disc under it; both clouds alike."""
    rng, half = np.random.default_rng(seed), POINTS // 2
    normals = rng.normal(size=(half, 3))
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    disc = np.column_stack([rng.uniform(-3, 3, (half, 2)), np.full(half, -1.0)])
    order = rng.permutation(POINTS)
    points = np.concatenate([normals, disc])[order]
    outward = np.concatenate([normals, np.tile([0, 0, 1.0], (half, 1))])[order]
    made: dict[str, np.ndarray] = {"points": points, "normals": outward, "sac": order < half}
    made["features"] = np.column_stack([np.where(made["sac"], 0.0, 1.0), *rng.normal(size=(5, POINTS))])
    made["places"] = np.array([[0, 0, -1], [0, 0, 1], [0, 0, -1], [-2, 0, -1], [0, 0, -1], [2, 0, -1]], dtype=np.float64)
    for level, (fine, coarse) in enumerate(pairwise(LEVELS), start=1):
        made[f"near_{level}"] = nearest(points[:coarse], points[:fine], NEIGHBORS)[0]
        made[f"up_{level}"], distance = nearest(points[:fine], points[:coarse], 3)
        weight = 1 / (distance**2 + 1e-8)
        made[f"weight_{level}"] = weight / weight.sum(axis=1, keepdims=True)
    return {
        name: np.stack([values if values.dtype.kind in "bi" else values.astype(np.float32)] * 2)
        for name, values in made.items()
    }


@pytest.fixture(scope="module")
def shapes() -> list[dict[str, np.ndarray]]:
    torch.set_num_threads(1)
    return [ball_on_a_plate(seed) for seed in range(2)]


def test_a_turn_and_a_mirror_change_no_mark_and_turn_the_places(shapes: list[dict[str, np.ndarray]]) -> None:
    torch.manual_seed(1)
    network = SacNetwork(8).eval()
    clouds = batch_of(shapes, [0, 1])
    turn = torch.linalg.qr(torch.randn(3, 3))[0]
    turned = clouds | {name: clouds[name] @ turn for name in ("points", "normals")}
    with torch.no_grad():
        still, moved = network(clouds), network(turned)
    torch.testing.assert_close(moved["sac"], still["sac"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(moved["places"], still["places"] @ turn, atol=1e-4, rtol=1e-4)


def test_it_learns_to_mark_the_ball_and_goes_on_where_it_stopped(shapes: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    whole = fit(PLAN, shapes, shapes, tmp_path / "whole", lambda line: None)
    losses = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert losses[-1]["loss"] < losses[0]["loss"] and losses[-1]["dice"] > 0.9, losses[-1]
    # The rate falls over all epochs of a plan, so a training that is stopped is one whose epochs have not all run.
    with pytest.raises(InterruptedError):
        fit(PLAN, shapes, [], tmp_path / "parts", stopping_after(2))
    again = fit(PLAN, shapes, [], tmp_path / "parts", lambda line: None)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def stopping_after(epochs: int):  # type: ignore[no-untyped-def]
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        if len(told) == epochs:
            raise InterruptedError

    return tell


def test_the_loss_of_the_truth_is_small(shapes: list[dict[str, np.ndarray]]) -> None:
    clouds = batch_of(shapes, [0, 0])
    sure = 12.0 * (2.0 * clouds["sac"].float() - 1.0)
    right = {"first": sure, "sac": sure, "places": clouds["places"]}
    assert float(loss_of(right, clouds)) < 0.2
    assert float(loss_of(right | {"places": -clouds["places"]}, clouds)) > 1.0
    assert float(loss_of(right | {"sac": -sure}, clouds)) > 4.0
    unknown = clouds["places"].clone()
    unknown[:, 4:] = float("nan")
    assert torch.isfinite(loss_of(right, clouds | {"places": unknown}))


def test_what_is_exported_says_the_same(shapes: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    network = fit(replace(PLAN, epochs=1), shapes, [], tmp_path / "training", lambda line: None)
    file = tmp_path / "sac.onnx"
    write_onnx(network, shapes[0], file, PLAN.card)
    said = json.loads({entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}[KEY])
    assert said["shapes"] == 2 and said["weights"] == sum(each.numel() for each in network.parameters())
    given = {name: shapes[1][name][0] for name in INPUTS}
    found = onnxruntime.InferenceSession(str(file)).run(list(OUTPUTS), given)
    with torch.no_grad():
        expected = Listed(network)(*(torch.from_numpy(values) for values in given.values()))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)
