"""The report as one HTML page: for the screen with the interactive wall, for print without it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from aneuflow.quantities import Quantity, quantity, registry
from aneuflow.report.content import ReportContent
from aneuflow.report.inflow_sentence import inflow_sentence
from aneuflow.report.learned_section import learned_rows
from aneuflow.report.numbers import format_number, format_unit
from aneuflow.report.plots import ARTERY_COLOR, SAC_COLOR
from aneuflow.report.prediction_section import prediction_values
from aneuflow.report.risk_section import risk_values
from aneuflow.report.scenes import CONSTRUCTION_COLORS, INLET_COLOR, OUTLET_COLOR
from aneuflow.report.summary import Row, all_measures, headline, key_rows, measure_row
from aneuflow.report.text import Language, catalogue, flow_text, note_text, quantity_definition, quantity_name, text
from aneuflow.report.viewer import viewer_payload
from aneuflow.types import PA_PER_MMHG, Note, OutletCondition

SECTIONS = (
    "summary", "wall", "image", "shape", "flow", "prediction", "risk", "assumed", "warnings", "method", "provenance",
    "definitions",
)  # fmt: skip
METHOD = ("lumen", "flow", "wall", "inflow", "segmentation", "models", "rupture")
SHAPE_GROUPS, BOUNDARY_GROUPS = ("sac", "vessel"), ("boundary",)
SAC_GROUPS = ("sac", "flow-sac")
COLORS = {
    "artery": ARTERY_COLOR, "sac": SAC_COLOR, "inlet": INLET_COLOR, "outlet": OUTLET_COLOR,
    "width": CONSTRUCTION_COLORS["width"], "neck": CONSTRUCTION_COLORS["neck_diameter"],
}  # fmt: skip
DOUBTS = frozenset({"sac_without_flow", "unclear_candidates", "flow_predicted"})  # of all that follows; they stand first
VIEWER_TEXTS = ("field", "view", "reset", "range", "low", "high", "logarithmic", "ostium", "centerlines")


@dataclass(frozen=True)
class Definition:
    """One row of the table of definitions."""

    name: str
    symbol: str
    unit: str
    definition: str
    formula: str
    source: str


def render_page(
    content: ReportContent, pictures: Mapping[str, bytes], notes: Iterable[Note], language: Language, interactive: bool
) -> str:
    """The page as HTML, for print without the `interactive` wall.

    `pictures`: PNG or JPEG bytes by name; `notes`: those of the report itself.
    """
    environment = page_environment()
    risk = risk_values(content.risk, language)
    prediction = prediction_values(content, language)
    optional = {"image": "image" in pictures, "risk": risk is not None, "prediction": prediction is not None}
    values = {
        "t": partial(text, language),
        "flow_caption": partial(_flow_caption, content, language),
        "language": language,
        "interactive": interactive,
        "style": asset(environment, "report.css"),
        "pictures": {name: data_address(picture) for name, picture in pictures.items()},
        "colors": COLORS,
        "vessel_suffix": "" if content.model.aneurysm is not None else "_vessel",
        "risk": risk,
        "prediction": prediction,
        "sections": [key for key in SECTIONS if key not in optional or optional[key]],
        "predicted": content.predicted_by is not None,
        "method": [f"{key}_predicted" if key == "flow" and content.predicted_by is not None else key for key in METHOD],
        **_words_and_numbers(content, language),
        **_notes_by_kind([*content.notes, *(("report", note) for note in notes)], language),
        **_provenance(content, language),
    }
    if interactive:
        payload = viewer_payload(content, language)
        values |= viewer_values(environment, payload, language)
        values["thinned"] = payload["thinned"]
    return environment.get_template("report.html").render(values)


def page_environment() -> Environment:
    """The templates of this package with the filters they use."""
    environment = Environment(
        loader=PackageLoader("aneuflow.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["symbol"] = _symbol
    environment.filters["options_whole"] = _options_whole
    return environment


def viewer_values(environment: Environment, payload: Mapping[str, Any], language: Language) -> dict[str, Any]:
    """What the templates need for the interactive wall that shows `payload`."""
    texts = {key: text(language, f"viewer.{key}") for key in VIEWER_TEXTS}
    # A "<" inside the JSON could end the script element it stands in.
    data = json.dumps({**payload, "texts": texts}, allow_nan=False).replace("<", "\\u003c")
    return {"viewer_data": Markup(data), "viewer_script": asset(environment, "viewer.js")}


def _symbol(symbol: str) -> Markup:
    """A symbol with what follows its underscore set low."""
    letter, _, index = symbol.partition("_")
    return escape(letter) + (Markup("<sub>{}</sub>").format(index) if index else "")


def _options_whole(sentence: str) -> Markup:
    """A sentence whose command-line options are not broken over two lines."""
    return Markup(re.sub(r"--[a-z][a-z-]*", r'<span class="option">\g<0></span>', str(escape(sentence))))


def asset(environment: Environment, name: str) -> Markup:
    """A style sheet or script of the templates, to stand in the page."""
    loader = environment.loader
    assert loader is not None
    return Markup(loader.get_source(environment, name)[0])


def data_address(picture: bytes) -> str:
    """A PNG or JPEG as an address that holds it whole."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _words_and_numbers(content: ReportContent, language: Language) -> dict[str, Any]:
    tables = _tables(content, language)
    return {
        "case_name": content.case_name,
        "title": text(language, "report.title" if content.model.aneurysm is not None else "report.title_vessel"),
        "headline": headline(content, language),
        "key_rows": key_rows(content, language),
        "shape_tables": [(title, rows) for group, title, rows in tables if group in SHAPE_GROUPS],
        "learned": learned_rows(content, language),
        "boundary_tables": [(title, rows) for group, title, rows in tables if group in BOUNDARY_GROUPS],
        "flow_tables": [(title, rows) for group, title, rows in tables if group not in (*SHAPE_GROUPS, *BOUNDARY_GROUPS)],
        "inflow_sentence": inflow_sentence(content, language),
        "candidates": _candidates(content),
        "boundary": _boundary_facts(content, language),
        "numerics": _numerics(content, language),
        "definitions": [definition(quantity(id), language) for id in registry() if id in all_measures(content)],
    }


def _candidates(content: ReportContent) -> list[dict[str, Any]]:
    """Rows of the table of what looks like an aneurysm in a whole tree."""
    return [
        {
            "number": candidate.number,
            "place": ", ".join(format_number(x, 1) for x in candidate.center_mm),
            "diameter": format_number(candidate.diameter_mm, 1),
            "score": format_number(candidate.score, 2),
            "chosen": candidate.chosen,
        }
        for candidate in content.model.candidates
    ]


def _numerics(content: ReportContent, language: Language) -> list[tuple[str, str]]:
    steady = content.steady
    shown = {name: value for name, value in content.flow.numerics.items() if not (steady and name == "cycles")}
    known = catalogue(language)
    labels = {name: flow_text(language, f"numerics.{name}", steady) for name in shown if f"numerics.{name}" in known}
    return [(labels.get(name, name), _plain(value, language)) for name, value in shown.items()]


def _tables(content: ReportContent, language: Language) -> list[tuple[str, str, list[Row]]]:
    """(group, title, rows) in the order of the registry; a bare vessel has no table of a sac."""
    measures = all_measures(content)
    rows: dict[str, list[Row]] = {}
    for id, entry in registry().items():
        if id in measures and (content.model.aneurysm is not None or entry.group not in SAC_GROUPS):
            rows.setdefault(entry.group, []).append(measure_row(measures[id], language))
    return [(group, _text_or(language, f"group.{group}", group), group_rows) for group, group_rows in rows.items()]


def definition(entry: Quantity, language: Language) -> Definition:
    """A quantity as the table of definitions shows it."""
    return Definition(
        quantity_name(language, entry),
        entry.symbol,
        format_unit(entry.unit),
        quantity_definition(language, entry),
        entry.formula,
        entry.source,
    )


def _notes_by_kind(notes: list[tuple[str, Note]], language: Language) -> dict[str, list[tuple[str, str]]]:
    shown: dict[str, list[tuple[str, str]]] = {"warning": [], "assumption": [], "information": []}
    for stage, note in sorted(notes, key=lambda entry: entry[1].code not in DOUBTS):
        line = (_text_or(language, f"stage.{stage}", stage), note_text(language, note))
        if line not in shown[note.kind]:
            shown[note.kind].append(line)
    return {"warnings": shown["warning"], "assumptions": shown["assumption"], "information": shown["information"]}


def _boundary_facts(content: ReportContent, language: Language) -> list[tuple[str, str]]:
    boundary = content.boundary
    radius = {cap.id: format_number(cap.radius_mm, 2) for cap in content.model.caps}
    facts = []
    for inlet in boundary.inlets:
        profile = text(language, f"boundary.{inlet.profile}")
        flow = format_number(inlet.mean_flow_ml_s, 2)
        value = text(language, "boundary.inlet_value", flow=flow, profile=profile, radius=radius.get(inlet.cap_id, "–"))
        facts.append((text(language, "boundary.inlet", cap=inlet.cap_id), value))
    for outlet in boundary.outlets:
        label, size = text(language, "boundary.outlet", cap=outlet.cap_id), radius.get(outlet.cap_id, "–")
        facts.append((label, _outlet_fact(outlet, size, language)))
    waveform = text(language, "boundary.steady")
    if boundary.waveform is not None:
        name, period = boundary.waveform.name, format_number(boundary.waveform.period_s, 3)
        waveform = text(language, "boundary.waveform_value", name=name, period=period)
    blood = boundary.blood
    parameters = ", ".join(f"{name} = {_plain(value, language)}" for name, value in blood.parameters.items())
    return [
        *facts,
        (text(language, "boundary.waveform"), waveform),
        (text(language, "boundary.density"), f"{format_number(blood.density, 0)} kg/m³"),
        (text(language, "boundary.viscosity"), f"{text(language, f'boundary.{blood.model}')} ({parameters}; SI)"),
    ]


def _outlet_fact(outlet: OutletCondition, radius: str, language: Language) -> str:
    if outlet.kind == "flow-split":
        share = format_number(100.0 * (outlet.flow_share or 0.0), 1)
        return text(language, "boundary.outlet_split", share=share, radius=radius)
    if outlet.kind == "pressure":
        return text(language, "boundary.outlet_pressure", pressure=format_number(outlet.pressure or 0.0, 0), radius=radius)
    proximal, distal = (
        format_number(1e-6 * (part or 0.0) / PA_PER_MMHG, 2) for part in (outlet.resistance, outlet.distal_resistance)
    )
    pressure = format_number((outlet.pressure or 0.0) / PA_PER_MMHG, 1)
    if outlet.kind == "resistance":
        return text(language, "boundary.outlet_resistance", resistance=proximal, pressure=pressure, radius=radius)
    compliance = format_number(1e6 * (outlet.compliance or 0.0) * PA_PER_MMHG, 4)
    values = {"proximal": proximal, "distal": distal, "compliance": compliance, "pressure": pressure, "radius": radius}
    return text(language, "boundary.outlet_windkessel", **values)


def _flow_caption(content: ReportContent, language: Language, name: str) -> str:
    absolute = name == "pressure" and content.boundary.absolute
    key = f"caption.{name}{'_absolute' if absolute else ''}"
    return flow_text(language, key, content.steady)


def _provenance(content: ReportContent, language: Language) -> dict[str, Any]:
    provenance = content.provenance
    return {
        "provenance": provenance,
        "credit": content.credit,
        "inputs": [(_text_or(language, f"kind.{entry.kind}", entry.kind), entry.sha256) for entry in provenance.inputs],
        "stages": [
            (_text_or(language, f"stage.{run.name}", run.name), text(language, "report.seconds", seconds=run.seconds))
            for run in provenance.stages
        ],
        "settings": [
            (_text_or(language, f"stage.{stage}", stage), name, _plain(value, language))
            for stage, settings in provenance.settings.items()
            for name, value in settings.items()
        ],
    }


def _plain(value: Any, language: Language) -> str:
    """A setting or result as text: truth in words, numbers with four digits, a dash for what is empty."""
    if isinstance(value, bool):
        return text(language, "report.yes" if value else "report.no")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(part, language)}" for key, part in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(part, language) for part in value) or "–"
    return "–" if value in (None, "") else str(value)


def _text_or(language: Language, key: str, otherwise: str) -> str:
    """The text `key`, or the bare name where a newer stage brought one that has no wording yet."""
    return catalogue(language).get(key, otherwise)
