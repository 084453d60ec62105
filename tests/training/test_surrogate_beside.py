"""The networks that the surrogate's own is held against learn as it does, and a channel that is left out says nothing."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")
pytest.importorskip("torch_geometric", reason="the point transformer is made of its layers: make test-train")

from aneuflow.surrogate.points_input import assemble  # noqa: E402
from aneuflow.surrogate.train import __main__ as command  # noqa: E402
from aneuflow.surrogate.train.beside import network_of_plan  # noqa: E402
from aneuflow.surrogate.train.fit import fit, tensors, validate  # noqa: E402
from aneuflow.surrogate.train.plan import BESIDE, TrainingPlan  # noqa: E402
from tests.training.surrogate_tubes import prepared_tube  # noqa: E402

Cases = list[dict[str, np.ndarray]]
PLAN = TrainingPlan(widths=(16, 16, 16, 16), epochs=20, patience=20, learning_rate=1e-2, noise=0.0)


@pytest.fixture(scope="module")
def cases() -> Cases:
    torch.set_num_threads(1)
    return [prepared_tube(seed) for seed in range(10)]


@pytest.mark.parametrize("name", BESIDE)
def test_before_training_each_gives_what_is_to_be_corrected(name: str, cases: Cases) -> None:
    network = network_of_plan(PLAN.beside(name), 5).eval()
    with torch.no_grad():
        answer = network(tensors(assemble(cases[0], True)))
    np.testing.assert_allclose(answer["shear"], cases[0]["coarse_shear_base"], atol=1e-6)
    np.testing.assert_allclose(answer["velocity"], cases[0]["coarse_velocity_base"] * cases[0]["no_slip"][:, None], atol=1e-6)


@pytest.mark.parametrize("name", ["deeponet", "transformer"])
def test_other_networks_learn_on_the_same_cases(name: str, cases: Cases, tmp_path: Path) -> None:
    plan = PLAN.beside(name)
    start = validate(network_of_plan(plan, 5).eval(), cases[8:], True)
    assert validate(fit(plan, cases[:8], cases[8:], tmp_path, lambda line: None), cases[8:], True) < 0.5 * start


@pytest.mark.parametrize(("without", "columns"), [("place", [0, 3, 8]), ("shape", [15, 17, 19])])
def test_a_channel_that_is_left_out_changes_nothing(without: str, columns: list[int], cases: Cases) -> None:
    torch.manual_seed(0)
    network = network_of_plan(dataclasses.replace(PLAN, without=without), 5).eval()
    torch.nn.init.normal_(network.wall[-1].weight)
    given = tensors(assemble(cases[0], True))
    changed = {**given, "wall": given["wall"].clone()}
    changed["wall"][:, columns] += 0.3
    if without == "shape":
        changed["scalars"] = given["scalars"] + 0.7
    with torch.no_grad():
        before, after, whole = network(given)["pressure"], network(changed)["pressure"], PointWhole(network)(changed)
    assert torch.equal(before, after)
    assert not torch.allclose(before, whole["pressure"], atol=1e-4)


class PointWhole:
    """The same weights with all channels."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network_of_plan(PLAN, 5).eval()
        self.network.load_state_dict(network.state_dict())

    def __call__(self, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.network(given)


def test_the_command_writes_its_answers_for_the_other_patients(
    cases: Cases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataclasses.replace(PLAN, epochs=4).write(tmp_path)
    for part, chosen in {"train": cases[:3], "validation": cases[3:4], "test": cases[4:6]}.items():
        (tmp_path / "prepared" / part).mkdir(parents=True)
        for number, case in enumerate(chosen):
            np.savez(tmp_path / "prepared" / part / f"{part}-{number}.npz", **case)
    monkeypatch.setattr(sys, "argv", ["train", str(tmp_path), "--kind", "coarse", "--beside", "deeponet"])
    command.main()
    with np.load(tmp_path / "beside-coarse-deeponet.npz") as answers:
        assert {name.split("/")[0] for name in answers.files} == {"weights", "validation-0", "test-0", "test-1"}
        assert answers["test-1/shear"].shape == cases[5]["shear"].shape
        assert np.isfinite(answers["test-1/numbers"]).all()
