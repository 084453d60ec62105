"""Every sentence and label a user reads, in English and Simplified Chinese, from one catalogue."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

from aneuflow.errors import AneuflowError
from aneuflow.quantities import Quantity, registry
from aneuflow.types import Note

Language = Literal["en", "zh"]


@cache
def catalogue(language: Language) -> Mapping[str, str]:
    """All texts of a language by `section.key`."""
    file = resources.files("aneuflow.report") / "text" / f"{language}.toml"
    sections = tomllib.loads(file.read_text("utf-8"))
    return {f"{section}.{key}": sentence for section, entries in sections.items() for key, sentence in entries.items()}


def text(language: Language, key: str, **values: Any) -> str:
    """The text `key` ("section.key") with `values` put into its fields. Raises AneuflowError where there is no such text."""
    try:
        sentence = catalogue(language)[key]
    except KeyError:
        raise AneuflowError(f"Text {key} is not in the {language} catalogue; add it to report/text/{language}.toml.") from None
    return sentence.format(**values)


def flow_text(language: Language, key: str, steady: bool) -> str:
    """The text `key` in its wording for steady flow, where it is steady and there is such a wording: nothing about cycles."""
    return text(language, f"{key}_steady" if steady and f"{key}_steady" in catalogue(language) else key)


def note_text(language: Language, note: Note) -> str:
    """The sentence of a note; one without a wording is shown by its code and values, for a warning must never be lost."""
    try:
        return text(language, f"note.{note.code}", **{name: _worded(language, value) for name, value in note.values.items()})
    except (AneuflowError, KeyError, IndexError, ValueError, TypeError):
        values = ", ".join(f"{name} = {value}" for name, value in note.values.items())
        return f"{note.code} ({values})" if values else note.code


def _worded(language: Language, value: Any) -> Any:
    """A list of (reason, points) in words, the name of an answer or a quantity in the language; anything else as it is."""
    if isinstance(value, str):
        known = registry().get(value)
        return catalogue(language).get(f"answer.{value}", quantity_name(language, known) if known else value)
    if not isinstance(value, list | tuple):
        return value
    reasons = [f"{text(language, f'series.{reason}')} {points:+.0f}" for reason, points in value]
    return ", ".join(reasons) or "–"


def quantity_name(language: Language, quantity: Quantity) -> str:
    """The name of a quantity in the language."""
    return quantity.name_zh if language == "zh" else quantity.name_en


def quantity_definition(language: Language, quantity: Quantity) -> str:
    """The definition of a quantity in the language."""
    return quantity.definition_zh if language == "zh" else quantity.definition_en
