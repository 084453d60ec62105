"""A learned model of resemblance: additive on the log-odds, read from JSON, applied without any learning library.

A term belongs to one answer. A number's term is a line with hinges (on its logarithm where `transform` is "log"), a level's
term one coefficient a level; all columns are centered on the training table, so that a contribution is against its mean.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import numpy as np

from aneuflow.errors import InputError
from aneuflow.risk.clinical import Answer, Answers, Number
from aneuflow.risk.origin import Origin, read_origin
from aneuflow.types import Contribution, FloatArray, Resemblance, SimilarCase, Span

MODEL_FILE, CASES_FILE, ORIGIN_FILE = "resemblance.json", "resemblance-cases.csv", "resemblance-training.json"
PROBABILITY = "rupture_resemblance"
NORMAL_95 = 1.96
# Levels rarer than this in the training table are no part of what an unknown answer can be.
LEAST_SHARE = 0.02
# Between cases: another level is one apart, a number one apart for each standard deviation, an unknown answer as far.
LEVEL_DISTANCE = UNKNOWN_DISTANCE = 1.0
# With fewer of its answers known a case is as near to hundreds of others; which of them came first would be chance.
LEAST_KNOWN = 0.5


@dataclass(frozen=True)
class Model:
    """A model as its JSON file holds it (`content`), its hash, and the cases it was trained on (may be empty)."""

    content: Mapping[str, Any]
    sha256: str
    cases: tuple[SimilarCase, ...]

    @property
    def radiomics(self) -> Mapping[str, Any]:
        """How the image features that it asks for were made (`settings`) and how reliable each is; empty without any."""
        return dict(self.content.get("radiomics", {}))

    @property
    def terms(self) -> list[dict[str, Any]]:
        return list(self.content["terms"])


@cache
def shipped_model() -> Model:
    """The model that comes with the package."""
    return model_in(_shipped())


def shipped_origin() -> Origin:
    """What is kept of the table that the model of the package was trained on."""
    return origin_in(_shipped())


def _shipped() -> Traversable:
    return resources.files("aneuflow") / "data" / "risk"


def model_in(folder: Traversable) -> Model:
    """The model in a folder of `aneuflow train risk`, which may have lost its cases. Raises InputError where there is none."""
    cases = folder / CASES_FILE
    return read_model(_read(folder, MODEL_FILE), cases.read_text("utf-8") if cases.is_file() else "")


def origin_in(folder: Traversable) -> Origin:
    """What is kept beside a model of its table. Raises InputError where that is missing or of another model's file."""
    origin = read_origin(_read(folder, ORIGIN_FILE))
    if origin.model != hashlib.sha256(_read(folder, MODEL_FILE).encode()).hexdigest():
        raise InputError(f"{folder / ORIGIN_FILE} is of another model than the {MODEL_FILE} beside it; train the model again.")
    return origin


def _read(folder: Traversable, name: str) -> str:
    try:
        return (folder / name).read_text("utf-8")
    except OSError as error:
        raise InputError(f"{folder} has no {name} ({error.strerror}); give a folder of `aneuflow train risk`.") from None
    except UnicodeDecodeError:
        raise InputError(f"{folder / name} is no text; give a folder of `aneuflow train risk`.") from None


def read_model(text: str, cases: str = "") -> Model:
    """A model from its JSON and, where there are any, its cases as CSV. Raises InputError where the JSON is no such model."""
    try:
        content = json.loads(text)
        kinds = {term["kind"] for term in content["terms"]}
        size = sum(len(column_names(term)) for term in content["terms"])
        sound = (
            kinds <= {"number", "level"} and np.shape(content["covariance"]) == (size, size) and np.isfinite(content["base"])
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"The model file is none ({error}); give one written by `aneuflow train risk`.") from error
    if not sound:
        raise InputError("The model file is damaged: its terms and covariance do not fit; train it again.")
    rows = list(csv.DictReader(cases.splitlines()))
    found = tuple(SimilarCase({k: v for k, v in row.items() if k != "ruptured"}, row["ruptured"] == "yes") for row in rows)
    return Model(content, hashlib.sha256(text.encode()).hexdigest(), found)


def column_names(term: Mapping[str, Any]) -> list[str]:
    """The columns a term spans in the design matrix."""
    if term["kind"] == "number":
        return [term["answer"], *(f"{term['answer']} over {knot:g}" for knot in term["knots"])]
    return [f"{term['answer']} = {level}" for level in term["levels"]]


def number_columns(term: Mapping[str, Any], values: FloatArray) -> FloatArray:
    """(n, 1 + knots) columns of a number's term, not centered; nan stays nan."""
    scaled = np.log(values) if term["transform"] == "log" else np.asarray(values, dtype=np.float64)
    knots = [float(np.log(knot)) if term["transform"] == "log" else knot for knot in term["knots"]]
    return np.column_stack([scaled, *(np.maximum(scaled - knot, 0.0) for knot in knots)])


def level_columns(term: Mapping[str, Any], values: list[str | None]) -> FloatArray:
    """(n, levels) columns of a level's term, not centered; nan where the level is unknown to it."""
    aliases = term.get("aliases", {})
    columns = np.full((len(values), len(term["levels"])), np.nan)
    for row, value in enumerate(values):
        level = aliases.get(value, value)
        if level in term["levels"]:
            columns[row] = [float(level == other) for other in term["levels"]]
    return columns


def resemblance(model: Model, answers: Answers, similar: int = 5) -> Resemblance:
    """How much an aneurysm resembles the ruptured ones of the training table.

    probability is in percent; its value is None where an answer is missing, low and high then span what the answer can be.
    Measured intervals and the uncertainty of the coefficients (95 %) are part of the span.
    """
    parts = [_TermSpan(term, answers.get(term["answer"])) for term in model.terms]
    covariance = np.asarray(model.content["covariance"])
    base = float(model.content["base"])
    low, high = (_logit_end(base, parts, covariance, side) for side in (-1.0, 1.0))
    missing = tuple(part.answer for part in parts if part.missing)
    value = None if missing else _percent(base + sum(part.value for part in parts))
    table = model.content.get("trained_on", {})
    return Resemblance(
        model=model.content["id"],
        sha256=model.sha256,
        probability=Span(PROBABILITY, value, _percent(low), _percent(high)),
        base=base,
        contributions=tuple(part.contribution() for part in parts),
        missing=missing,
        outside={part.answer: part.outside for part in parts if part.outside},
        similar=similar_cases(model, answers, similar),
        table_sha256=table.get("sha256", ""),
        ruptured_share=table.get("ruptured_share"),
        auc=model.content.get("performance", {}).get("auc"),
    )


class _TermSpan:
    """A term with the columns that an answer can mean: `rows` (k, columns), centered; the first is the answer itself."""

    def __init__(self, term: Mapping[str, Any], answer: Answer) -> None:
        self.term, self.answer, self.given = term, str(term["answer"]), answer
        self.missing, self.outside = answer is None, ""
        coefficients = (
            np.asarray(term["coefficients"])
            if term["kind"] == "number"
            else np.array([level["coefficient"] for level in term["levels"].values()])
        )
        self.rows = (self._raw_rows() - np.asarray(term["center"])) / np.asarray(term["scale"])
        self.effects = self.rows @ coefficients

    def _raw_rows(self) -> FloatArray:
        if self.term["kind"] == "level":
            return self._level_rows()
        first, last = self.term["range"]
        if self.given is None:
            return number_columns(self.term, np.asarray(self.term["possible"], dtype=np.float64))
        if not isinstance(self.given, Number):
            raise InputError(f"Answer {self.answer} = {self.given} is no number; correct it.")
        given = self.given
        if not first <= given.value <= last:
            self.outside = f"{first:.3g}–{last:.3g}"
        knots = [knot for knot in self.term["knots"] if given.low < knot < given.high]
        return number_columns(self.term, np.clip([given.value, given.low, given.high, *knots], first, last))

    def _level_rows(self) -> FloatArray:
        levels = self.term["levels"]
        if self.given is None:
            return level_columns(self.term, [level for level, entry in levels.items() if entry["share"] >= LEAST_SHARE])
        columns = level_columns(self.term, [str(self.given)])
        if np.isnan(columns).any():
            self.outside = ", ".join(levels)
            return np.asarray(self.term["center"])[None, :]
        return columns

    @property
    def value(self) -> float:
        return float(self.effects[0])

    def contribution(self) -> Contribution:
        shown = f"{self.given.value:.3g}" if isinstance(self.given, Number) else str(self.given or "")
        low, high = float(self.effects.min()), float(self.effects.max())
        return Contribution(self.answer, shown, None if self.missing else self.value, low, high)


def _logit_end(base: float, parts: list[_TermSpan], covariance: FloatArray, side: float) -> float:
    ends = [part.rows[int(np.argmax(side * part.effects))] for part in parts]
    effect = side * sum(float((side * part.effects).max()) for part in parts)
    row = np.concatenate(ends) if ends else np.zeros(0)
    return base + effect + side * NORMAL_95 * math.sqrt(max(float(row @ covariance @ row), 0.0))


def _percent(logit: float) -> float:
    return 100.0 / (1.0 + math.exp(-min(max(logit, -30.0), 30.0)))


def similar_cases(model: Model, answers: Answers, count: int) -> tuple[SimilarCase, ...]:
    """The cases of the training table nearest in the model's answers, ties in the order of the table; none where most of the
    answers are unknown.
    """
    known = sum(answers.get(term["answer"]) is not None for term in model.terms)
    if count == 0 or known < LEAST_KNOWN * len(model.terms):
        return ()
    distances = []
    for index, case in enumerate(model.cases):
        distance = 0.0
        for term in model.terms:
            given, other = answers.get(term["answer"]), case.answers.get(term["answer"], "")
            if given is None or other == "":
                distance += UNKNOWN_DISTANCE
            else:
                distance += _difference(term, given, other)
        distances.append((distance, index))
    return tuple(model.cases[index] for _, index in sorted(distances)[:count])


def _difference(term: Mapping[str, Any], given: Answer, other: str) -> float:
    if isinstance(given, Number):
        first, last = term["range"]
        ours, theirs = (number_columns(term, np.clip([value], first, last))[0, 0] for value in (given.value, float(other)))
        return abs(float(ours - theirs)) / float(term["scale"][0])
    aliases = term.get("aliases", {})
    return 0.0 if aliases.get(given, given) == aliases.get(other, other) else LEVEL_DISTANCE
