"""The surrogate's last layers tuned across sites: as good for each as tuned on all cases together, and rubbish is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.errors import MethodError  # noqa: E402
from aneuflow.numerics.averaging import Question, Weights  # noqa: E402
from aneuflow.surrogate.points_input import assemble  # noqa: E402
from aneuflow.surrogate.train.fit import tensors, validate  # noqa: E402
from aneuflow.surrogate.train.from_onnx import network_of  # noqa: E402
from aneuflow.surrogate.train.head import head_of, head_sums, set_head, tuned_head  # noqa: E402
from aneuflow.surrogate.train.network import PointNetwork  # noqa: E402
from aneuflow.surrogate.train.onnx_heads import heads_in, with_head  # noqa: E402
from aneuflow.surrogate.train.plan import TuningPlan, read_tuning_plan  # noqa: E402
from aneuflow.surrogate.train.to_onnx import write_onnx  # noqa: E402
from aneuflow.surrogate.train.together import BINS, tune_together  # noqa: E402
from tests.training.surrogate_tubes import prepared_tube  # noqa: E402

WIDTHS = (16, 16, 16, 16)
PLAN = TuningPlan("tubes", rounds=5, epochs=2, batch=2, learning_rate=0.005, seed=0)
TRAINING = PLAN.training(coarse=True)
Case = dict[str, np.ndarray]
Site = tuple[list[Case], list[Case], list[Case]]


@pytest.fixture(scope="module")
def sites() -> list[Site]:
    """Three sites with 5, 3 and 2 cases to train on, 2 locked and 2 held out each."""
    torch.set_num_threads(1)
    cases = iter([prepared_tube(seed) for seed in range(22)])
    return [tuple([next(cases) for _ in range(count)] for count in (size, 2, 2)) for size in (5, 3, 2)]  # type: ignore[misc]


def untrained(sites: Sequence[Site]) -> PointNetwork:
    torch.manual_seed(3)
    network = PointNetwork(WIDTHS, 5)
    network.set_scale([tensors(assemble(case, True)) for case in sites[0][0]])
    return network


def tuned_across(
    sites: Sequence[Site], spoil: Callable[[Weights], Weights | None] = lambda sums: sums
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The head that all sites agree on; `spoil` changes what the second one sends, clipped on the way."""
    network = untrained(sites)

    def ask(question: Question) -> Weights:
        if question.kind == "cases":
            return [np.array([[sum(len(site[part]) for site in sites)] * 2 for part in range(3)], dtype=float)]
        if question.kind == "scores":
            held_out = sum(len(site[2]) for site in sites)
            return [np.zeros((2, 4, BINS)), held_out * np.eye(1, BINS) * np.ones((2, 2, 1)), np.array([0.0, 3.0])]
        told = json.loads(question.content)
        heads = [np.array(told[name]) for name in ("accepted", "candidate")]
        sent = [head_sums([(network, TRAINING)], site[0], site[1], *heads, told["cases"]) for site in sites]
        changed = spoil(sent[1])
        kept = [sent[0], sent[2], *([] if changed is None else [changed])]
        clipped = [[np.clip(array, -question.bound, question.bound) for array in sums] for sums in kept]
        return [np.sum(arrays, axis=0) for arrays in zip(*clipped, strict=True)]

    found = tune_together(ask, PLAN, head_of(network)[None])
    return found.heads[0], found.steps


def off(sites: Sequence[Site], weights: np.ndarray) -> np.ndarray:
    network = untrained(sites)
    set_head(network, weights)
    return np.array([validate(network.eval(), site[2], True) for site in sites])


def test_across_sites_it_is_as_good_as_on_all_cases_together(sites: list[Site]) -> None:
    start = off(sites, head_of(untrained(sites)))
    found, _ = tuned_across(sites)
    network = untrained(sites)
    pooled = head_of(network)
    for _ in range(PLAN.rounds):
        pooled = tuned_head(network, pooled, TRAINING, [case for site in sites for case in site[0]])
    ours, theirs = off(sites, found), off(sites, pooled)
    assert (ours < 0.3 * start).all()
    assert (ours < theirs + 0.05 * start).all()


def test_the_features_stay_as_they_are(sites: list[Site]) -> None:
    network = untrained(sites)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    tuned_head(network, head_of(network), TRAINING, sites[0][0])
    changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert changed == {f"{layer}.{part}" for layer in ("wall.1", "lumen.1", "numbers") for part in ("weight", "bias")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sums: [array * np.nan for array in sums],
        lambda sums: [sums[0], 1e6 * np.ones_like(sums[1]), sums[-1]],
        lambda sums: [sums[0], -30.0 * sums[1], sums[-1]],
    ],
)
def test_rubbish_does_not_make_it_worse_than_it_was(sites: list[Site], spoil: Callable[[Weights], Weights | None]) -> None:
    try:
        found, log = tuned_across(sites, spoil)
    except MethodError as error:
        assert "No head was accepted" in str(error)
    else:
        assert any("refused" in line for line in log)
        assert (off(sites, found) < 1.05 * off(sites, head_of(untrained(sites)))).all()


def test_a_site_that_leaves_spoils_nothing(sites: list[Site]) -> None:
    found, _ = tuned_across(sites, lambda sums: None)
    assert (off(sites, found) < 0.8 * off(sites, head_of(untrained(sites)))).all()


def test_a_head_is_read_from_a_file_and_replaced_in_it(sites: list[Site], tmp_path: Path) -> None:
    """The network of the file says what that in memory does, before and after, and so does the file by another program."""
    import onnxruntime

    network, case = untrained(sites), sites[0][0][0]
    rng = np.random.default_rng(1)
    set_head(network, rng.normal(0.0, 0.1, len(head_of(network))))
    write_onnx(network, case, tmp_path / "coarse-0.onnx", {})
    np.testing.assert_array_equal(heads_in(tmp_path)[0], head_of(network))
    other = rng.normal(0.0, 0.1, len(head_of(network)))
    (tmp_path / "coarse-0.onnx").write_bytes(with_head(tmp_path / "coarse-0.onnx", other))
    set_head(network, other)
    given = assemble(sites[1][0][0], True)
    wanted = network.eval()(tensors(given))
    again = network_of(tmp_path / "coarse-0.onnx")(tensors(given))
    session = onnxruntime.InferenceSession(str(tmp_path / "coarse-0.onnx"), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_outputs()]
    ran = dict(zip(names, session.run(names, {entry.name: given[entry.name] for entry in session.get_inputs()}), strict=True))
    for name in ("shear", "pressure", "velocity", "numbers"):
        torch.testing.assert_close(again[name], wanted[name], atol=1e-6, rtol=0)
        np.testing.assert_allclose(ran[name], wanted[name].detach().numpy(), atol=1e-3)


def test_the_plan_that_ships_can_be_read() -> None:
    plan = read_tuning_plan()
    assert plan.rounds >= 1 and plan.training(False).epochs == plan.epochs and not plan.training(False).coarse
