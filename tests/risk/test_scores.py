"""Each published table, point by point, written here a second time from the papers' tables and not read from the package's."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aneuflow.risk.clinical import Answer, Number
from aneuflow.risk.scores import SCORES, all_scores, elapss, left_out_scores, phases, score, score_table, ucas, uiats
from aneuflow.types import Span


def exactly(value: float) -> Number:
    return Number(value, value, value)


LOWEST: dict[str, Answer] = {
    "population": "europe",
    "hypertension": "no",
    "age_years": exactly(45),
    "size_mm": exactly(4.5),
    "earlier_sah": "no",
    "site": "ica",
    "irregular": "no",
    "sex": "male",
    "daughter_sac": "no",
}


def points(result: object, id: str = "") -> float | None:
    spans = getattr(result, "points")  # noqa: B009
    return next(span.value for span in spans if not id or span.id == id)


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        ("population", "north_america", 0),
        ("population", "japan", 3),
        ("population", "finland", 5),
        ("hypertension", "yes", 1),
        ("age_years", exactly(69), 0),
        ("age_years", exactly(70), 1),
        ("size_mm", exactly(6.99), 0),
        ("size_mm", exactly(7), 3),
        ("size_mm", exactly(9.9), 3),
        ("size_mm", exactly(10), 6),
        ("size_mm", exactly(19.9), 6),
        ("size_mm", exactly(20), 10),
        ("earlier_sah", "yes", 1),
        ("site", "mca", 2),
        ("site", "a2", 4),
        ("site", "acom", 4),
        ("site", "pcom", 4),
        ("site", "basilar_tip", 4),
        ("site", "vertebral", 4),
        ("site", "pca", 4),
        ("site", "ophthalmic_ica", 0),
        ("site", "cavernous_ica", 0),
    ],
)
def test_phases_points(answer: str, given: Answer, expected: int) -> None:
    assert points(phases({**LOWEST, answer: given})) == expected


def test_phases_risks_of_greving() -> None:
    published = {0: 0.4, 2: 0.4, 3: 0.7, 4: 0.9, 5: 1.3, 6: 1.7, 7: 2.4, 8: 3.2, 9: 4.3, 10: 5.3, 11: 7.2, 12: 17.8, 22: 17.8}
    by_total: dict[float, float | None] = {}
    for population, tension, age, size, sah, site in itertools.product(
        ("europe", "japan", "finland"), ("no", "yes"), (50, 75), (3, 8, 12, 25), ("no", "yes"), ("ica", "mca", "acom")
    ):
        result = phases(
            {
                "population": population,
                "hypertension": tension,
                "age_years": exactly(age),
                "size_mm": exactly(size),
                "earlier_sah": sah,
                "site": site,
            }
        )
        total = result.points[0].value
        assert total is not None
        by_total[total] = result.outcomes[0].value
    assert {total: by_total[total] for total in published} == published
    assert min(by_total) == 0 and max(by_total) == 22


def test_phases_worked_example() -> None:
    finn = {
        "population": "finland",
        "hypertension": "yes",
        "age_years": exactly(71),
        "size_mm": exactly(8.0),
        "earlier_sah": "no",
        "site": "mca",
    }
    result = phases(finn)
    assert (points(result), result.outcomes[0].value) == (5 + 1 + 1 + 3 + 0 + 2, 17.8)


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        ("earlier_sah", "yes", -1),
        ("site", "mca", 3),
        ("site", "acom", 0),
        ("site", "pcom", 5),
        ("site", "basilar", 5),
        ("age_years", exactly(60), 0),
        ("age_years", exactly(61), 1),
        ("age_years", exactly(65), 1),
        ("age_years", exactly(66), 2),
        ("age_years", exactly(96), 8),
        ("age_years", exactly(110), 8),
        ("population", "japan", 1),
        ("population", "finland", 7),
        ("population", "china", 0),
        ("size_mm", exactly(2.9), -4),
        ("size_mm", exactly(3), 0),
        ("size_mm", exactly(5), 6),
        ("size_mm", exactly(7), 9),
        ("size_mm", exactly(10), 18),
        ("irregular", "yes", 4),
    ],
)
def test_elapss_points(answer: str, given: Answer, expected: int) -> None:
    assert points(elapss(LOWEST)) == 5
    assert points(elapss({**LOWEST, answer: given})) == 5 + expected


@pytest.mark.parametrize(
    ("total", "three_years", "five_years"),
    [
        (0, 5.0, 8.4),
        (4, 5.0, 8.4),
        (5, 7.8, 13.0),
        (9, 7.8, 13.0),
        (10, 11.7, 19.3),
        (14, 11.7, 19.3),
        (15, 17.5, 28.1),
        (19, 17.5, 28.1),
        (20, 25.8, 39.9),
        (24, 25.8, 39.9),
        (25, 42.7, 60.8),
        (47, 42.7, 60.8),
    ],
)
def test_elapss_risks_of_backes(total: int, three_years: float, five_years: float) -> None:
    from aneuflow.risk.scores import at_step

    tables = {entry["quantity"]: entry["steps"] for entry in score_table("elapss")["outcome"]}
    assert at_step(tables["elapss_growth_3y"], total) == three_years
    assert at_step(tables["elapss_growth_5y"], total) == five_years


JAPAN: dict[str, Answer] = {**LOWEST, "population": "japan"}


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        ("age_years", exactly(69), 0),
        ("age_years", exactly(70), 1),
        ("sex", "female", 1),
        ("hypertension", "yes", 1),
        ("size_mm", exactly(3), 0),
        ("size_mm", exactly(7), 2),
        ("size_mm", exactly(10), 5),
        ("size_mm", exactly(20), 8),
        ("site", "a1", 1),
        ("site", "a2", 1),
        ("site", "vertebral", 1),
        ("site", "mca", 2),
        ("site", "basilar", 2),
        ("site", "basilar_tip", 2),
        ("site", "acom", 3),
        ("site", "pcom", 3),
    ],
)
def test_ucas_points(answer: str, given: Answer, expected: int) -> None:
    assert points(ucas({**JAPAN, answer: given})) == expected


def test_ucas_classes_and_limits() -> None:
    def risk(**answers: Answer) -> tuple[float, float | None]:
        span = ucas({**JAPAN, **answers}).outcomes[0]
        return span.low, span.high

    assert risk() == (0.2, 0.9)
    assert risk(sex="female", site="acom") == (1.4, 2.3)
    assert risk(sex="female", site="acom", size_mm=exactly(8)) == (3.7, 7.6)
    assert risk(site="mca", size_mm=exactly(25)) == (9.0, None)
    for refusal in (
        {"population": "europe"},
        {"daughter_sac": "yes"},
        {"size_mm": exactly(2.5)},
        {"site": "cavernous_ica"},
    ):
        assert ucas({**JAPAN, **refusal}).refused is not None


def test_ucas_is_open_above_while_a_daughter_sac_is_not_denied() -> None:
    known, unknown = ucas({**JAPAN, "sex": "female"}), ucas({**JAPAN, "sex": "female", "daughter_sac": None})
    assert (known.points[0].low, known.points[0].high) == (1, 1)
    assert (unknown.points[0].low, unknown.points[0].value, unknown.points[0].high) == (1, None, None)
    assert (unknown.outcomes[0].low, unknown.outcomes[0].high) == (0.2, None) and unknown.missing == ("daughter_sac",)


NOTHING_IN_UIATS: dict[str, Answer] = {
    "age_years": exactly(85),
    "size_mm": exactly(3.0),
    "site": "mca",
    "population": "europe",
    "smoking": "never",
    "life_expectancy_years": exactly(20),
} | dict.fromkeys(
    (
        "earlier_sah",
        "family_history",
        "hypertension",
        "polycystic_kidney",
        "drug_abuse",
        "alcohol_abuse",
        "cranial_nerve_deficit",
        "mass_effect",
        "thromboembolic_event",
        "epilepsy",
        "fear_of_rupture",
        "multiple",
        "irregular",
        "slender",
        "growth",
        "de_novo",
        "contralateral_stenosis",
        "neurocognitive_disorder",
        "coagulopathy",
        "psychiatric_disorder",
        "complex_treatment",
    ),
    "no",
)


@pytest.mark.parametrize(
    ("answer", "given", "repair", "conservative"),
    [
        ("earlier_sah", "yes", 4, 0),
        ("family_history", "yes", 3, 0),
        ("population", "japan", 2, 0),
        ("population", "finland", 2, 0),
        ("smoking", "current", 3, 0),
        ("smoking", "former", 0, 0),
        ("hypertension", "yes", 2, 0),
        ("polycystic_kidney", "yes", 2, 0),
        ("drug_abuse", "yes", 2, 0),
        ("alcohol_abuse", "yes", 1, 0),
        ("cranial_nerve_deficit", "yes", 4, 0),
        ("mass_effect", "yes", 4, 0),
        ("thromboembolic_event", "yes", 3, 0),
        ("epilepsy", "yes", 1, 0),
        ("fear_of_rupture", "yes", 2, 0),
        ("multiple", "yes", 1, 0),
        ("irregular", "yes", 3, 0),
        ("slender", "yes", 1, 0),
        ("site", "basilar_tip", 5, 0),
        ("site", "basilar", 4, 0),
        ("site", "vertebral", 4, 0),
        ("site", "acom", 2, 0),
        ("site", "pcom", 2, 0),
        ("growth", "yes", 4, 0),
        ("de_novo", "yes", 3, 0),
        ("contralateral_stenosis", "yes", 1, 0),
        ("neurocognitive_disorder", "yes", 0, 3),
        ("coagulopathy", "yes", 0, 2),
        ("psychiatric_disorder", "yes", 0, 2),
        ("complex_treatment", "yes", 0, 3),
        ("life_expectancy_years", exactly(3), 0, 3),
        ("life_expectancy_years", exactly(5), 0, 2),
        ("life_expectancy_years", exactly(10), 0, 2),
        ("age_years", exactly(39), 4, -5),
        ("age_years", exactly(60), 3, -4),
        ("age_years", exactly(61), 2, -2),
        ("age_years", exactly(71), 1, -1),
        ("age_years", exactly(80), 1, -1),
        ("size_mm", exactly(4.0), 1, 0),
        ("size_mm", exactly(6.0), 1, 1),
        ("size_mm", exactly(7.0), 2, 1),
        ("size_mm", exactly(10.0), 2, 1),
        ("size_mm", exactly(10.1), 2, 3),
        ("size_mm", exactly(13.0), 3, 3),
        ("size_mm", exactly(20.0), 3, 3),
        ("size_mm", exactly(20.1), 3, 5),
        ("size_mm", exactly(25.0), 4, 5),
    ],
)
def test_uiats_points(answer: str, given: Answer, repair: int, conservative: int) -> None:
    base = uiats(NOTHING_IN_UIATS)
    assert (points(base, "uiats_repair"), points(base, "uiats_conservative")) == (0, 1 + 5 + 5)
    result = uiats({**NOTHING_IN_UIATS, answer: given})
    assert (points(result, "uiats_repair"), points(result, "uiats_conservative")) == (repair, 11 + conservative)


def test_unknown_answers_span_what_is_possible() -> None:
    result = phases({})
    assert (result.points[0].value, result.points[0].low, result.points[0].high) == (None, 0, 22)
    assert (result.outcomes[0].low, result.outcomes[0].high) == (0.4, 17.8)
    assert set(result.missing) == {"population", "hypertension", "age_years", "size_mm", "earlier_sah", "site"}
    one_unknown = phases({**LOWEST, "hypertension": None})
    assert (one_unknown.points[0].low, one_unknown.points[0].high, one_unknown.missing) == (0, 1, ("hypertension",))


def test_an_interval_of_size_spans_its_classes() -> None:
    result = phases({**LOWEST, "size_mm": Number(6.8, 6.5, 7.2)})
    assert (result.points[0].value, result.points[0].low, result.points[0].high) == (0, 0, 3)


def test_a_population_without_points_is_refused() -> None:
    refused = phases({**LOWEST, "population": "china"}).refused
    assert refused is not None and refused.values == {"answer": "population", "given": "china"}


ANSWER = {
    "population": st.sampled_from(["europe", "japan", "finland", None]),
    "hypertension": st.sampled_from(["yes", "no", None]),
    "age_years": st.one_of(st.none(), st.integers(18, 100).map(exactly)),
    "sex": st.sampled_from(["female", "male", None]),
    "size_mm": st.one_of(st.none(), st.floats(3.0, 30.0).map(exactly)),
    "earlier_sah": st.sampled_from(["yes", "no", None]),
    "site": st.sampled_from(["ica", "mca", "acom", "pcom", None]),
    "irregular": st.sampled_from(["yes", "no", None]),
    "daughter_sac": st.sampled_from(["no", None]),
}


def top(span: Span) -> float:
    return math.inf if span.high is None else span.high


@given(st.fixed_dictionaries(ANSWER), st.fixed_dictionaries(ANSWER))
def test_learning_an_answer_never_leaves_the_span(some: dict[str, Answer], more: dict[str, Answer]) -> None:
    known = {name: value if value is not None else more[name] for name, value in some.items()}
    for id in SCORES:
        wide, narrow = score(id, some), score(id, known)
        if wide.refused is None and narrow.refused is None:
            for before, after in zip(wide.points, narrow.points, strict=True):
                assert before.low <= after.low <= top(after) <= top(before)


def test_what_could_not_be_confirmed_is_left_out_and_says_so() -> None:
    assert set(left_out_scores()) == {"rupture_resemblance_score", "aneurysm_rupture_probability"}
    assert all(entry["reason_en"] and entry["reason_zh"] for entry in left_out_scores().values())
    assert [result.id for result in all_scores(LOWEST)] == list(SCORES)
