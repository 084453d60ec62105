"""The surrogate's training learns with and without a coarse flow, goes on where it stopped, and exports what it learned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.surrogate.points_input import INPUTS, OUTPUTS, assemble  # noqa: E402
from aneuflow.surrogate.train.fit import fit, read_cases, targets, tensors, validate, varied  # noqa: E402
from aneuflow.surrogate.train.loss import loss_of  # noqa: E402
from aneuflow.surrogate.train.network import PointNetwork  # noqa: E402
from aneuflow.surrogate.train.plan import TrainingPlan, read_plan  # noqa: E402
from tests.training.surrogate_tubes import prepared_tube  # noqa: E402

PLAN = TrainingPlan(widths=(16, 16, 16, 16), epochs=3, batch=2, learning_rate=5e-3, noise=0.0)


@pytest.fixture(scope="module")
def cases() -> list[dict[str, np.ndarray]]:
    torch.set_num_threads(1)
    return [prepared_tube(seed) for seed in range(10)]


def test_before_training_it_gives_what_is_to_be_corrected(cases: list[dict[str, np.ndarray]]) -> None:
    network = PointNetwork(PLAN.widths, 5).eval()
    with torch.no_grad():
        coarse, free = (network(tensors(assemble(cases[0], with_flow))) for with_flow in (True, False))
    np.testing.assert_allclose(coarse["shear"], cases[0]["coarse_shear_base"], atol=1e-6)
    np.testing.assert_allclose(coarse["numbers"], cases[0]["coarse_numbers_base"], rtol=1e-6)
    np.testing.assert_allclose(free["pressure"], cases[0]["pressure_base"], atol=1e-6)


def test_shear_is_tangential_and_nothing_slips(cases: list[dict[str, np.ndarray]]) -> None:
    network = PointNetwork(PLAN.widths, 5).eval()
    torch.nn.init.normal_(network.wall[-1].weight)
    torch.nn.init.normal_(network.lumen[-1].weight)
    case = {**cases[0], "no_slip": np.zeros_like(cases[0]["no_slip"])}
    with torch.no_grad():
        answer = network(tensors(assemble(case, False)))
    normal = torch.from_numpy(case["wall_vectors"][:, 1])
    assert float(answer["shear"].norm(dim=1).mean()) > 0.1
    assert float((answer["shear"] * normal).sum(dim=1).abs().max()) < 1e-5
    assert float(answer["velocity"].abs().max()) == 0.0


def test_the_loss_of_the_truth_is_nothing_in_any_frame(cases: list[dict[str, np.ndarray]]) -> None:
    wanted = targets(cases[0])
    assert float(loss_of(wanted, wanted)[0]) < 0.02
    for seed in range(4):
        given, turned = varied(cases[0], PLAN, np.random.default_rng(seed))
        normal, shear = given["wall"][:, 3:6], turned["shear"]
        assert float((normal * shear).sum(dim=1).abs().max()) < 1e-5
        np.testing.assert_allclose(shear.norm(dim=1), np.linalg.norm(cases[0]["shear"], axis=1), rtol=1e-5)


@pytest.mark.parametrize(("coarse", "left"), [(True, 0.5), (False, 0.3)])
def test_it_learns_with_and_without_a_coarse_flow(
    coarse: bool, left: float, cases: list[dict[str, np.ndarray]], tmp_path: Path
) -> None:
    plan = TrainingPlan(widths=(16, 16, 16, 16), epochs=20, patience=20, learning_rate=1e-2, noise=0.0, coarse=coarse)
    start = validate(PointNetwork(plan.widths, 5).eval(), cases[8:], coarse)
    network = fit(plan, cases[:8], cases[8:], tmp_path, lambda line: None)
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert validate(network, cases[8:], coarse) < left * start
    assert log[-1]["loss"] < 0.5 * log[0]["loss"]


def test_an_interrupted_training_ends_as_an_uninterrupted_one(cases: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    whole = fit(PLAN, cases[:4], cases[8:], tmp_path / "whole", lambda line: None)

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(PLAN, cases[:4], cases[8:], tmp_path / "parts", interrupt)
    parts = fit(PLAN, cases[:4], cases[8:], tmp_path / "parts", lambda line: None)
    for name, values in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], values, rtol=0, atol=0, msg=name)


def test_a_training_that_has_ended_stays_ended(cases: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    still = replace(PLAN, epochs=9, patience=2, learning_rate=0.0)
    fit(still, cases[:2], cases[8:], tmp_path, lambda line: None)
    lines = (tmp_path / "log.jsonl").read_text()
    assert len(lines.splitlines()) == 3
    fit(still, cases[:2], cases[8:], tmp_path, lambda line: None)
    assert (tmp_path / "log.jsonl").read_text() == lines


@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_what_torch_gives_at_any_number_of_points(cases: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    from aneuflow.surrogate.train.to_onnx import KEY, write_onnx

    network = PointNetwork(PLAN.widths, 5)
    network.set_scale([tensors(assemble(case, True)) for case in cases])
    torch.nn.init.normal_(network.wall[-1].weight)
    write_onnx(network, cases[0], tmp_path / "member.onnx", {"seed": 3})
    session = onnxruntime.InferenceSession(str(tmp_path / "member.onnx"), providers=["CPUExecutionProvider"])
    given = assemble(prepared_tube(99, 200, 60), True)
    with torch.no_grad():
        wanted = network.eval()(tensors(given))
    for name, found in zip(OUTPUTS, session.run(OUTPUTS, {name: given[name] for name in INPUTS}), strict=True):
        np.testing.assert_allclose(found, wanted[name], rtol=1e-3, atol=1e-4)
    about = session.get_modelmeta().custom_metadata_map
    assert about[KEY] == "1" and json.loads(about["card"])["seed"] == 3


def test_plans_and_cases_are_read_as_they_were_written(cases: list[dict[str, np.ndarray]], tmp_path: Path) -> None:
    PLAN.write(tmp_path)
    assert read_plan(tmp_path) == PLAN
    np.savez(tmp_path / "case.npz", **cases[0])
    read = read_cases([tmp_path / "case.npz"])[0]
    assert set(read) == set(cases[0]) and read["near_1"].dtype.kind == "i"
