"""Looks at cases drawn from the law the model was trained on, and from others: how often either raises an alert."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from aneuflow.risk import monitor as rules
from aneuflow.risk.learned import Model, model_in, origin_in, shipped_model, shipped_origin
from aneuflow.risk.monitor import FALSE_ALARMS, Alert, SeenCase, monitor
from aneuflow.risk.origin import Origin, levels_kept, numbers_kept
from aneuflow.risk.train.origin import probabilities
from aneuflow.risk.train.table import Cohort, read_cohort, read_columns
from tests.conftest import shared_data
from tests.risk.made_models import made_rows, train_into, write_table

Known = tuple[Model, Origin]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Known:
    root = tmp_path_factory.mktemp("monitored")
    cohort = read_cohort(write_table(root / "table.csv", made_rows(2000, 1)))
    with pytest.MonkeyPatch.context() as patch:
        folder = train_into(root / "model", cohort, patch)
    return model_in(folder), origin_in(folder)


def seen(known: Known, cohort: Cohort) -> list[SeenCase]:
    """The rows of a cohort as cases that the model graded, one a day."""
    model = known[0]
    chance = probabilities(model.content, cohort)
    cases = []
    for row in range(len(cohort)):
        numbers = {name: f"{values[row]:.3g}" for name, values in cohort.numbers.items() if not np.isnan(values[row])}
        levels = {name: str(found[row]) for name, found in cohort.levels.items() if found[row] is not None}
        probability = None if np.isnan(chance[row]) else float(chance[row])
        day = date(2026, 1, 1) + timedelta(row)
        cases.append(SeenCase(day, model.content["id"], {**numbers, **levels}, probability, bool(cohort.ruptured[row])))
    return cases


@pytest.fixture(scope="module")
def draw(known: Known, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], list[SeenCase]]:
    path = tmp_path_factory.mktemp("drawn") / "table.csv"
    # A table needs some cases of either class: more are drawn than are taken.
    return lambda count, seed: seen(known, read_cohort(write_table(path, made_rows(count + 150, 1000 + seed))))[:count]


def alerts(known: Known, cases: Sequence[SeenCase]) -> set[tuple[str, str]]:
    return {(alert.kind, alert.of) for alert in monitor(*known, cases).alerts}


def test_without_a_change_a_look_seldom_gives_an_alert(known: Known, draw: Callable[[int, int], list[SeenCase]]) -> None:
    for count in (60, 250):
        false = sum(bool(alerts(known, draw(count, seed))) for seed in range(200))
        # Of 200 looks at 5 % each, 18 or more would be rarer than one time in thirty.
        assert false / 200 <= FALSE_ALARMS + 0.035, count


def _larger(case: SeenCase) -> SeenCase:
    return replace(case, answers={**case.answers, "size_mm": f"{1.35 * float(case.answers['size_mm']):.3g}"})


def _elsewhere(case: SeenCase) -> SeenCase:
    moved = case.answers["site"] == "mca" and case.day is not None and case.day.day % 2 == 0
    return replace(case, answers={**case.answers, "site": "ica" if moved else case.answers["site"]})


def _unasked(case: SeenCase) -> SeenCase:
    return replace(case, answers={name: value for name, value in case.answers.items() if name != "sex"})


def _never(case: SeenCase) -> SeenCase:
    # A screened population: ruptured ones come to another hospital.
    return replace(case, ruptured=case.ruptured and case.day is not None and case.day.day % 3 == 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_larger, ("distribution", "size_mm")), (_elsewhere, ("distribution", "site")), (_unasked, ("unknown", "sex")),
        (_never, ("calibration", "resemblance")),
    ],
)  # fmt: skip
def test_a_change_is_caught_and_named(
    known: Known, draw: Callable[[int, int], list[SeenCase]], change: Callable[[SeenCase], SeenCase], expected: tuple[str, str]
) -> None:
    found = [alerts(known, [change(case) for case in draw(200, seed)]) for seed in range(20)]
    assert sum(expected in each for each in found) >= 18
    others = [each - {expected, ("distribution", "resemblance")} for each in found]
    assert sum(bool(each) for each in others) <= 3


def test_few_cases_say_nothing_and_undated_ones_count(known: Known, draw: Callable[[int, int], list[SeenCase]]) -> None:
    look = monitor(*known, [])
    assert look.graded == 0 and look.alerts == () and look.quarters == () and look.recent.brier is None
    few = [replace(_larger(_unasked(case)), day=None) for case in draw(15, 0)]
    look = monitor(*known, few)
    assert look.graded == 15 and look.alerts == () and all(drift.p is None for drift in look.drifts)
    assert look.recent.cases > 5 and look.recent.slope is None


def test_the_newest_cases_are_tested_and_all_quarters_are_told(
    known: Known, draw: Callable[[int, int], list[SeenCase]]
) -> None:
    cases = draw(800, 3)
    old = [_larger(case) if case.day is not None and case.day < date(2027, 8, 1) else case for case in cases]
    look = monitor(*known, old)
    assert look.graded == 200 and Alert("distribution", "size_mm") not in look.alerts
    assert [quarter.graded for quarter in look.quarters] == [90, 91, 92, 92, 90, 91, 92, 92, 70]
    assert look.quarters[0].first == date(2026, 1, 1) and look.quarters[0].last == date(2026, 3, 31)
    seldom = [replace(case, day=date(2026, 1, 1) + timedelta(7 * row)) for row, case in enumerate(cases[:100])]
    assert monitor(*known, seldom).graded == 53
    expected = [case for case in cases[:90] if case.probability is not None]
    assert look.quarters[0].observed == sum(bool(case.ruptured) for case in expected)
    assert look.quarters[0].expected == pytest.approx(sum(case.probability or 0.0 for case in expected))


def test_other_models_outputs_are_left_out_and_their_inputs_are_not(
    known: Known, draw: Callable[[int, int], list[SeenCase]]
) -> None:
    cases = [replace(case, model="another") for case in draw(100, 4)] + draw(50, 5)
    look = monitor(*known, cases)
    assert (look.graded, look.other_models, look.recent.graded) == (150, 100, 50)
    drifts = {drift.of: drift for drift in look.drifts}
    assert drifts["size_mm"].cases == 150 and drifts["resemblance"].cases <= 50


def test_an_alias_is_its_level_and_a_new_level_is_counted() -> None:
    look = monitor(shipped_model(), shipped_origin(), [SeenCase(None, "x", {"site": "basilar_tip"}, None, None)] * 30)
    site = next(drift for drift in look.drifts if drift.of == "site")
    assert site.cases == 30 and site.unknown == 0.0 and site.index is not None and site.index > 1
    kept, now, unknown = levels_kept(["a", "b", "b", None]).count(["b", "c", None, None])
    assert kept.tolist() == [1, 2, 0] and now.tolist() == [0, 1, 1] and unknown == 2


def test_bins_hold_like_shares_as_far_as_ties_allow() -> None:
    values = np.append(np.random.default_rng(0).normal(size=1000), [np.nan] * 7)
    kept = numbers_kept(values)
    assert kept.unknown == 7 and set(kept.counts) == {50} and kept.count(values)[1].tolist() == [50.0] * 20
    tied = numbers_kept(np.repeat([1.0, 2.0, 3.0], 40))
    assert sum(tied.counts) == 120 and len(tied.counts) == len(tied.edges) + 1 < 6


def test_the_shipped_models_own_table_has_not_drifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RECENT_CASES", 2000)
    cohort = read_cohort(shared_data("clinical/bnaiar_adb_raw.csv"), read_columns("bnaiar"))
    known = shipped_model(), shipped_origin()
    look = monitor(*known, [replace(case, day=None) for case in seen(known, cohort)])
    assert all(drift.index is not None and drift.index < 0.001 for drift in look.drifts)
    # Of those with all answers, 248 had ruptured where the model expects 274: one in 64 by chance alone, and one of 17 checks.
    assert look.recent.observed == 248 and look.recent.expected == pytest.approx(274, abs=1) and look.alerts == ()
