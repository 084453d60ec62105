"""What is kept of the table a model was trained on: distributions in bins, and marks by which its rows are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from pydantic import TypeAdapter, ValidationError

from aneuflow.errors import InputError
from aneuflow.types import FloatArray

BINS = 20
_MARK_LENGTH = 12


@dataclass(frozen=True)
class Distribution:
    """How often an answer was what, and how often it was not known.

    counts: of a number in the bins that the ascending `edges` part (one more than edges), of other answers by `levels`.
    """

    counts: tuple[int, ...]
    unknown: int
    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()

    def count(self, values: FloatArray | Iterable[str | None]) -> tuple[FloatArray, FloatArray, int]:
        """Counts kept and found in the same bins or levels, and how many of `values` are not known (nan or None).

        A level that was not kept comes behind the others, with none kept.
        """
        if isinstance(values, np.ndarray):
            known = values[np.isfinite(values)]
            found = np.bincount(np.searchsorted(self.edges, known, side="right"), minlength=len(self.counts))
            return np.array(self.counts, np.float64), found.astype(np.float64), len(values) - len(known)
        given = list(values)
        present = [value for value in given if value is not None]
        names = [*self.levels, *sorted(set(present) - set(self.levels))]
        kept = [*self.counts, *[0] * (len(names) - len(self.levels))]
        return np.array(kept, np.float64), np.array([present.count(name) for name in names], np.float64), given.count(None)


@dataclass(frozen=True)
class Origin:
    """Of a model file (`model`: its SHA-256) and its table (`table`: SHA-256 of the rows, whatever their order).

    answers: each answer's distribution; probability: that of the model's own, in [0, 1], where it knows all its answers.
    rows, patients: marks by which a row (by its answers in `columns`) or a patient that was trained on is known again.
    """

    model: str
    table: str
    answers: Mapping[str, Distribution]
    probability: Distribution
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    patients: tuple[str, ...]


def numbers_kept(values: FloatArray) -> Distribution:
    """The distribution of numbers (n,), nan unknown, in bins of equal count as far as ties allow."""
    known = values[np.isfinite(values)]
    edges = np.unique([float(f"{edge:.6g}") for edge in np.quantile(known, np.arange(1, BINS) / BINS)])
    counts = np.bincount(np.searchsorted(edges, known, side="right"), minlength=len(edges) + 1)
    return Distribution(tuple(map(int, counts)), len(values) - len(known), edges=tuple(map(float, edges)))


def levels_kept(values: Iterable[str | None]) -> Distribution:
    """The distribution of answers by level, None unknown."""
    given = list(values)
    levels = sorted({value for value in given if value is not None})
    return Distribution(tuple(given.count(level) for level in levels), given.count(None), levels=tuple(levels))


def mark(content: str) -> str:
    """A short hash: the same content has the same mark. It hides no content that few others could be."""
    return hashlib.sha256(content.encode()).hexdigest()[:_MARK_LENGTH]


def origin_text(origin: Origin) -> str:
    return json.dumps(asdict(origin), ensure_ascii=False) + "\n"


def read_origin(text: str) -> Origin:
    """Raises InputError where the text is none that `aneuflow train risk` wrote."""
    try:
        return TypeAdapter(Origin).validate_json(text)
    except ValidationError as error:
        raise InputError(
            f"The file of a model's training table is none ({error.error_count()} errors); train the model again."
        ) from None
