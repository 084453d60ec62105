"""The registry of quantities: whatever number a user sees has its name, unit and definition here, once."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from aneuflow.errors import AneuflowError


@dataclass(frozen=True)
class Quantity:
    """One entry; `definition_id` names the wording a stored number was made by and changes when the definition does.

    `code`: scheme, value and meaning of a standard code for the same quantity, empty where none is known.
    """

    id: str
    group: str
    symbol: str
    name_en: str
    name_zh: str
    unit: str
    definition_en: str
    definition_zh: str
    formula: str
    source: str
    revision: int = 1
    code: Sequence[str] = ()

    @property
    def definition_id(self) -> str:
        return f"{self.id}/{self.revision}"


@cache
def registry() -> dict[str, Quantity]:
    """All quantities by id, in the order tables show them."""
    entries: dict[str, Quantity] = {}
    folder = resources.files("aneuflow") / "data" / "quantities"
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        tables = tomllib.loads(file.read_text("utf-8"))
        words = tables.pop("words", {})
        for id, values in itertools.chain.from_iterable(_each(*table, words) for table in tables.items()):
            if id in entries:
                raise AneuflowError(f"Quantity {id} stands twice in the registry, again in {file.name}; keep one entry.")
            entries[id] = Quantity(id=id, **values)
    return entries


def _each(pattern: str, values: Mapping[str, Any], words: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The quantities that one table of a file stands for: one, or one for each choice of the words its id has fields for."""
    fields = [name for name in words if f"{{{name}}}" in pattern]
    if not fields:
        yield pattern, values
        return
    for keys in itertools.product(*(words[name] for name in fields)):
        chosen = dict(zip(fields, keys, strict=True))
        texts = {
            f"{text}_{language}": values[f"{text}_{language}"].format(
                **{name: words[name][key][language] for name, key in chosen.items()}
            )
            for text in ("name", "definition")
            for language in ("en", "zh")
        }
        yield pattern.format(**chosen), {**values, **texts}


def quantity(id: str) -> Quantity:
    """The entry of `id`. Raises AneuflowError where there is none: a number without a definition is not written."""
    try:
        return registry()[id]
    except KeyError:
        raise AneuflowError(f"Quantity {id} is not in the registry; add it to data/quantities first.") from None
