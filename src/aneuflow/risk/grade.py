"""The grade: points of evidence by a table of rules, a span where anything is uncertain, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aneuflow.risk.clinical import Answer, Answers, Clinical, Number
from aneuflow.risk.scores import at_step, score_table
from aneuflow.risk.settings import Rule, Rules
from aneuflow.types import Change, Evidence, Grade, Note, Resemblance, ScoreResult, Span

GRADES = ("low", "moderate", "high", "very_high")
# A span over three grades says nothing that a reader could use.
WIDEST_SPAN = 1
EXAMPLE_AGES = (40.0, 55.0, 65.0, 75.0)

Facts = Mapping[str, Span | str | None]
# Evidence and points for any answers, with any of the measures taken to be exactly so.
Judge = Callable[[Answers, Mapping[str, Number]], tuple[tuple[Evidence, ...], Span]]


def facts_of(
    answers: Answers, scores: Sequence[ScoreResult], resemblance: Resemblance | None, measured: Mapping[str, Number | None]
) -> dict[str, Span | str | None]:
    """What the rules look at, by name: score outcomes, resemblance, measures, answers; None is unknown.

    The outcomes of a score that does not apply are unknown: that it has no points for a population is no sign of low risk.
    """
    facts: dict[str, Span | str | None] = {}
    for name, number in measured.items():
        facts[name] = None if number is None else Span(name, number.value, number.low, number.high)
    for name, answer in answers.items():
        if name not in facts:
            facts[name] = Span(name, answer.value, answer.low, answer.high) if isinstance(answer, Number) else answer
    for result in scores:
        if result.refused is not None:
            facts |= {entry["quantity"]: None for entry in score_table(result.id).get("outcome", ())}
        facts |= {span.id: span for span in (*result.points, *result.outcomes)}
    if resemblance is not None:
        facts[resemblance.probability.id] = resemblance.probability
    return facts


def evidence_of(rules: Rules, facts: Facts) -> tuple[Evidence, ...]:
    """The points of every rule that can apply, the weightiest first; a group is unknown only where all of it is."""
    known_groups = {rule.group for rule in rules.rule if rule.group and facts.get(rule.of) is not None}
    lines = [
        _line(rule, facts[rule.of])
        for rule in rules.rule
        if rule.of in facts and not (facts[rule.of] is None and rule.group in known_groups)
    ]
    return tuple(sorted(lines, key=lambda line: (-(line.points or 0.0), -line.high, line.id)))


def _line(rule: Rule, fact: Span | str | None) -> Evidence:
    if fact is None:
        every = [points for _, points in rule.steps] or list(rule.points.values())
        low, high = (0.0, 0.0) if rule.optional else (min(every), max(every))
        shown = {"of": rule.of, "missing": True, "optional": rule.optional, "group": rule.group}
        return Evidence(rule.id, None, low, high, rule.maximum, shown)
    if isinstance(fact, str):
        points = rule.points.get(fact, 0.0)
        return Evidence(rule.id, points, points, points, rule.maximum, {"of": rule.of, "answer": fact, "group": rule.group})
    low = at_step(rule.steps, fact.low)
    high = at_step(rule.steps, fact.high) if fact.high is not None else rule.maximum
    value = None if fact.value is None else at_step(rule.steps, fact.value)
    shown = {"of": rule.of, "value": fact.value, "low": fact.low, "high": fact.high, "group": rule.group}
    return Evidence(rule.id, value, min(low, high), max(low, high), rule.maximum, shown)


def total_points(lines: Sequence[Evidence]) -> Span:
    """The sum of the evidence; of a group only the line with most points counts."""
    low = high = 0.0
    value: float | None = 0.0
    groups: dict[str, list[Evidence]] = {}
    for index, line in enumerate(lines):
        groups.setdefault(str(line.shown["group"]) or f"alone {index}", []).append(line)
    for members in groups.values():
        low += max(line.low for line in members)
        high += max(line.high for line in members)
        known = [line.points for line in members if line.points is not None]
        settled = [line.low for line in members if line.points is None and line.low == line.high]
        if len(known) + len(settled) == len(members) and value is not None:
            value += max([*known, *settled])
        else:
            value = None
    return Span("grade_points", value, low, high)


def grade_at(rules: Rules, points: float) -> str:
    """The grade that a sum of points stands for."""
    limits = (rules.moderate, rules.high, rules.very_high)
    return GRADES[sum(points >= limit for limit in limits)]


def make_grade(rules: Rules, judge: Judge, answers: Answers, measured: Mapping[str, Number], why_not: Sequence[Note]) -> Grade:
    """The grade of these answers and measures; `judge` gives evidence and points for any of them.

    There is none, and `why` says so, where `why_not` holds reasons already or where the span covers three grades.
    """
    lines, span = judge(answers, {})
    low, high = grade_at(rules, span.low), grade_at(rules, _top(span))
    why = list(why_not)
    if GRADES.index(high) - GRADES.index(low) > WIDEST_SPAN:
        why.append(Note("grade_too_wide", {"low": low, "high": high}, "information"))
    middle = span.value if span.value is not None else 0.5 * (span.low + _top(span))
    return Grade(
        grade=None if why else grade_at(rules, middle),
        low=low,
        high=high,
        points=span,
        rules=rules.name,
        evidence=lines,
        changes=changes(rules, judge, answers, measured),
        why=tuple(why),
    )


def _top(span: Span) -> float:
    assert span.high is not None
    return span.high


def changes(rules: Rules, judge: Judge, answers: Answers, measured: Mapping[str, Number]) -> tuple[Change, ...]:
    """What knowing one more answer, or a measure at an end of its interval, would make of the grades; those that move nothing
    are left out, those that move most come first.
    """

    def span_of(changed: Answers, exact: Mapping[str, Number]) -> tuple[str, str, float, float]:
        span = judge({**answers, **changed}, exact)[1]
        return grade_at(rules, span.low), grade_at(rules, _top(span)), span.low, _top(span)

    now = span_of({}, {})
    tried: list[tuple[str, Answer, tuple[str, str, float, float]]] = []
    for name, known in answers.items():
        every = _possible(name) if known is None else _ends(known)
        tried += [(name, answer, span_of({name: answer}, {})) for answer in every]
    for name in dict.fromkeys(rule.of for rule in rules.rule):
        if name in measured and name not in answers:
            tried += [(name, end, span_of({}, {name: end})) for end in _ends(measured[name])]
    moving = [(name, answer, then) for name, answer, then in tried if then[:2] != now[:2]]
    moving.sort(key=lambda entry: -_moved(now, entry[2]))
    return tuple(Change(name, _shown(answer), then[0], then[1]) for name, answer, then in moving)


def _ends(answer: Answer) -> list[Number]:
    """The ends of a number's interval, each as if it were exactly that; none where it is known exactly or is no number."""
    if not isinstance(answer, Number) or answer.low == answer.high:
        return []
    return [Number(end, end, end) for end in (answer.low, answer.high)]


def _moved(now: tuple[str, str, float, float], then: tuple[str, str, float, float]) -> float:
    return abs(now[2] - then[2]) + abs(now[3] - then[3])


def _possible(name: str) -> list[Answer]:
    """Answers to try for a question; none for one that is not asked of a user."""
    if name == "age_years":
        return [Number(age, age, age) for age in EXAMPLE_AGES]
    field = Clinical.model_fields.get(name)
    if field is None:
        return []
    kind = str(field.annotation)
    if "bool" in kind:
        return ["no", "yes"]
    if "Literal" not in kind:
        return []
    return [part.strip(" '\"") for part in kind.split("Literal[")[1].split("]")[0].split(",") if part.strip(" '\"") != "other"]


def _shown(answer: Answer) -> str:
    return f"{answer.value:.3g}" if isinstance(answer, Number) else str(answer)
