"""The prediction beside the simulation: what each says, how far they are apart, and whether the interval holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aneuflow.quantities import quantity
from aneuflow.report.content import ReportContent
from aneuflow.report.numbers import format_interval, format_number, format_unit, format_value
from aneuflow.report.text import Language, quantity_name, text
from aneuflow.types import Measure


@dataclass(frozen=True)
class PredictedRow:
    """A number as predicted, with its 90 % interval, and as simulated."""

    name: str
    predicted: str
    interval: str
    simulated: str
    difference: str
    unit: str
    word: str


def prediction_values(content: ReportContent, language: Language) -> Mapping[str, Any] | None:
    """What the section of the page is made from; None without a prediction."""
    prediction = content.prediction
    if prediction is None:
        return None
    simulated = {measure.id: measure for measure in content.flow.measures}
    kind = "cycle" if not prediction.steady else "coarse" if prediction.method["coarse_flow"] else "free"
    return {
        "lead": text(language, f"prediction.lead_{kind}", members=prediction.method["members"]),
        "pulsatile": content.boundary.waveform is not None and prediction.steady,
        "rows": [_row(measure, simulated.get(measure.id), language) for measure in prediction.measures],
    }


def _row(predicted: Measure, simulated: Measure | None, language: Language) -> PredictedRow:
    entry = quantity(predicted.id)
    shown, difference, word = "–", "–", ""
    if simulated is not None:
        shown = format_value(simulated)
        if simulated.value:
            percent = 100.0 * (predicted.value / simulated.value - 1.0)
            difference = ("+" if percent > 0 else "") + format_number(percent, 0 if abs(percent) >= 10 else 1) + " %"
        assert predicted.low is not None and predicted.high is not None
        word = "" if predicted.low <= simulated.value <= predicted.high else text(language, "prediction.outside")
    return PredictedRow(
        quantity_name(language, entry),
        format_value(predicted),
        format_interval(predicted),
        shown,
        difference,
        format_unit(entry.unit),
        word,
    )
