"""Training across sites: sums give the pooled fit, no answer holds a row, and rubbish or a site that leaves spoils nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from aneuflow.errors import InputError, MethodError
from aneuflow.numerics.averaging import Ask, Question, outvoted
from aneuflow.numerics.classification import auc
from aneuflow.risk.clinical import Number
from aneuflow.risk.learned import model_in, origin_in, read_model, resemblance
from aneuflow.risk.train.models import design, fit_additive
from aneuflow.risk.train.origin import overlap, probabilities
from aneuflow.risk.train.released import performance_of, released
from aneuflow.risk.train.site_answers import answer
from aneuflow.risk.train.sums import (
    BINS,
    SiteParts,
    StudyPlan,
    Sums,
    bounded,
    outcome_counts,
    predictions,
    read_study_plan,
    site_parts,
)
from aneuflow.risk.train.table import Cohort, read_cohort, read_columns
from aneuflow.risk.train.together import contradiction, fit_together, learn_together, quantiles
from tests.conftest import shared_data

PLAN = read_study_plan()
Spoil = Callable[[Question, Sums, int], Sums | None]


@pytest.fixture(scope="module")
def table() -> Cohort:
    return read_cohort(shared_data("clinical") / "bnaiar_adb_raw.csv", read_columns("bnaiar"))


@pytest.fixture(scope="module")
def sites(table: Cohort) -> list[SiteParts]:
    """The table's two collections, the larger one cut in two by chance: sites of other size and other share of ruptured."""
    first, second = (np.flatnonzero(table.center == code) for code in (0, 1))
    drawn = np.random.default_rng(0).permutation(first)
    return [site_parts(table.rows(np.sort(rows)), PLAN) for rows in (drawn[:650], drawn[650:], second)]


def asked(sites: list[SiteParts], spoil: Spoil | None = None, which: int = 0, plan: StudyPlan = PLAN) -> Ask:
    """All sites in one process; `spoil` changes what site `which` sends (None: nothing comes); clipped on the way."""
    questions = 0

    def ask(question: Question) -> Sums:
        nonlocal questions
        questions += 1
        found = []
        for index, parts in enumerate(sites):
            sums: Sums | None = answer(parts, plan, question)
            if spoil is not None and index == which:
                sums = spoil(question, sums or [], questions)
            if sums is not None:
                found.append([np.clip(array, -question.bound, question.bound) for array in sums])
        return [np.sum(arrays, axis=0) for arrays in zip(*found, strict=True)]

    return ask


def together(parts: list[Cohort]) -> Cohort:
    return Cohort(
        np.concatenate([part.ruptured for part in parts]), np.arange(sum(map(len, parts))),
        np.zeros(sum(map(len, parts)), dtype=np.intp), ("",),
        {name: np.concatenate([part.numbers[name] for part in parts]) for name in PLAN.numbers},
        {name: [value for part in parts for value in part.levels[name]] for name in PLAN.levels}, {}, {}, 0, {},
    )  # fmt: skip


def aucs(sites: list[SiteParts], predict: Callable[[Cohort], np.ndarray]) -> np.ndarray:
    return np.array([auc(site.held_out.ruptured, predict(site.held_out)) for site in sites])


def test_three_sites_reach_the_pooled_fit_on_held_out_patients(sites: list[SiteParts]) -> None:
    fit = learn_together(asked(sites), PLAN).fit
    pooled = fit_additive(together([site.training for site in sites]), PLAN.penalty, None)
    ours = aucs(sites, lambda rows: predictions(rows, list(fit.terms), fit.coefficients))
    np.testing.assert_allclose(ours, aucs(sites, pooled), atol=0.02)
    held_out = together([site.held_out for site in sites])
    whole = auc(held_out.ruptured, predictions(held_out, list(fit.terms), fit.coefficients))
    assert whole == pytest.approx(auc(held_out.ruptured, pooled(held_out)), abs=0.005)
    # What the sites gain by it: the smallest one's model of its own patients alone is far worse.
    alone = fit_additive(sites[2].training, PLAN.penalty, None)
    assert auc(held_out.ruptured, alone(held_out)) < whole - 0.1


def test_sums_give_the_coefficients_of_the_rows(sites: list[SiteParts]) -> None:
    fit = fit_together(asked(sites), PLAN)
    rows = together([site.training for site in sites])
    columns = design(list(fit.terms), rows)
    independent = LogisticRegression(C=PLAN.penalty, tol=1e-8, max_iter=5000).fit(columns, rows.ruptured)
    np.testing.assert_allclose(fit.coefficients[1:], independent.coef_[0], atol=2e-3)
    assert fit.coefficients[0] == pytest.approx(independent.intercept_[0], abs=2e-3)
    # Standardization was agreed by sums: over all rows the known numbers have mean 0 and spread 1.
    for term in fit.terms:
        if term["kind"] == "number":
            known = rows.rows(np.isfinite(rows.numbers[term["answer"]]))
            own = design([term], known)
            np.testing.assert_allclose(own.mean(axis=0), 0.0, atol=1e-9)
            np.testing.assert_allclose(own.std(axis=0), 1.0, atol=1e-9)
        else:
            known_levels = [value for value in rows.levels[term["answer"]] if value is not None]
            for level, entry in term["levels"].items():
                assert entry["share"] == pytest.approx(known_levels.count(level) / len(known_levels))
    sizes = rows.numbers["size_mm"][np.isfinite(rows.numbers["size_mm"])]
    size = next(term for term in fit.terms if term["answer"] == "size_mm")
    np.testing.assert_allclose(size["range"], np.quantile(sizes, [0.005, 0.995]), atol=0.1)
    np.testing.assert_allclose(size["knots"], np.quantile(sizes, [0.35, 0.7]), atol=0.1)


def test_quantiles_of_a_histogram() -> None:
    values = np.random.default_rng(1).normal(5.0, 1.0, 50000)
    counts, edges = np.histogram(values, np.arange(0.0, 10.1, 0.1))
    np.testing.assert_allclose(quantiles(counts, edges, [0.1, 0.5, 0.9]), np.quantile(values, [0.1, 0.5, 0.9]), atol=0.01)


def questions_of(sites: list[SiteParts]) -> list[Question]:
    """Every question that a training asks."""
    found = []
    ask = asked(sites)

    def noted(question: Question) -> Sums:
        found.append(question)
        return ask(question)

    learn_together(noted, PLAN)
    return found


def test_no_answer_holds_a_row(sites: list[SiteParts]) -> None:
    """What is sent has the same shape for any number of patients, is the same in any order of them, and adds up over them."""
    whole = sites[0]
    order = np.random.default_rng(2).permutation(len(whole.training))
    cut = len(order) // 2
    orders = {"mixed": order, "first": order[:cut], "second": order[cut:]}
    parts = {name: replace(whole, training=whole.training.rows(rows)) for name, rows in orders.items()}
    kinds = set()
    for question in questions_of(sites):
        kinds.add(question.kind)
        sent = answer(whole, PLAN, question)
        mixed, first, second = (answer(parts[name], PLAN, question) for name in orders)
        assert [array.shape for array in first] == [array.shape for array in sent]
        for index, array in enumerate(sent):
            np.testing.assert_allclose(array, mixed[index], atol=1e-9)
            patients_or_votes = question.kind == "outcomes" or (question.kind == "step" and index == 3)
            if not patients_or_votes:
                np.testing.assert_allclose(array, first[index] + second[index], atol=1e-9)
    assert kinds == {"counts", "moments", "step", "outcomes"}


def test_a_site_without_a_column_takes_part(sites: list[SiteParts], table: Cohort) -> None:
    poor = replace(table, numbers={"size_mm": table.numbers["size_mm"]}, levels={"sex": table.levels["sex"]})
    parts = site_parts(poor.rows(table.center == 1), PLAN)
    fit = fit_together(asked([*sites[:2], parts]), PLAN)
    assert {term["answer"] for term in fit.terms} == {*PLAN.numbers, *PLAN.levels}
    smoking = fit.counts[1 + [*PLAN.numbers, *PLAN.levels].index("smoking")]
    assert smoking[-1] >= len(parts.training)


def every_step(change: Callable[[Sums, int], Sums]) -> Spoil:
    return lambda question, sums, count: change(sums, count) if question.kind == "step" else sums


def once(change: Callable[[Sums, int], Sums], when: int) -> Spoil:
    return lambda question, sums, count: change(sums, count) if question.kind == "step" and count == when else sums


def noise(sums: Sums, count: int) -> Sums:
    drawn = np.random.default_rng(count).normal(size=sums[1].shape) * 3 * np.abs(sums[1]).max()
    return [sums[0], drawn, sums[2], np.array([0.0, 1.0])]


RUBBISH: dict[str, Callable[[Sums, int], Sums]] = {
    "not a number": lambda sums, _: [array * np.nan for array in sums],
    "huge": lambda sums, _: [np.full_like(array, 1e30) for array in sums],
    "huge gradient": lambda sums, _: [sums[0], 1e30 * sums[1], *sums[2:]],
    "half more": lambda sums, _: [sums[0], 1.5 * sums[1], *sums[2:]],
    "three times": lambda sums, _: [sums[0], 3.0 * sums[1], *sums[2:]],
    "all twice": lambda sums, _: [sums[0], 2.0 * sums[1], 2.0 * sums[2], sums[3]],
    "ten times": lambda sums, _: [sums[0], 10.0 * sums[1], *sums[2:]],
    "signs turned": lambda sums, _: [sums[0], -sums[1], -sums[2], np.array([0.0, 1.0])],
    "gradient turned": lambda sums, _: [sums[0], -sums[1], sums[2], np.array([0.0, 1.0])],
    "noise": noise,
}


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("kind", RUBBISH)
def test_lasting_rubbish_makes_no_model(sites: list[SiteParts], kind: str, which: int) -> None:
    with pytest.raises(MethodError, match=r"find the site|not released: \d of 3 sites"):
        learn_together(asked(sites, every_step(RUBBISH[kind]), which), PLAN)


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("kind", RUBBISH)
@pytest.mark.parametrize("when", [3, 5])
def test_rubbish_of_a_moment_is_overcome(sites: list[SiteParts], when: int, kind: str, which: int) -> None:
    fit = learn_together(asked(sites, once(RUBBISH[kind], when), which), PLAN).fit
    honest = fit_together(asked(sites), PLAN)
    ours, theirs = (aucs(sites, lambda rows, of=of: predictions(rows, list(of.terms), of.coefficients)) for of in (fit, honest))  # type: ignore[misc]
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_the_gradient_changes_as_the_curvature_says() -> None:
    """Of a parabola it does so exactly: a gradient that changes by twice of it is told, at any size of the step."""
    curvature, moved = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([0.3, -0.2])
    gradient, votes = np.array([1.0, -2.0]), np.array([0.0, 3.0])
    before = [np.ones(1), gradient, curvature, votes]
    for step in (moved, 0.01 * moved):
        after = [np.ones(1), gradient - curvature @ step, curvature, votes]
        assert contradiction(before, after, step, 1.0) == ""
        doubled = [np.ones(1), gradient - 2.0 * curvature @ step, curvature, votes]
        assert "changes by 100% of what the curvature says" in contradiction(before, doubled, step, 1.0)
        fewer = [np.array([0.7]), 0.7 * doubled[1], curvature, np.array([0.0, 2.0])]
        assert contradiction(before, fewer, step, 1.0) == ""
        assert "though no site has left" in contradiction(before, [fewer[0], *after[1:]], step, 1.0)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_turned_outcomes_are_refused_by_the_other_sites(sites: list[SiteParts], which: int) -> None:
    """Sums of real rows with the outcomes turned pass every check of what is possible: only the locked patients show it."""
    honest = sites[which]
    turned = replace(
        honest,
        training=replace(honest.training, ruptured=~honest.training.ruptured),
        locked=replace(honest.locked, ruptured=~honest.locked.ruptured),
    )
    lying = [*sites[:which], turned, *sites[which + 1 :]]
    with pytest.raises(MethodError, match=r"not released|No model was accepted"):
        learn_together(asked(lying), PLAN)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_site_that_leaves_does_not_spoil_the_model(sites: list[SiteParts], which: int) -> None:
    fit = learn_together(asked(sites, lambda question, sums, count: sums if count < 5 else None, which), PLAN).fit
    others = fit_additive(together([site.training for index, site in enumerate(sites) if index != which]), PLAN.penalty, None)
    ours = aucs(sites, lambda rows: predictions(rows, list(fit.terms), fit.coefficients))
    assert (ours > aucs(sites, others) - 0.02).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda sums: [array * np.nan for array in sums], "no finite number"),
        (lambda sums: [sums[0], sums[1] + 5.0, *sums[2:]], "age_years is counted"),
        (lambda sums: [array + 0.5 for array in sums], "no whole number"),
        (lambda sums: [-2.0 * array for array in sums], "negative"),
    ],
)
def test_counts_that_cannot_be_are_refused(sites: list[SiteParts], change: Callable[[Sums], Sums], why: str) -> None:
    spoil: Spoil = lambda question, sums, _: change(sums) if question.kind == "counts" else sums  # noqa: E731
    with pytest.raises(MethodError, match=why):
        learn_together(asked(sites, spoil), PLAN)


@pytest.mark.parametrize("by", [np.nan, -3.0, 1e5])
def test_outcomes_that_cannot_be_are_refused(sites: list[SiteParts], by: float) -> None:
    spoil: Spoil = lambda question, sums, _: [sums[0] + by, *sums[1:]] if question.kind == "outcomes" else sums  # noqa: E731
    with pytest.raises(MethodError, match="outcomes cannot be"):
        learn_together(asked(sites, spoil), PLAN)


def test_a_vote_that_is_no_number_does_not_pass() -> None:
    assert outvoted(np.array([np.nan, 3.0])) and outvoted(np.array([-1.0, 3.0])) and not outvoted(np.array([0.0, 3.0]))


def test_what_quantizing_does_is_not_taken_for_rubbish(sites: list[SiteParts]) -> None:
    """Three sites move a sum by three quanta, of which 2^30 span the bound on both sides of 0."""
    drawn = np.random.default_rng(4)

    def quantized(question: Question, sums: Sums, _: int) -> Sums:
        masked = sums[:-1] if question.kind == "step" else sums
        return [
            *(array + 6 * question.bound / 2**30 * drawn.choice([-1, 1], array.shape) for array in masked),
            *sums[len(masked) :],
        ]

    for _ in range(10):
        fit_together(asked(sites, quantized), PLAN)


def test_moments_that_contradict_each_other_are_refused(sites: list[SiteParts]) -> None:
    spoil: Spoil = lambda question, sums, _: [0.0 * sums[0], *sums[1:]] if question.kind == "moments" else sums  # noqa: E731
    turned: Spoil = lambda question, sums, _: [-array for array in sums] if question.kind == "moments" else sums  # noqa: E731
    learn_together(asked(sites, spoil, 2), PLAN)  # a smaller sum that is possible: no site can be shown to lie by it
    with pytest.raises(MethodError, match="mean and spread of"):
        learn_together(asked(sites, turned, 0), PLAN)


def test_a_site_sends_no_rubbish_of_its_own() -> None:
    with pytest.raises(InputError, match="nothing is sent"):
        bounded([np.array([1.0, np.nan])], 1.0)
    np.testing.assert_array_equal(bounded([np.array([-3.0, 0.5, 7.0])], 1.0)[0], [-1.0, 0.5, 1.0])


def test_a_question_that_is_not_known_is_not_answered(sites: list[SiteParts]) -> None:
    with pytest.raises(InputError, match="'rows', which no site gives"):
        answer(sites[0], PLAN, Question("rows", "{}", 1.0))


def test_the_model_file_says_what_was_learned(sites: list[SiteParts]) -> None:
    learned = learn_together(asked(sites), PLAN)
    made = released(learned, PLAN, 3, ())
    model = read_model(made.files()["resemblance.json"])
    row = next(
        index for index in range(len(sites[1].held_out))
        if np.isfinite([values[index] for values in sites[1].held_out.numbers.values()]).all()
        and all(values[index] for values in sites[1].held_out.levels.values())
    )  # fmt: skip
    case = sites[1].held_out.rows(np.array([row]))
    answers = {name: Number(float(v[0]), float(v[0]), float(v[0])) for name, v in case.numbers.items()}
    found = resemblance(model, {**answers, **{name: values[0] for name, values in case.levels.items()}})
    expected = 100 * predictions(case, list(learned.fit.terms), learned.fit.coefficients)[0]
    assert found.probability.value == pytest.approx(expected, abs=0.05)
    assert found.probability.low < found.probability.value < (found.probability.high or 0.0)
    assert json.loads(made.files()["results.json"])["performance"]["auc"] == made.results["performance"]["auc"]
    assert "no patient's row left a site" in made.card


def test_what_is_kept_of_the_tables_is_what_rows_would_give(sites: list[SiteParts], table: Cohort, tmp_path: Path) -> None:
    learned = learn_together(asked(sites), PLAN)
    for name, text in released(learned, PLAN, 3, ()).files().items():
        (tmp_path / name).write_text(text, "utf-8")
    model, origin = model_in(tmp_path), origin_in(tmp_path)
    rows = together([site.training for site in sites])
    for name, kept in origin.answers.items():
        before, now, unknown = kept.count(rows.numbers[name] if name in rows.numbers else rows.levels[name])
        np.testing.assert_array_equal(before, now)
        assert unknown == kept.unknown and before.sum() + unknown == len(rows)
        assert name not in rows.numbers or (len(before) >= 18 and before.max() < 0.1 * len(rows))
    chances = probabilities(model.content, rows)
    before, now, _ = origin.probability.count(chances[np.isfinite(chances)])
    assert np.abs(before - now).max() <= 1  # the file's coefficients are rounded
    assert overlap(origin, table).of_rows is None  # not 0: nobody can tell


def test_binned_performance_is_that_of_the_rows(sites: list[SiteParts]) -> None:
    generator = np.random.default_rng(3)
    chance = generator.uniform(0.02, 0.98, 1000)
    truth = generator.uniform(size=1000) < chance
    rows = replace(sites[0].held_out, ruptured=truth)
    reached = performance_of(outcome_counts(rows, chance))
    assert reached["auc"] == pytest.approx(auc(truth, chance), abs=2 / BINS / 4)
    assert reached["brier"] == pytest.approx(np.mean((truth - chance) ** 2), abs=0.002)
    assert reached["calibration_slope"] == pytest.approx(1.0, abs=0.2)
