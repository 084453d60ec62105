"""The report of two examinations: has the sac grown, where, and which measures changed by more than their errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from aneuflow.geometry.follow_up import Growth
from aneuflow.morphology.changes import Change
from aneuflow.quantities import quantity
from aneuflow.report.content import Report
from aneuflow.report.figures import draw_figures
from aneuflow.report.growth_scenes import ComparisonContent, growth_payload
from aneuflow.report.html import asset, data_address, definition, page_environment, viewer_values
from aneuflow.report.numbers import decimals_of, format_number, format_unit, format_value
from aneuflow.report.pdf import print_pdf
from aneuflow.report.text import Language, note_text, quantity_name, text
from aneuflow.types import Measure, Note

METHOD = ("registration", "neck", "limit", "errors", "rupture")


@dataclass(frozen=True)
class ChangeRow:
    """One line of the table of changes, ready to be shown."""

    name: str
    symbol: str
    first: str
    second: str
    change: str
    interval: str
    unit: str
    word: str
    beyond_error: bool


def build_comparison(content: ComparisonContent, language: Language) -> Report:
    """The report in a language; what could not be made is left out and named in the notes and on the page."""
    pictures, drawing_notes = draw_figures(content, "aneuflow.report.growth_scenes")
    pdf, pdf_notes = print_pdf(_page(content, pictures, drawing_notes, language, interactive=False), language)
    notes = (*drawing_notes, *pdf_notes)
    return Report(_page(content, pictures, notes, language, interactive=True), pdf, notes)


def verdict_sentences(verdict: str, growth: Growth, language: Language) -> list[str]:
    """What was found, in one sentence, and how well the arteries fit, in another."""
    values = {
        "grown": f"{growth.grown_mm2:.0f}",
        "shrunk": f"{growth.shrunk_mm2:.0f}",
        "largest": format_number(growth.largest_mm, 2),
        "least": format_number(growth.least_mm, 2),
        "inward": format_number(-growth.least_mm, 2),
        "limit": format_number(growth.limit_mm, 2),
    }
    fit = text(
        language, "compare.fit", sd=format_number(growth.artery_sd_mm, 2), shift=format_number(growth.artery_shift_mm, 2)
    )
    return [text(language, f"compare.verdict_{verdict}", **values), fit]


def change_row(change: Change, language: Language) -> ChangeRow:
    """A change as a table shows it, rounded by its own interval."""
    entry = quantity(change.first.id)
    difference = Measure(change.first.id, change.value, change.low, change.high)
    decimals = decimals_of(difference)
    shown = format_number(change.value, decimals)
    word = "" if change.low is None else text(language, f"compare.{'beyond' if change.beyond_error else 'within'}_error")
    return ChangeRow(
        name=quantity_name(language, entry),
        symbol=entry.symbol,
        first=format_value(change.first),
        second=format_value(change.second),
        change=f"+{shown}" if change.value > 0 and shown.strip("0.") else shown,
        # Numbers of either sign need more than a dash between them.
        interval=" … ".join(format_number(bound, decimals) for bound in (change.low, change.high) if bound is not None),
        unit=format_unit(entry.unit),
        word=word,
        beyond_error=change.beyond_error,
    )


def comparison_values(content: ComparisonContent, language: Language) -> dict[str, Any]:
    """What was found in words and rows: `headline`, `tables` of (group, rows), `method`."""
    groups: dict[str, list[ChangeRow]] = {}
    for change in content.changes:
        groups.setdefault(quantity(change.first.id).group, []).append(change_row(change, language))
    return {
        "headline": verdict_sentences(content.verdict, content.growth, language),
        "tables": [(text(language, f"group.{group}"), rows) for group, rows in groups.items()],
        "method": [text(language, f"compare.method_{key}", sd=f"{content.surface_sd_mm:.2f}") for key in METHOD],
    }


def _page(
    content: ComparisonContent, pictures: Mapping[str, bytes], notes: tuple[Note, ...], language: Language, interactive: bool
) -> str:
    environment = page_environment()
    values: dict[str, Any] = {
        **comparison_values(content, language),
        "t": partial(text, language),
        "language": language,
        "interactive": interactive,
        "style": asset(environment, "report.css"),
        "pictures": {name: data_address(picture) for name, picture in pictures.items()},
        "content": content,
        "notes": [note_text(language, note) for note in notes],
        "definitions": [definition(quantity(change.first.id), language) for change in content.changes],
    }
    if interactive:
        values |= viewer_values(environment, growth_payload(content, language), language)
    return environment.get_template("comparison.html").render(values)
