"""The catalogue is whole: both languages say the same things, and every note that the code can give has a wording."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

import aneuflow
from aneuflow.errors import AneuflowError
from aneuflow.quantities import registry
from aneuflow.report.text import catalogue, note_text, text
from aneuflow.types import Note

SOURCE = Path(aneuflow.__file__).parent


def _fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def _literal_notes() -> Iterator[tuple[str, str, set[str] | None]]:
    """(file, code, names of its values or None where they are not a literal) of every Note(...) written in the source."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Note" and node.args):
                continue
            values: set[str] | None = set()
            given = node.args[1:2] + [keyword.value for keyword in node.keywords if keyword.arg == "values"]
            if given:
                keys = given[0].keys if isinstance(given[0], ast.Dict) else [None]
                literal = all(isinstance(key, ast.Constant) for key in keys)
                values = {str(key.value) for key in keys if isinstance(key, ast.Constant)} if literal else None
            for code in ast.walk(node.args[0]):
                if (
                    isinstance(code, ast.Constant)
                    and isinstance(code.value, str)
                    and isinstance(node.args[0], ast.Constant | ast.IfExp)
                ):
                    yield file.name, code.value, values


def test_both_languages_have_the_same_texts_with_the_same_fields() -> None:
    english, chinese = catalogue("en"), catalogue("zh")
    assert english.keys() == chinese.keys()
    assert [key for key in english if _fields(english[key]) != _fields(chinese[key])] == []


def test_no_english_sentence_was_left_in_the_chinese_catalogue() -> None:
    sentences = [sentence for key, sentence in catalogue("zh").items() if key.startswith(("note.", "method.", "caption."))]
    assert [sentence for sentence in sentences if not any("一" <= letter <= "鿿" for letter in sentence)] == []


def test_every_note_in_the_source_has_a_wording_that_its_values_fill() -> None:
    english = catalogue("en")
    no_codes = _conditions()
    notes = [note for note in _literal_notes() if note[1] not in no_codes]
    assert len(notes) > 3
    missing = sorted({f"{code} in {file}" for file, code, _ in notes if f"note.{code}" not in english})
    assert missing == []
    unfilled = [
        f"{code} in {file}"
        for file, code, values in notes
        if values is not None and not _fields(english[f"note.{code}"]) <= values
    ]
    assert unfilled == []


def _conditions() -> set[str]:
    """String constants inside a conditional code's test, which are not codes."""
    found: set[str] = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.IfExp):
                found |= {str(part.value) for part in ast.walk(node.test) if isinstance(part, ast.Constant)}
    return found


def test_every_group_of_the_registry_has_a_heading() -> None:
    assert {entry.group for entry in registry().values()} <= {key[6:] for key in catalogue("en") if key.startswith("group.")}


def test_a_text_is_filled_and_a_missing_one_is_named() -> None:
    assert text("en", "report.seconds", seconds=2.345) == "2.3 s"
    with pytest.raises(AneuflowError, match=r"report\.nothing"):
        text("en", "report.nothing")


def test_a_note_without_wording_or_with_missing_values_is_shown_not_lost() -> None:
    assert note_text("en", Note("unheard_of", {"count": 3})) == "unheard_of (count = 3)"
    assert note_text("zh", Note("figure_failed")) == "figure_failed"
