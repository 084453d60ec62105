"""The first page in words and numbers: what it is, the few numbers that matter, and what to be careful about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aneuflow.quantities import quantity
from aneuflow.report.content import ReportContent
from aneuflow.report.numbers import format_interval, format_unit, format_value
from aneuflow.report.text import Language, quantity_name, text
from aneuflow.types import Measure

KEY_SAC = (
    "maximum_diameter", "neck_diameter", "parent_diameter", "aspect_ratio", "size_ratio", "sac_volume",
    "sac_tawss_mean", "tawss_ratio", "low_shear_area", "sac_osi_mean", "inflow_fraction",
)  # fmt: skip
KEY_VESSEL = (
    "inlet_diameter", "minimum_diameter", "lumen_volume", "centerline_length", "mean_flow", "vessel_tawss_mean",
    "vessel_osi_mean", "pressure_loss",
)  # fmt: skip
# Size classes of Wiebers et al. (ISUIA), Lancet 2003; their everyday names, and their wording in tables.
SIZE_CLASSES = ((7.0, "small", "below"), (13.0, "medium", "7_12"), (25.0, "large", "13_24"))
WIDE_NECK_MM = 4.0


@dataclass(frozen=True)
class Row:
    """One line of a table of measures, ready to be shown."""

    name: str
    symbol: str
    value: str
    interval: str
    unit: str
    word: str


def all_measures(content: ReportContent) -> dict[str, Measure]:
    """Every measure of the case by its id."""
    return {measure.id: measure for measure in (*content.morphology.measures, *content.flow.measures)}


def key_rows(content: ReportContent, language: Language) -> list[Row]:
    """The key numbers that this case has."""
    measures = all_measures(content)
    wanted = KEY_SAC if content.model.aneurysm is not None else KEY_VESSEL
    return [measure_row(measures[id], language) for id in wanted if id in measures]


def measure_row(measure: Measure, language: Language) -> Row:
    """A measure as a table shows it."""
    entry = quantity(measure.id)
    return Row(
        name=quantity_name(language, entry),
        symbol=entry.symbol,
        value=format_value(measure),
        interval=format_interval(measure),
        unit=format_unit(entry.unit),
        word=_word(measure, language),
    )


def headline(content: ReportContent, language: Language) -> list[str]:
    """One sentence on what it is and, where the flow's numbers are there, one on how the flow loads the wall."""
    measures = all_measures(content)
    sentences = [_what_it_is(content, measures, language)]
    flow = _flow_sentence(content, measures, language)
    return [*sentences, flow] if flow else sentences


def _what_it_is(content: ReportContent, measures: Mapping[str, Measure], language: Language) -> str:
    aneurysm = content.model.aneurysm
    if aneurysm is None:
        roles = [cap.role for cap in content.model.caps]
        ends, unclear = {"inlets": roles.count("inlet"), "outlets": roles.count("outlet")}, len(content.model.candidates)
        return text(language, "summary.vessel_unclear" if unclear else "summary.vessel", count=unclear, **ends)
    if not {"maximum_diameter", "neck_diameter", "parent_diameter"} <= measures.keys():
        return text(language, "summary.no_size")
    return text(
        language,
        f"summary.{aneurysm.kind}",
        size=text(language, f"summary.size_{_size_class(measures['maximum_diameter'].value)[1]}"),
        diameter=_with_unit(measures["maximum_diameter"]),
        neck=_with_unit(measures["neck_diameter"]),
        parent=_with_unit(measures["parent_diameter"]),
    )


def _flow_sentence(content: ReportContent, measures: Mapping[str, Measure], language: Language) -> str | None:
    if content.model.aneurysm is None:
        if not {"mean_flow", "vessel_tawss_mean"} <= measures.keys():
            return None
        flow, vessel = _with_unit(measures["mean_flow"]), _with_unit(measures["vessel_tawss_mean"])
        return text(language, "summary.flow_vessel", vessel=vessel, flow=flow)
    if not {"mean_flow", "sac_tawss_mean", "parent_tawss_mean", "tawss_ratio"} <= measures.keys():
        return None
    ratio = measures["tawss_ratio"]
    if ratio.value < 1:
        shown = text(language, "summary.ratio_lower", ratio=f"{100 * ratio.value:.0f} %")
    else:
        shown = text(language, "summary.ratio_higher", ratio=format_value(ratio))
    return text(
        language,
        "summary.flow_sac",
        flow=_with_unit(measures["mean_flow"]),
        sac=_with_unit(measures["sac_tawss_mean"]),
        parent=_with_unit(measures["parent_tawss_mean"]),
        ratio=shown,
    )


def _with_unit(measure: Measure) -> str:
    return f"{format_value(measure)} {format_unit(quantity(measure.id).unit)}".strip()


def _size_class(diameter_mm: float) -> tuple[float | None, str, str]:
    return next((entry for entry in SIZE_CLASSES if diameter_mm < entry[0]), (None, "giant", "giant"))


def _word(measure: Measure, language: Language) -> str:
    """A word of reference beside a number: never firmer than its interval."""
    if measure.id == "maximum_diameter":
        limits = tuple(entry[0] for entry in SIZE_CLASSES)
        return _limit_inside(measure, limits, language) or text(language, f"word.size_{_size_class(measure.value)[2]}")
    if measure.id == "neck_diameter":
        word = "word.neck_wide" if measure.value >= WIDE_NECK_MM else "word.neck_narrow"
        return _limit_inside(measure, (WIDE_NECK_MM,), language) or text(language, word)
    if measure.id == "tawss_ratio":
        if measure.low is not None and measure.high is not None and measure.low < 1 < measure.high:
            return ""
        return text(language, "word.lower_than_parent" if measure.value < 1 else "word.higher_than_parent")
    return ""


def _limit_inside(measure: Measure, limits: tuple[float, ...], language: Language) -> str:
    if measure.low is None or measure.high is None:
        return ""
    crossed = [limit for limit in limits if measure.low < limit <= measure.high]
    return text(language, "word.limit_inside", limit=f"{crossed[0]:g}") if crossed else ""
