"""Writes the pages of docs/ that are made from code: of the registry, the settings models and the last `aneuflow verify`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from aneuflow.pipeline.settings import Settings
from aneuflow.quantities import registry
from aneuflow.report.dicom.codes import quantity_code
from aneuflow.verification.page import markdown

DOCS = Path(__file__).parent


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def quantities_page() -> str:
    """The table of all quantities, one section a group."""
    lines = ["# Quantities", "", "Made from the registry (`src/aneuflow/data/quantities`) by `make docs`; do not edit here."]
    groups: dict[str, list[str]] = {}
    for entry in registry().values():
        cells = (
            f"`{entry.id}`",
            entry.symbol,
            f"{entry.name_en}<br>{entry.name_zh}",
            entry.unit,
            f"{entry.definition_en}<br>{entry.definition_zh}",
            entry.formula,
            entry.source,
            entry.definition_id,
            " ".join(quantity_code(entry)[:2]),
        )
        groups.setdefault(entry.group, []).append("| " + " | ".join(map(_cell, cells)) + " |")
    for group, rows in groups.items():
        head = "| id | symbol | name | unit | definition | formula | source | definition id | DICOM code |"
        lines += ["", f"## {group}", "", head, "|---" * 9 + "|", *rows]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """The table of all settings, one section a table of the TOML file."""
    lines = [
        "# Settings",
        "",
        "Made from the settings models by `make docs`. Each section is a table of the TOML file of `--settings`.",
    ]
    for name, table in Settings.model_fields.items():
        model = table.annotation
        assert isinstance(model, type) and issubclass(model, BaseModel)
        lines += ["", f"## [{name}]", "", "| setting | default | allowed | what it is |", "|---|---|---|---|"]
        schema = model.model_json_schema()["properties"]
        for field, entry in model.model_fields.items():
            bounds = {"minimum": ">=", "maximum": "<=", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
            limits = [f"{sign} {schema[field][key]}" for key, sign in bounds.items() if key in schema[field]]
            allowed = ", ".join([*map(str, schema[field].get("enum", [])), *limits])
            default = entry.default if entry.default is not None else "automatic"
            lines.append(f"| `{field}` | {_cell(default)} | {_cell(allowed)} | {_cell(entry.description)} |")
    return "\n".join(lines) + "\n"


def accuracy_page() -> str:
    """The page of the last verification, with a way to the record that says what it is worth."""
    page = markdown(json.loads((DOCS / "accuracy.json").read_text("utf-8")))
    head, rest = page.split("\n\n", 1)
    return f"{head}\n\nWhat it is worth for which use: [verification and validation](verification-and-validation.md).\n\n{rest}"


if __name__ == "__main__":
    (DOCS / "accuracy.md").write_text(accuracy_page(), "utf-8")
    (DOCS / "quantities.md").write_text(quantities_page(), "utf-8")
    (DOCS / "settings.md").write_text(settings_page(), "utf-8")
