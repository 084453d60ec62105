"""The section on risk in words and rows: evidence first, the grade after, and what it does not say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aneuflow.quantities import quantity
from aneuflow.report.numbers import format_number, format_unit
from aneuflow.report.ranges import REGION_COLORS
from aneuflow.report.text import Language, catalogue, note_text, quantity_name, text
from aneuflow.risk.grade import GRADES, WIDEST_SPAN
from aneuflow.risk.learned import shipped_model
from aneuflow.risk.questions import sites
from aneuflow.risk.scores import left_out_scores, score_table
from aneuflow.types import Contribution, Evidence, Grade, Resemblance, Risk, ScoreResult, Span, WallRegion

SHOWN_CHANGES = 12
# Where so few sites are excluded, those are named; else those that are possible.
FEW_SITES = 4
PLAIN_REASONS = 3


@dataclass(frozen=True)
class Bar:
    """One contribution as a bar: name and answer, and where bar and span begin and end, in percent of the picture's width."""

    name: str
    answer: str
    value: str
    left: float
    width: float
    low: float
    span: float
    raises: bool


def risk_values(risk: Risk | None, language: Language) -> dict[str, Any] | None:
    """What the template of the section needs; None where there is nothing to tell."""
    if risk is None or risk.grade is None:
        return None
    grade, alike = risk.grade, risk.resemblance
    return {
        "regions": [_region_row(region, language) for region in risk.regions],
        "oscillation": any(measure.id == "region_osi" for region in risk.regions for measure in region.values),
        "learned": _learned_regions(risk, language),
        "flow_used": risk.flow_used,
        "flow_networks": _flow_networks(risk, language),
        "not_looked_for": _listed(
            [quantity_name(language, quantity(kind)) for kind in risk.not_looked_for] if risk.flow_used else [], language
        ),
        "sites": _possible_sites(risk, language),
        "scores": [_score_row(result, language) for result in risk.scores],
        "left_out": [
            text(language, "risk.left_out", name=entry["name"], reason=entry[f"reason_{language}"])
            for entry in left_out_scores().values()
        ],
        "resemblance": None if alike is None else _resemblance(alike, language),
        "verdict": _verdict(grade, language),
        "why": [note_text(language, note) for note in grade.why],
        "evidence": [_evidence_row(line, refused_outcomes(risk), language) for line in grade.evidence],
        "points": text(language, "risk.rules", name=grade.rules, points=_span(grade.points)),
        "changes": [] if is_questioned(grade) else _change_rows(grade, language),
        "changes_none": text(language, "risk.changes_first" if is_questioned(grade) else "risk.changes_none"),
        "plain": _plain_words(risk, grade, language),
    }


def _word(language: Language, name: str) -> str:
    return catalogue(language).get(f"answer.{name}", name)


def is_questioned(grade: Grade) -> bool:
    """Whether more than the width of the span stands in the way of a grade: no single change would then make one."""
    return any(note.code != "grade_too_wide" for note in grade.why)


def refused_outcomes(risk: Risk) -> frozenset[str]:
    """What the scores stand for that are not given for these answers, as quantity ids."""
    refused = (result.id for result in risk.scores if result.refused is not None)
    return frozenset(entry["quantity"] for id in refused for entry in score_table(id).get("outcome", ()))


def _change_rows(grade: Grade, language: Language) -> list[tuple[str, str]]:
    """What would change the grade, answers of one question that lead to the same grades in one row."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for change in grade.changes:
        rows.setdefault((change.answer, change.low, change.high), []).append(_word(language, change.shown))
    shown = []
    for (answer, low, high), values in list(rows.items())[:SHOWN_CHANGES]:
        either = _either(values, language)
        grades = _grades(low, high, language)
        if GRADES.index(high) - GRADES.index(low) > WIDEST_SPAN:
            grades = text(language, "risk.still_none", grades=grades)
        shown.append((text(language, "risk.if", answer=_named(language, answer), shown=either), grades))
    return shown


def _named(language: Language, name: str) -> str:
    """The name of an answer or, where it is none, of a quantity."""
    known = catalogue(language).get(f"answer.{name}")
    return known or _in_sentence(quantity_name(language, quantity(name)))


def _in_sentence(name: str) -> str:
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def _either(values: Sequence[str], language: Language) -> str:
    if len(values) == 1:
        return values[0]
    return text(language, "risk.or", first=_listed(values[:-1], language), last=values[-1])


def _listed(names: Sequence[str], language: Language) -> str:
    return ("、" if language == "zh" else ", ").join(names)


def _possible_sites(risk: Risk, language: Language) -> str:
    if "site" in risk.answers or not risk.proposed_sites:
        return ""
    against = [site for site in sites() if site not in risk.proposed_sites]
    if not against:
        return text(language, "risk.sites_all")
    named, key = (against, "sites_but") if len(against) <= FEW_SITES else (risk.proposed_sites, "sites")
    return text(language, f"risk.{key}", sites=_listed([_word(language, site) for site in named], language))


def _region_row(region: WallRegion, language: Language) -> dict[str, str]:
    values = {measure.id: measure.value for measure in region.values}

    def shown(id: str, decimals: int) -> str:
        return format_number(values[id], decimals) if id in values else "–"

    return {
        "kind": quantity_name(language, quantity(region.kind)),
        "color": REGION_COLORS[region.kind],
        "place": _word(language, region.place),
        "center": ", ".join(format_number(part, 1) for part in region.center_mm),
        "area": shown(region.kind, 1),
        "share": f"{shown('region_share', 0)} %",
        "shear": shown("region_tawss", 2),
        "osi": shown("region_osi", 2),
        "pressure": shown("region_pressure", 0),
        "stability": f"{shown('region_stability', 0)} %",
    }


def _learned_regions(risk: Risk, language: Language) -> str:
    """What the learned regions rest on, empty where none were looked for."""
    origin = risk.regions_model
    if origin is None:
        return ""
    values = {"cases": origin.cases, "patients": origin.patients, "readers": origin.readers, "hash": origin.sha256[:12]}
    key = origin.labels if origin.labels == "definitions" or origin.kappa is not None else f"{origin.labels}_alone"
    said = text(language, f"risk.learned_{key}", kappa=format_number(origin.kappa or 0.0, 2), **values)
    if any(region.is_learned for region in risk.regions):
        return said
    return ("" if language == "zh" else " ").join([said, text(language, "risk.learned_none")])


def _flow_networks(risk: Risk, language: Language) -> str:
    """Which networks predicted the flow of regions and grade, empty where it was simulated."""
    made = risk.flow_networks
    if made is None:
        return ""
    return text(language, "risk.flow_networks", networks=made.sha256[:12], flows=made.training_sha256[:12] or "–")


def _span(span: Span, decimals: int = 1) -> str:
    """A value with its range, a range alone, or "x or more" where it is open above."""

    def number(value: float) -> str:
        return format_number(value, 0 if float(value).is_integer() else decimals)

    if span.high is None:
        return f"≥ {number(span.low)}"
    if span.low == span.high:
        return number(span.low)
    spread = f"{number(span.low)}–{number(span.high)}"
    return spread if span.value is None else f"{number(span.value)} ({spread})"


def _with_unit(span: Span) -> str:
    """A span with its unit, held together over the end of a line."""
    return f"{_span(span)}\u00a0{format_unit(quantity(span.id).unit)}".strip()


def _score_row(result: ScoreResult, language: Language) -> dict[str, Any]:
    table = score_table(result.id)
    points = [f"{quantity_name(language, quantity(span.id))}: {_span(span)}" for span in result.points]
    outcomes = [f"{quantity_name(language, quantity(span.id))}: {_with_unit(span)}" for span in result.outcomes]
    return {
        "name": table["name"],
        "paper": table["paper"],
        "points": points if len(points) > 1 else [_span(span) for span in result.points],
        "outcomes": outcomes,
        "refused": "" if result.refused is None else note_text(language, result.refused),
        "missing": _listed([_word(language, name) for name in result.missing[:8]], language)
        + (" …" if len(result.missing) > 8 else ""),
        "population": table[f"population_{language}"],
        "limits": table[f"limits_{language}"],
    }


def _resemblance(alike: Resemblance, language: Language) -> dict[str, Any]:
    shipped = shipped_model()
    share, auc = alike.ruptured_share, alike.auc
    if share is None or auc is None:  # a grade of an earlier version, which knew one model
        share, auc = shipped.content["trained_on"]["ruptured_share"], shipped.content["performance"]["auc"]
    chance = alike.probability
    assert chance.high is not None
    values = {
        "low": format_number(chance.low, 0),
        "high": format_number(chance.high, 0),
        "share": f"{100 * share:.0f}",
        "model": alike.model,
        "auc": f"{auc:.2f}",
    }
    if chance.value is None:
        missing = _listed([_word(language, name) for name in alike.missing], language)
        sentence = text(language, "risk.resemblance_span", missing=missing, **values)
    else:
        sentence = text(language, "risk.resemblance_value", value=format_number(chance.value, 0), **values)
    answers = [contribution.answer for contribution in alike.contributions]
    return {
        "sentence": sentence,
        "hashes": text(language, "risk.hashes", model=alike.sha256[:12], table=alike.table_sha256[:12] or "–"),
        "bars_lead": text(language, "risk.bars" if alike.model == shipped.content["id"] else "risk.bars_own"),
        "bars": bars(alike.contributions, language),
        "similar_head": [_word(language, name) for name in answers],
        "similar": [
            ([_word(language, case.answers.get(name, "")) or "–" for name in answers], case.ruptured) for case in alike.similar
        ],
        "similar_lead": text(
            language,
            "risk.similar_lead" if alike.similar else "risk.similar_too_few",
            count=sum(case.ruptured for case in alike.similar),
            all=len(alike.similar),
        ),
    }


def bars(contributions: Sequence[Contribution], language: Language) -> list[Bar]:
    """The contributions as bars from the middle, the weightiest first; all on one scale."""
    reach = max([abs(end) for entry in contributions for end in (entry.low, entry.high)] + [0.5])

    def place(value: float) -> float:
        return 50.0 + 48.0 * value / reach

    made = []
    for entry in sorted(contributions, key=lambda entry: -max(abs(entry.low), abs(entry.high))):
        value = entry.value or 0.0
        made.append(
            Bar(
                name=_word(language, entry.answer),
                answer=text(language, "risk.unknown") if entry.value is None else _word(language, entry.shown),
                value="" if entry.value is None else f"{entry.value:+.2f}".replace("-", "−"),
                left=min(50.0, place(value)),
                width=abs(place(value) - 50.0),
                low=place(entry.low),
                span=place(entry.high) - place(entry.low),
                raises=value > 0,
            )
        )
    return made


def _grades(low: str, high: str, language: Language) -> str:
    return _from_to(_word(language, low), _word(language, high), language)


def _from_to(low: str, high: str, language: Language) -> str:
    return low if low == high else text(language, "risk.to", low=low, high=high)


def _verdict(grade: Grade, language: Language) -> str:
    if grade.grade is None:
        return text(language, "risk.grade_none")
    words = {"grade": _word(language, grade.grade), "low": _word(language, grade.low), "high": _word(language, grade.high)}
    return text(language, "risk.grade_is" if grade.low == grade.high else "risk.grade_between", **words)


def _evidence_row(line: Evidence, refused: Collection[str], language: Language) -> tuple[str, str, str]:
    shown: Mapping[str, Any] = line.shown
    if shown.get("missing"):
        why = "not_given" if shown["of"] in refused else "unknown_optional" if shown.get("optional") else "unknown"
        found = text(language, f"risk.{why}")
    elif "answer" in shown:
        found = _word(language, shown["answer"])
    else:
        found = _with_unit(Span(shown["of"], shown["value"], shown["low"], shown["high"]))
    points = _span(Span("grade_points", line.points, line.low, line.high))
    return _evidence_name(line, language), found, f"{points} / {format_number(line.maximum, 0)}"


def _evidence_name(line: Evidence, language: Language) -> str:
    return catalogue(language).get(f"evidence.{line.id}", line.id)


def _plain_words(risk: Risk, grade: Grade, language: Language) -> str:
    """The paragraph for a reader who is no specialist: what was found, how sure, what is not known, what scores are for."""
    sentences = [
        *_plain_regions(risk, language),
        *_plain_comparisons(risk, language),
        *_plain_grade(risk, grade, language),
        text(language, "risk.plain_purpose"),
    ]
    return ("" if language == "zh" else " ").join(sentences)


def _plain_regions(risk: Risk, language: Language) -> list[str]:
    if not risk.flow_used:
        return [text(language, "risk.plain_no_flow")]
    flow = [region for region in risk.defined if region.kind != "bleb_region"]
    blebs = len(risk.defined) - len(flow)
    sentences = [text(language, "risk.plain_bleb" if blebs == 1 else "risk.plain_blebs", count=blebs)] if blebs else []
    if not flow:
        return [text(language, "risk.plain_found_none"), *sentences]
    largest = max(flow, key=lambda region: region.values[0].value)
    found = text(
        language,
        "risk.plain_found_one" if len(flow) == 1 else "risk.plain_found",
        count=len(flow),
        area=format_number(largest.values[0].value, 1),
        kind=_in_sentence(quantity_name(language, quantity(largest.kind))),
        place=_word(language, largest.place),
    )
    return [found, *sentences]


def _plain_comparisons(risk: Risk, language: Language) -> list[str]:
    """What the model and PHASES say of answers like these; what unknown answers leave open is said to be so."""
    sentences = []
    if risk.resemblance is not None and not risk.resemblance.outside:
        chance, facts = risk.resemblance.probability, shipped_model().content["trained_on"]
        shown = _from_to(format_number(chance.low, 0), format_number(chance.high or 100.0, 0), language)
        key = "risk.plain_alike_open" if risk.resemblance.missing else "risk.plain_alike"
        sentences.append(text(language, key, span=shown, share=f"{100 * facts['ruptured_share']:.0f}"))
    phases = next((result for result in risk.scores if result.id == "phases" and result.refused is None), None)
    if phases is not None:
        span = phases.outcomes[0]
        shown = _from_to(format_number(span.low, 1), format_number(span.high or 100.0, 1), language)
        sentences.append(text(language, "risk.plain_scores_open" if phases.missing else "risk.plain_scores", span=shown))
    return sentences


def _plain_grade(risk: Risk, grade: Grade, language: Language) -> list[str]:
    asked = dict.fromkeys(
        name for result in risk.scores if result.refused is None and result.id != "uiats" for name in result.missing
    )
    if risk.resemblance is not None:
        asked |= dict.fromkeys(risk.resemblance.missing)
    missing = text(language, "risk.plain_nothing_missing")
    if asked:
        missing = text(language, "risk.plain_missing", names=_listed([_word(language, name) for name in asked], language))
    if grade.grade is None:
        return [text(language, "risk.grade_none"), text(language, "risk.plain_in_the_way", missing=missing)]
    sure = text(language, "risk.plain_sure", missing=missing)
    if grade.low != grade.high:
        sure = text(language, "risk.plain_unsure", span=_grades(grade.low, grade.high, language), missing=missing)
    reasons = [_evidence_name(line, language) for line in grade.evidence if line.points][:PLAIN_REASONS]
    graded = text(language, "risk.plain_grade", grade=_word(language, grade.grade))
    if reasons:
        words = {"grade": _word(language, grade.grade), "reasons": _listed(reasons, language)}
        graded = text(language, "risk.plain_grade_for", **words)
    return [graded, sure]
