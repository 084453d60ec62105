"""The sac's measures by geometry beside those of the network that is given points of the wall alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aneuflow.quantities import quantity
from aneuflow.report.content import ReportContent
from aneuflow.report.numbers import format_interval, format_unit, format_value
from aneuflow.report.text import Language, quantity_name, text
from aneuflow.types import Measure, differ


@dataclass(frozen=True)
class LearnedRow:
    """A measure by geometry and as learned, with the interval of the latter."""

    name: str
    geometric: str
    learned: str
    interval: str
    unit: str
    word: str


def learned_rows(content: ReportContent, language: Language) -> list[LearnedRow]:
    """The rows of the comparison, in the order of the network; none where it gave no measures."""
    geometric: Mapping[str, Measure] = {measure.id: measure for measure in content.morphology.measures}
    return [_row(one, geometric.get(one.id), language) for one in content.morphology.learned]


def _row(learned: Measure, geometric: Measure | None, language: Language) -> LearnedRow:
    entry = quantity(learned.id)
    return LearnedRow(
        name=quantity_name(language, entry),
        geometric="–" if geometric is None else format_value(geometric),
        learned=format_value(learned),
        interval=format_interval(learned),
        unit=format_unit(entry.unit),
        word=text(language, "learned.apart") if geometric is not None and differ(learned, geometric) else "",
    )
