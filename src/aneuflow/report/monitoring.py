"""The page of a look at the model of resemblance: alerts first, then drift, calibration by quarter, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aneuflow.numerics.drift import share_interval
from aneuflow.quantities import quantity, registry
from aneuflow.report.content import Report
from aneuflow.report.html import asset, definition, page_environment
from aneuflow.report.numbers import format_number
from aneuflow.report.pdf import print_pdf
from aneuflow.report.text import Language, catalogue, note_text, quantity_name, text
from aneuflow.risk.monitor import (
    FALSE_ALARMS,
    LEAST_CASES,
    LEAST_OF_A_CLASS,
    OUTPUT,
    RECENT_CASES,
    RECENT_DAYS,
    Agreement,
    Alert,
    Drift,
    Monitoring,
)
from aneuflow.types import Note

METHOD = ("alarms", "table", "resemblance", "outcomes", "patients")
QUANTITIES = (
    "population_stability_index", "drift_distance", "adjusted_p", "observed_over_expected", "calibration_slope",
    "calibration_intercept", "brier_score",
)  # fmt: skip
# The picture, in its own units: where the first and the last quarter stand, and the shares 0 and 1.
LEFT, RIGHT, FLOOR, CEILING = 80.0, 715.0, 172.0, 12.0
MOST_LABELS = 12
NONE = "–"


@dataclass(frozen=True)
class LookContent:
    """A look, the name of where its cases are from, the version that made it, and when, as shown."""

    found: Monitoring
    source: str
    version: str
    created: str


def build_look(content: LookContent, language: Language) -> Report:
    """The page as HTML and PDF; why there is no PDF stands on the page."""
    pdf, notes = print_pdf(look_page(content, (), language), language)
    return Report(look_page(content, notes, language), pdf, notes)


def look_page(content: LookContent, notes: Sequence[Note], language: Language) -> str:
    """The page as HTML, for screen and print."""
    environment = page_environment()
    found = content.found
    return environment.get_template("monitoring.html").render(
        {
            "t": partial(text, language),
            "language": language,
            "interactive": False,
            "style": asset(environment, "report.css"),
            "content": content,
            "headline": headline(found, language),
            "alerts": alert_sentences(found, language),
            "facts": _facts(found, language),
            "drifts": [_drift_row(drift, found.alerts, language) for drift in found.drifts],
            "agreements": _agreement_rows(found, language),
            "least": LEAST_OF_A_CLASS,
            "plot": _plot(found.quarters),
            "method": [text(language, f"monitor.method_{key}") for key in METHOD],
            "notes": [note_text(language, note) for note in notes],
            "definitions": [definition(quantity(id), language) for id in QUANTITIES],
        }
    )


def headline(found: Monitoring, language: Language) -> str:
    """What the look says, in one sentence."""
    if found.alerts:
        return text(language, "monitor.alarmed", count=len(found.alerts), cases=found.graded)
    if all(drift.p is None and drift.p_unknown is None for drift in found.drifts):
        return text(language, "monitor.too_few", cases=found.graded, least=LEAST_CASES)
    return text(language, "monitor.all_well", cases=found.graded)


def alert_sentences(found: Monitoring, language: Language) -> list[str]:
    """A sentence for each alert, with its numbers."""
    drifts = {drift.of: drift for drift in found.drifts}
    return [_alert_sentence(alert, drifts[alert.of], found.recent, language) for alert in found.alerts]


def _alert_sentence(alert: Alert, drift: Drift, recent: Agreement, language: Language) -> str:
    values = {
        "name": _named(alert.of, language),
        "index": _number(drift.index, 2),
        "p": _p(recent.p if alert.kind == "calibration" else drift.p),
        "unknown": _share(drift.unknown),
        "unknown_kept": _share(drift.unknown_kept),
        "observed": recent.observed,
        "expected": _number(recent.expected, 1),
    }
    return text(language, f"monitor.alert_{alert.kind}", **values)


def _named(name: str, language: Language) -> str:
    if name == OUTPUT:
        return text(language, "monitor.output")
    known = catalogue(language).get(f"answer.{name}")
    if known is None:  # a measure, or a column of the department's own
        known = quantity_name(language, quantity(name)) if name in registry() else name
    return known[:1].upper() + known[1:]


def _facts(found: Monitoring, language: Language) -> list[tuple[str, str]]:
    counted = text(
        language, "monitor.counted_value", cases=found.graded, most=RECENT_CASES, days=RECENT_DAYS, others=found.other_models
    )
    return [
        (text(language, "monitor.model"), found.model.id),
        (text(language, "monitor.model_file"), found.model.sha256),
        (text(language, "monitor.model_table"), found.model.table_sha256 or NONE),
        (text(language, "monitor.counted"), counted),
    ]


def _drift_row(drift: Drift, alerts: Sequence[Alert], language: Language) -> dict[str, Any]:
    kinds = {alert.kind for alert in alerts if alert.of == drift.of} - {"calibration"}
    words = [text(language, f"monitor.{'changed' if kind == 'distribution' else 'missing'}") for kind in sorted(kinds)]
    if not words:
        least = [p for p in (drift.p, drift.p_unknown) if p is not None]
        word = "few" if drift.p is None else "slight" if min(least) < FALSE_ALARMS else "same"
        words = [text(language, f"monitor.{word}")]
    return {
        "name": _named(drift.of, language),
        "cases": drift.cases,
        "unknown": _share(drift.unknown),
        "unknown_kept": _share(drift.unknown_kept),
        "index": _number(drift.index, 2),
        "distance": _number(drift.distance, 2),
        "p": _p(drift.p),
        "p_unknown": _p(drift.p_unknown),
        "remark": "; ".join(words),
        "is_alert": bool(kinds),
    }


def _agreement_rows(found: Monitoring, language: Language) -> list[dict[str, Any]]:
    is_alert = any(alert.kind == "calibration" for alert in found.alerts)
    first = {"name": text(language, "monitor.lately"), "cells": _cells(found.recent), "is_alert": is_alert}
    quarters = [{"name": _quarter(part), "cells": _cells(part), "is_alert": False} for part in found.quarters]
    return [first, *quarters]


def _cells(part: Agreement) -> list[str]:
    return [
        str(part.graded),
        str(part.cases),
        str(part.observed),
        _number(part.expected, 1),
        _number(part.observed / part.expected if part.expected > 0 else None, 2),
        _number(part.slope, 2),
        _number(part.intercept, 2),
        _number(part.brier, 3),
        _p(part.p),
    ]


def _quarter(part: Agreement) -> str:
    assert part.first is not None
    return f"{part.first.year} Q{(part.first.month - 1) // 3 + 1}"


def _plot(quarters: Sequence[Agreement]) -> dict[str, Any] | None:
    """Where line, dots and labels stand in the picture; None with fewer than two quarters that have outcomes."""
    known = [part for part in quarters if part.cases]
    if len(known) < 2:
        return None
    step = (RIGHT - LEFT) / (len(known) - 1)
    every = -(-len(known) // MOST_LABELS)

    def height(share: float) -> float:
        return round(FLOOR - share * (FLOOR - CEILING), 1)

    observed, expected = [], []
    for index, part in enumerate(known):
        x = round(LEFT + index * step, 1)
        low, high = share_interval(part.observed, part.cases)
        label = _quarter(part) if index % every == 0 else ""
        observed.append((x, height(part.observed / part.cases), height(low), height(high), label))
        expected.append(f"{x},{height(part.expected / part.cases)}")
    lines = [(height(share), f"{100 * share:.0f} %") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return {"lines": lines, "expected": " ".join(expected), "observed": observed}


def _number(value: float | None, decimals: int) -> str:
    return NONE if value is None else format_number(value, decimals)


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _p(value: float | None) -> str:
    return NONE if value is None else "< 0.001" if value < 0.001 else format_number(value, 3)
