"""The published scores: tables in data/scores, answers in, points and what they stand for out, as far as they can be known."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from aneuflow.risk.clinical import Answer, Answers, Number
from aneuflow.types import Note, ScoreResult, Span

SCORES = ("phases", "elapss", "ucas", "uiats")
Points = tuple[float, ...]


class DoesNotApplyError(Exception):
    """The table has no points for an answer; `note` says which."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.code)
        self.note = note


@cache
def score_table(id: str) -> dict[str, Any]:
    """The table of a score as it stands in data/scores."""
    file = resources.files("aneuflow") / "data" / "scores" / f"{id}.toml"
    return tomllib.loads(file.read_text("utf-8"))


@cache
def left_out_scores() -> dict[str, dict[str, str]]:
    """Scores that are not computed, with the reason in both languages."""
    return score_table("left-out")


def phases(answers: Answers) -> ScoreResult:
    """PHASES, five-year risk of rupture (Greving 2014)."""
    return score("phases", answers)


def elapss(answers: Answers) -> ScoreResult:
    """ELAPSS, three- and five-year risk of growth (Backes 2017)."""
    return score("elapss", answers)


def ucas(answers: Answers) -> ScoreResult:
    """UCAS Japan, three-year risk of rupture, without the daughter sac (Tominari 2015)."""
    return score("ucas", answers)


def uiats(answers: Answers) -> ScoreResult:
    """UIATS, two sums of arguments, without the advice drawn from them (Etminan 2015)."""
    return score("uiats", answers)


def all_scores(answers: Answers) -> tuple[ScoreResult, ...]:
    """Every score for these answers; one that does not apply says why."""
    return tuple(score(id, answers) for id in SCORES)


def score(id: str, answers: Answers) -> ScoreResult:
    """A score by its table. What is unknown spans all that is possible; `value` is None unless every answer is known.

    While an answer is unknown whose points could not be confirmed (`open_above` in the table), the score is open above.
    """
    table = score_table(id)
    answers = {**answers, "constant": "yes"}
    try:
        _check_population(table, answers)
        items = [(item, possible_points(item, answers.get(item["answer"]))) for item in table["item"]]
    except DoesNotApplyError as error:
        return ScoreResult(id, (), (), (), error.note)
    totals = {name: _total(name, items, answers) for name in dict.fromkeys(item["total"] for item in table["item"])}
    missing = dict.fromkeys(
        item["answer"] for item, found in items if answers.get(item["answer"]) is None and len(set(found)) > 1
    )
    unknown_requirements = [name for name in table.get("requires", {}) if answers.get(name) is None]
    spans = tuple(totals.values())
    outcomes = tuple(_outcome(entry, totals[entry["of"]]) for entry in table.get("outcome", ()))
    if any(answers.get(name) is None for name in table.get("open_above", ())):
        spans, outcomes = _open_above(spans), _open_above(outcomes)
    return ScoreResult(id, spans, outcomes, tuple(dict.fromkeys([*missing, *unknown_requirements])))


def _open_above(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    return tuple(replace(span, value=None, high=None) for span in spans)


def possible_points(item: Mapping[str, Any], answer: Answer) -> Points:
    """All points an item can have for an answer. Raises DoesNotApplyError where its table has none for it."""
    if "steps" in item:
        steps = item["steps"]
        if answer is None:
            return tuple(points for _, points in steps)
        if not isinstance(answer, Number):
            raise DoesNotApplyError(Note("score_no_points", {"answer": item["answer"], "given": answer}, "information"))
        low, high = at_step(steps, answer.low), at_step(steps, answer.high)
        between = (points for start, points in steps if answer.low <= start <= answer.high)
        return tuple(dict.fromkeys([low, *between, high]))
    table = item["points"]
    if answer is None:
        return tuple(_flat(table.values()))
    if not isinstance(answer, str) or answer not in table:
        given = answer.value if isinstance(answer, Number) else answer
        raise DoesNotApplyError(Note("score_no_points", {"answer": item["answer"], "given": given}, "information"))
    return tuple(_flat([table[answer]]))


def at_step(steps: Iterable[Iterable[float]], value: float) -> float:
    """The entry of the last step that begins at or under the value: steps are [[from, entry], ...], ascending."""
    found = 0.0
    for start, entry in steps:
        if value >= start:
            found = entry
    return found


def _flat(entries: Iterable[Any]) -> list[float]:
    return [point for entry in entries for point in (entry if isinstance(entry, list) else [entry])]


def _check_population(table: Mapping[str, Any], answers: Answers) -> None:
    for name, allowed in table.get("requires", {}).items():
        answer = answers.get(name)
        if isinstance(answer, Number):
            if not allowed[0] <= answer.value <= allowed[1]:
                note = Note(
                    "score_outside",
                    {"answer": name, "given": answer.value, "from": allowed[0], "to": allowed[1]},
                    "information",
                )
                raise DoesNotApplyError(note)
        elif answer is not None and answer not in allowed:
            raise DoesNotApplyError(Note("score_no_points", {"answer": name, "given": answer}, "information"))


def _total(name: str, items: list[tuple[dict[str, Any], Points]], answers: Answers) -> Span:
    own = [(item, points) for item, points in items if item["total"] == name]
    low, high = sum(min(points) for _, points in own), sum(max(points) for _, points in own)
    value: float | None = 0.0
    for item, points in own:
        answer = answers.get(item["answer"])
        if isinstance(answer, Number) and value is not None:
            value += at_step(item["steps"], answer.value)
        elif value is not None and len(set(points)) == 1:
            value += points[0]
        else:
            value = None
    return Span(name, value, low, high)


def _outcome(entry: Mapping[str, Any], total: Span) -> Span:
    """What a total stands for; a class that is published as a range keeps both its ends and has no single value."""
    assert total.high is not None
    if "steps" in entry:
        value = None if total.value is None else at_step(entry["steps"], total.value)
        return Span(entry["quantity"], value, at_step(entry["steps"], total.low), at_step(entry["steps"], total.high))
    ranges = [row for row in entry["ranges"] if row[0] <= total.high]
    first = [row for row in ranges if row[0] <= total.low][-1]
    last = ranges[-1]
    return Span(entry["quantity"], None, first[1], last[2] if len(last) > 2 else None)
