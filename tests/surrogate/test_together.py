"""Heads tuned across sites, from sums made up here: what cannot be is refused, and intervals are those of the cases."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from aneuflow.errors import InputError, MethodError
from aneuflow.numerics.averaging import Ask, Question, Weights
from aneuflow.surrogate.calibrate import conformal_factors
from aneuflow.surrogate.train.plan import TuningPlan, read_tuning_plan
from aneuflow.surrogate.train.released import factor_of
from aneuflow.surrogate.train.site_answers import SurrogateSite, answer
from aneuflow.surrogate.train.together import BINS, EDGES, LONGEST_UPDATE, tune_together

PLAN = TuningPlan("made up", rounds=6, epochs=1, batch=1, learning_rate=0.1, seed=0)
START, GOAL = np.zeros((2, 3)), np.array([[0.4, 0.0, -0.2], [0.0, 0.3, 0.1]])
COUNTS = np.array([[30.0, 12.0], [9.0, 6.0], [8.0, 5.0]])
Spoil = Callable[[Question, Weights, int], Weights]


def half_way(spoil: Spoil = lambda question, sums, number: sums) -> Ask:
    """Three sites that all want to go half of the way to GOAL."""
    asked = 0

    def ask(question: Question) -> Weights:
        nonlocal asked
        asked += 1
        sums: Weights
        if question.kind == "cases":
            sums = [COUNTS.copy()]
        elif question.kind == "heads":
            candidate = np.array(json.loads(question.content)["candidate"])
            sums = [np.ones(1), (GOAL - candidate) / 2, np.array([0.0, 3.0])]
        else:
            scores, errors = np.zeros((2, 4, BINS)), np.zeros((2, 2, BINS))
            scores[..., 100], errors[..., 50] = COUNTS[2, 1], COUNTS[2, 0]
            sums = [scores, errors, np.array([0.0, 3.0])]
        return spoil(question, sums, asked)

    return ask


def test_the_rounds_of_the_plan_are_gone() -> None:
    found = tune_together(half_way(), PLAN, START)
    np.testing.assert_allclose(found.heads, GOAL * (1 - 0.5**PLAN.rounds), atol=1e-12)
    np.testing.assert_array_equal(found.cases, COUNTS)
    assert len(found.steps) == PLAN.rounds + 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda sums: [sums[0], sums[1] * np.nan, sums[2]], "no finite number"),
        (lambda sums: [sums[0], np.full_like(sums[1], LONGEST_UPDATE), sums[2]], "an update of length"),
        (lambda sums: [3.0 * sums[0], *sums[1:]], "a share of 3"),
        (lambda sums: [*sums[:2], np.array([1.0, 3.0])], "1 of 3 sites find it worse"),
    ],
)
def test_what_no_sites_can_send_or_one_votes_against_is_refused(change: Callable[[Weights], Weights], why: str) -> None:
    with pytest.raises(MethodError, match=why):
        tune_together(half_way(lambda question, sums, _: change(sums) if question.kind == "heads" else sums), PLAN, START)
    moment = half_way(lambda question, sums, number: change(sums) if (question.kind, number) == ("heads", 4) else sums)
    found = tune_together(moment, PLAN, START)
    assert sum("refused" in step for step in found.steps) == 1
    assert np.linalg.norm(found.heads - GOAL) < 0.1 * np.linalg.norm(GOAL)


def test_a_share_changes_only_where_a_site_leaves() -> None:
    def smaller(voters: float) -> Spoil:
        def spoil(question: Question, sums: Weights, number: int) -> Weights:
            if question.kind != "heads" or number < 4:
                return sums
            return [0.7 * sums[0], 0.7 * sums[1], np.array([0.0, voters])]

        return spoil

    assert not any("refused" in step for step in tune_together(half_way(smaller(2.0)), PLAN, START).steps)
    steps = tune_together(half_way(smaller(3.0)), PLAN, START).steps
    assert "from 1 to 0.7, though no site has left" in steps[2] and sum("refused" in step for step in steps) == 4


@pytest.mark.parametrize(
    ("kind", "change", "why"),
    [
        ("cases", lambda sums: [sums[0] + 0.4], "no whole number"),
        ("cases", lambda sums: [-sums[0]], "-30 cases of -12 patients"),
        ("scores", lambda sums: [-sums[0], *sums[1:]], "negative"),
        ("scores", lambda sums: [2.0 * sums[0], *sums[1:]], "10 patients with a score, of 5 held out"),
        ("scores", lambda sums: [sums[0], 2.0 * sums[1], sums[2]], "16 cases with an error, of 8 held out"),
        ("scores", lambda sums: [*sums[:2], np.array([1.0, 3.0])], "not released: 1 of 3 sites"),
    ],
)
def test_counts_that_cannot_be_are_refused(kind: str, change: Callable[[Weights], Weights], why: str) -> None:
    with pytest.raises(MethodError, match=why):
        tune_together(half_way(lambda question, sums, _: change(sums) if question.kind == kind else sums), PLAN, START)


def test_intervals_from_counts_are_those_of_the_cases() -> None:
    rng = np.random.default_rng(5)
    for patients in (4, 30):
        ids = np.repeat([f"p{number}" for number in range(patients)], 3)
        scores = rng.lognormal(0.0, 1.0, len(ids))
        wanted = conformal_factors([{"sac_mean": float(score)} for score in scores], list(ids))["sac_mean"]
        found = factor_of(np.histogram(scores, EDGES, weights=np.full(len(ids), 1 / 3))[0])
        assert (found["level"], found["patients"]) == (wanted["level"], wanted["patients"])
        assert 1.0 <= found["factor"] / wanted["factor"] < EDGES[101] / EDGES[100]


def test_a_question_that_is_not_known_and_a_site_that_is_too_small_get_no_answer() -> None:
    cases = {split: {f"{split}-{number}": {} for number in range(3)} for split in ("train", "validation", "test")}
    patients = {id: f"of {id[-1]}" for those in cases.values() for id in those}
    site = SurrogateSite(None, cases, patients, lambda told: [])  # type: ignore[arg-type]
    np.testing.assert_array_equal(answer(site, Question("cases", "{}", 1e6))[0], [[3, 3], [3, 3], [3, 3]])
    with pytest.raises(InputError, match="'fields', which no site gives"):
        answer(site, Question("fields", "{}", 1.0))
    small = SurrogateSite(None, {**cases, "validation": {}}, patients, lambda told: [])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="validation part has 0 cases with a sac"):
        answer(small, Question("cases", "{}", 1e6))


def test_the_plan_that_ships_is_one_and_what_is_none_is_refused(tmp_path: object) -> None:
    assert read_tuning_plan().rounds > 1 and len(read_tuning_plan().sha256) == 64
    with pytest.raises(InputError, match="give a TOML file"):
        read_tuning_plan(tmp_path / "none.toml")  # type: ignore[operator]
