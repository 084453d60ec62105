from __future__ import annotations

from collections.abc import Mapping

import pytest

from aneuflow.risk.clinical import Answer, Answers, Number
from aneuflow.risk.grade import evidence_of, grade_at, make_grade, total_points
from aneuflow.risk.settings import Rules, default_rules
from aneuflow.types import Evidence, Note, Span

RULES = Rules.model_validate(
    {
        "name": "test", "moderate": 2, "high": 4, "very_high": 6,
        "rule": [
            {"id": "size", "of": "size_mm", "steps": [[0, 0], [5, 1], [7, 3]]},
            {"id": "one", "of": "risk_a", "group": "scores", "steps": [[0, 0], [1, 1], [3, 2]]},
            {"id": "two", "of": "risk_b", "group": "scores", "steps": [[0, 0], [1, 1], [3, 3]]},
            {"id": "sac", "of": "daughter_sac", "points": {"no": 0, "yes": 1}},
            {"id": "grown", "of": "growth", "points": {"no": 0, "yes": 3}, "optional": True},
        ],
    }
)  # fmt: skip


def known(id: str, value: float, low: float | None = None, high: float | None = None) -> Span:
    return Span(id, value, value if low is None else low, value if high is None else high)


def test_points_by_hand() -> None:
    facts: dict[str, Span | str | None] = {
        "size_mm": known("size_mm", 7.5), "risk_a": known("risk_a", 3.5), "risk_b": known("risk_b", 1.5), "daughter_sac": "yes",
        "growth": "no",
    }  # fmt: skip
    span = total_points(evidence_of(RULES, facts))
    assert (span.value, span.low, span.high) == (3 + max(2, 1) + 1, 6, 6)


def test_what_is_missing_widens_and_what_does_not_apply_does_not() -> None:
    span = total_points(evidence_of(RULES, {"size_mm": known("size_mm", 6.5, 4.0, 7.5), "daughter_sac": None, "growth": None}))
    assert (span.value, span.low, span.high) == (None, 0, 3 + 1)


def test_a_score_that_does_not_apply_is_unknown_unless_another_of_its_group_is_given() -> None:
    neither = total_points(evidence_of(RULES, {"risk_a": None, "risk_b": None}))
    assert (neither.low, neither.high) == (0, 3)
    one = total_points(evidence_of(RULES, {"risk_a": known("risk_a", 3.5), "risk_b": None}))
    assert (one.value, one.low, one.high) == (2, 2, 2)


def test_an_open_span_counts_up_to_the_maximum() -> None:
    span = total_points(evidence_of(RULES, {"risk_b": Span("risk_b", None, 2.0, None)}))
    assert (span.low, span.high) == (1, 3)


@pytest.mark.parametrize(
    ("points", "grade"), [(0, "low"), (1.9, "low"), (2, "moderate"), (4, "high"), (5.9, "high"), (6, "very_high")]
)
def test_grades_begin_where_the_table_says(points: float, grade: str) -> None:
    assert grade_at(RULES, points) == grade


def judge(answers: Answers, exact: Mapping[str, Number]) -> tuple[tuple[Evidence, ...], Span]:
    facts: dict[str, Span | str | None] = {
        name: Span(name, answer.value, answer.low, answer.high) if isinstance(answer, Number) else answer
        for name, answer in {**answers, **exact}.items()
    }
    lines = evidence_of(RULES, facts)
    return lines, total_points(lines)


def test_a_span_over_three_grades_is_no_grade() -> None:
    answers: dict[str, Answer] = {"size_mm": Number(6, 4, 8), "daughter_sac": None, "growth": "no"}
    two = make_grade(RULES, judge, answers, {}, [])
    assert (two.grade is None, two.low, two.high) == (True, "low", "high") and two.why[0].code == "grade_too_wide"
    one = make_grade(RULES, judge, {**answers, "daughter_sac": "no"}, {}, [])
    assert (one.grade, one.low, one.high, one.why) == ("low", "low", "moderate", ())


def test_a_reason_given_from_outside_leaves_no_grade() -> None:
    reason = Note("question_age", {"answer": "age_years", "given": 7})
    grade = make_grade(RULES, judge, {"size_mm": Number(4, 4, 4)}, {}, [reason])
    assert grade.grade is None and grade.why == (reason,)


def test_what_would_change_the_grade() -> None:
    answers: dict[str, Answer] = {"size_mm": Number(6, 6, 6), "daughter_sac": "no", "growth": None}
    grade = make_grade(RULES, judge, answers, {}, [])
    assert [(change.answer, change.shown, change.low) for change in grade.changes] == [("growth", "yes", "high")]
    measured = make_grade(RULES, judge, {"size_mm": Number(6, 4, 7.5), "daughter_sac": "no"}, {}, [])
    assert {(change.shown, change.low, change.high) for change in measured.changes} == {
        ("4", "low", "low"), ("7.5", "moderate", "moderate")
    }  # fmt: skip


def test_an_uncertain_measure_that_is_no_answer_can_change_the_grade() -> None:
    size = Number(6, 4, 7.5)
    grade = make_grade(RULES, lambda answers, exact: judge(answers, {"size_mm": size, **exact}), {}, {"size_mm": size}, [])
    assert {(change.answer, change.shown, change.low) for change in grade.changes} == {
        ("size_mm", "4", "low"), ("size_mm", "7.5", "moderate")
    }  # fmt: skip


def test_the_weightiest_evidence_comes_first() -> None:
    facts: dict[str, Span | str | None] = {"daughter_sac": "yes", "size_mm": known("size_mm", 9.0)}
    assert [line.id for line in evidence_of(RULES, facts)] == ["size", "sac"]


@pytest.mark.parametrize(
    "change",
    [
        {"moderate": 5}, {"rule": []}, {"rule": [{"id": "a", "of": "b"}]},
        {"rule": [{"id": "a", "of": "b", "steps": [[3, 1], [0, 0]]}]},
        {"rule": [{"id": "a", "of": "b", "points": {"yes": 1}}] * 2},
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_meant_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Rules.model_validate({**RULES.model_dump(), **change})


def test_the_default_table_looks_at_things_that_exist() -> None:
    from aneuflow.quantities import registry
    from aneuflow.risk.clinical import Clinical

    for rule in default_rules().rule:
        assert rule.of in registry() or rule.of in Clinical.model_fields, rule.id
