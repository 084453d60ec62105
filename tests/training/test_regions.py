"""The training of the wall's regions learns a rule of points and neighbors, repeats itself, and exports what it learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.risk.train.regions.fit import fit, loss_of  # noqa: E402
from aneuflow.risk.train.regions.network import Chances  # noqa: E402
from aneuflow.risk.train.regions.plan import KEY, RegionsPlan, read_plan  # noqa: E402
from aneuflow.risk.train.regions.to_onnx import write_onnx  # noqa: E402

CARD = {"classes": ["low_shear", "impingement"], "labels": "definitions"}
PLAN = RegionsPlan({}, CARD, epochs=40, least_steps=1, batch=2, weight_decay=0.01, simulated_share=0.0)


def made_case(seed: int, count: int = 96) -> dict[str, torch.Tensor]:
    """Points on a line: the first class where the first feature is high, the second where the second is at any neighbor."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 4)).astype(np.float32)
    near = (np.arange(count)[:, None] + np.arange(-1, 2)) % count
    classes = np.where(features[:, 0] > 0.8, 1, np.where(features[near, 1].max(axis=1) > 1.5, 2, 0))
    arrays = {"features": features, "near": near, "wide": near, "areas": np.ones(count), "classes": classes}
    return {name: torch.from_numpy(np.ascontiguousarray(values)) for name, values in arrays.items()}


@pytest.fixture(scope="module")
def cases() -> list[dict[str, torch.Tensor]]:
    torch.set_num_threads(1)
    return [made_case(seed) for seed in range(24)]


def test_it_learns_points_and_neighbors_and_repeats_itself(cases: list[dict[str, torch.Tensor]]) -> None:
    network, again = fit(PLAN, cases), fit(PLAN, cases)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))
    right = []
    for seed in range(100, 104):
        case = made_case(seed)
        with torch.no_grad():
            found = network(case["features"], case["near"], case["wide"]).argmax(dim=1)
        right.append(float((found == case["classes"]).float().mean()))
    assert np.mean(right) > 0.9


def test_the_loss_of_the_truth_is_nothing() -> None:
    wanted = torch.tensor([0, 1, 2, 2])
    sure = 40.0 * torch.nn.functional.one_hot(wanted, 3).float()
    assert float(loss_of(sure, wanted, torch.tensor([1.0, 2.0, 3.0, 4.0]))) == pytest.approx(0.0, abs=1e-5)
    assert float(loss_of(-sure, wanted, torch.ones(4))) > 10.0


def test_what_is_exported_says_the_same_of_any_number_of_points(cases: list[dict[str, torch.Tensor]], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    network = fit(RegionsPlan({}, CARD, epochs=1, least_steps=1), cases[:4])
    file = tmp_path / "regions.onnx"
    write_onnx(network, cases[0], file, CARD)
    assert {entry.key: entry.value for entry in onnx.load(str(file)).metadata_props}[KEY] == json.dumps(CARD, sort_keys=True)
    other = made_case(7, 61)
    given = {name: other[name].numpy() for name in ("features", "near", "wide")}
    (found,) = onnxruntime.InferenceSession(str(file)).run(["chances"], given)
    with torch.no_grad():
        expected = Chances(network)(other["features"], other["near"], other["wide"]).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)


def test_the_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = RegionsPlan({"regions": ["a", "b"]}, CARD, epochs=3)
    plan.write(tmp_path)
    assert read_plan(tmp_path) == plan and plan.classes == 3
