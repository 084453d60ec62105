"""The surrogate's last layers tuned across sites: as good for each as tuned on all cases together, and rubbish is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make test-train")

from aneuflow.numerics.averaging import Weights, agreed_steps, impossible_update, mean_step, outvoted  # noqa: E402
from aneuflow.surrogate.points_input import assemble  # noqa: E402
from aneuflow.surrogate.train.fit import tensors, validate  # noqa: E402
from aneuflow.surrogate.train.head import LONGEST_UPDATE, head_of, head_sums, set_head, tuned_head  # noqa: E402
from aneuflow.surrogate.train.network import PointNetwork  # noqa: E402
from aneuflow.surrogate.train.plan import TrainingPlan  # noqa: E402
from tests.training.surrogate_tubes import prepared_tube  # noqa: E402

PLAN = TrainingPlan(widths=(16, 16, 16, 16), epochs=2, batch=2, learning_rate=0.005, noise=0.0)
ROUNDS = 5
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
    network = PointNetwork(PLAN.widths, 5)
    network.set_scale([tensors(assemble(case, True)) for case in sites[0][0]])
    return network


def tuned_across(
    sites: Sequence[Site], spoil: Callable[[Weights], Weights | None] = lambda sums: sums
) -> tuple[Weights, list[str]]:
    """The head that all sites agree on; `spoil` changes what the second one sends."""
    network = untrained(sites)
    total = sum(len(site[0]) for site in sites)

    def step(accepted: Weights, candidate: Weights) -> tuple[str, Weights]:
        sent = [head_sums(network, PLAN, site[0], site[1], accepted, candidate, total) for site in sites]
        changed = spoil(sent[1])
        sums = [sum(arrays) for arrays in zip(*[sent[0], sent[2], *([] if changed is None else [changed])], strict=True)]
        refused = impossible_update(sums[:-1], LONGEST_UPDATE) or outvoted(sums[-1])
        return refused, candidate if refused else mean_step(candidate, sums[:-1])

    return agreed_steps(step, head_of(network), ROUNDS + 1, 1e-4)


def off(sites: Sequence[Site], weights: Weights) -> np.ndarray:
    network = untrained(sites)
    set_head(network, weights)
    return np.array([validate(network.eval(), site[2], True) for site in sites])


def test_across_sites_it_is_as_good_as_on_all_cases_together(sites: list[Site]) -> None:
    start = off(sites, head_of(untrained(sites)))
    found, _ = tuned_across(sites)
    network = untrained(sites)
    pooled = head_of(network)
    for _ in range(ROUNDS):
        pooled = tuned_head(network, pooled, PLAN, [case for site in sites for case in site[0]])
    ours, theirs = off(sites, found), off(sites, pooled)
    assert (ours < 0.3 * start).all()
    assert (ours < theirs + 0.05 * start).all()


def test_the_features_stay_as_they_are(sites: list[Site]) -> None:
    network = untrained(sites)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    tuned_head(network, head_of(network), PLAN, sites[0][0])
    changed = {name for name, values in network.state_dict().items() if not torch.equal(values, before[name])}
    assert changed == {f"{layer}.{part}" for layer in ("wall.1", "lumen.1", "numbers") for part in ("weight", "bias")}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda sums: [array * np.nan for array in sums],
        lambda sums: [sums[0], *(1e6 * np.ones_like(array) for array in sums[1:-1]), sums[-1]],
        lambda sums: [sums[0], *(-30.0 * array for array in sums[1:-1]), sums[-1]],
    ],
)
def test_rubbish_does_not_make_it_worse_than_it_was(sites: list[Site], spoil: Callable[[Weights], Weights | None]) -> None:
    found, log = tuned_across(sites, spoil)
    assert any("refused" in line for line in log)
    assert (off(sites, found) < 1.05 * off(sites, head_of(untrained(sites)))).all()


def test_a_site_that_leaves_spoils_nothing(sites: list[Site]) -> None:
    found, _ = tuned_across(sites, lambda sums: None)
    assert (off(sites, found) < 0.8 * off(sites, head_of(untrained(sites)))).all()
