"""Answers that contradict each other or the model: each is questioned by name and value, and no grade is made over it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from aneuflow.risk.clinical import Clinical, Number
from aneuflow.types import LumenModel, Note

YOUNG, OLD = 16, 100
SIZE_DIFFERENCE, SIZE_DIFFERENCE_MM = 0.3, 2.0
GROWTH_MM = 1.0


@cache
def sites() -> dict[str, dict[str, Any]]:
    """Of each site, which kinds of aneurysm and which parent diameters do not speak against it."""
    file = resources.files("aneuflow") / "data" / "risk" / "sites.toml"
    return tomllib.loads(file.read_text("utf-8"))


def possible_sites(model: LumenModel, parent: Number | None) -> tuple[str, ...]:
    """The sites that kind and parent diameter do not exclude: a proposal for the user to confirm."""
    if model.aneurysm is None:
        return ()
    return tuple(site for site in sites() if not _excluded(site, model.aneurysm.kind, parent))


def _excluded(site: str, kind: str, parent: Number | None) -> str:
    facts = sites().get(site)
    if facts is None:
        return ""
    if kind not in facts["kinds"]:
        return kind
    smallest, largest = facts["parent_diameter_mm"]
    if parent is not None and (parent.high < smallest or parent.low > largest):
        return f"{parent.value:.1f} mm"
    return ""


def questions(clinical: Clinical, model: LumenModel, measured: Mapping[str, Number | None]) -> tuple[Note, ...]:
    """What must be put right or confirmed before a grade is made."""
    found = (note for note in _questions(clinical, model, measured))
    return tuple(note for note in found if note.values["answer"] not in clinical.confirmed)


def _questions(clinical: Clinical, model: LumenModel, measured: Mapping[str, Number | None]) -> Iterator[Note]:
    age = clinical.age_years
    if age is not None and not YOUNG <= age <= OLD:
        yield _note("question_age", "age_years", age)
    size = measured.get("maximum_diameter")
    if size is not None and clinical.size_mm is not None:
        apart = abs(clinical.size_mm - size.value)
        if apart > max(SIZE_DIFFERENCE * size.value, SIZE_DIFFERENCE_MM):
            yield _note("question_size", "size_mm", clinical.size_mm, measured=round(size.value, 1))
    if model.aneurysm is not None and clinical.site is not None:
        against = _excluded(clinical.site, model.aneurysm.kind, measured.get("parent_diameter"))
        if against:
            yield _note("question_site", "site", clinical.site, against=against)
    blebs = measured.get("bleb_count")
    if blebs is not None and blebs.low >= 1 and clinical.daughter_sac is False:
        yield _note("question_daughter_sac", "daughter_sac", "no", measured=round(blebs.value))
    change = clinical.growth_mm
    if change is not None and clinical.growth is not None and clinical.growth != (change >= GROWTH_MM):
        yield _note("question_growth", "growth", "yes" if clinical.growth else "no", change=change)
    if clinical.de_novo and clinical.growth is False and change:
        yield _note("question_growth", "de_novo", "yes", change=change)


def _note(code: str, answer: str, given: object, **values: object) -> Note:
    return Note(code, {"answer": answer, "given": given, **values}, "warning")
