"""The stage: regions on the wall, scores, resemblance and grade of one aneurysm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aneuflow.risk.change import accepted_model
from aneuflow.risk.clinical import Answer, Answers, Clinical, Number, answers_from
from aneuflow.risk.grade import evidence_of, facts_of, make_grade, total_points
from aneuflow.risk.learned import Model, resemblance, shipped_model
from aneuflow.risk.learned_regions import chosen_regions_model, learned_marks
from aneuflow.risk.questions import GROWTH_MM, possible_sites, questions
from aneuflow.risk.regions import FoundRegions, find_regions, region_totals, wall_of
from aneuflow.risk.scores import all_scores
from aneuflow.risk.settings import GradeSettings, default_rules
from aneuflow.types import (
    Evidence,
    FloatArray,
    FlowNetworks,
    FlowSolution,
    LumenModel,
    Measure,
    Morphology,
    Note,
    Radiomics,
    Resemblance,
    Risk,
    ScoreResult,
    Span,
)

SLENDER = {"aspect_ratio": 1.6, "size_ratio": 3.0}
# What the rules ask of a flow: unknown without it, which widens the grade.
FLOW_FACTS = ("low_oscillating_share", "impingement_region")
NO_REGIONS = FoundRegions((), (), {}, {}, ())


@dataclass(frozen=True, eq=False)
class Flow:
    """A current solution; steady where it has no cycle."""

    solution: FlowSolution
    steady: bool


def assess_risk(
    model: LumenModel,
    morphology: Morphology,
    flow: Flow | None,
    clinical: Clinical,
    settings: GradeSettings,
    blebs: Sequence[FloatArray] | None = None,
    image: Radiomics | None = None,
) -> Risk:
    """All that can be said of risk; without an aneurysm only that there is none.

    settings: where they name a model of one's own, a record has to accept it. flow: None where there is no current solution:
    regions are then not looked for and the grade is wider. blebs: the points (k, 3) mm of each, None where they were not looked
    for. image: the case's image features, None where there are no current ones. Raises InputError where a clinical answer is
    impossible, no record accepts the model, or the network of the learned regions cannot be used.
    """
    notes: list[Note] = []
    if model.aneurysm is None:
        return _empty((Note("risk_no_aneurysm", {}, "information"),))
    measured = measured_numbers(morphology.measures)
    wall = None if flow is None else wall_of(model, flow.solution, flow.steady, None if blebs is None else tuple(blebs))
    if flow is None or wall is None:
        found, totals, network = NO_REGIONS, {}, None
        notes.append(Note("grade_without_flow", {}, "warning"))
    else:
        network = chosen_regions_model(settings)
        found = find_regions(wall, settings, learned_marks(wall, settings, network))
        totals = region_totals(wall, found)
        if flow.steady:
            notes.append(Note("regions_steady", {}, "information"))
    facts: dict[str, Number | None] = {**measured, **dict.fromkeys(FLOW_FACTS)}
    facts |= totals
    answers = all_answers(clinical, measured)
    learned = shipped_model()
    if settings.model:
        learned, change = accepted_model(Path(settings.model), settings.model_sha256)
        notes.append(
            Note("own_risk_model", {"id": change.to_model.id, "by": change.by, "day": change.made[:10]}, "information")
        )
        numbers = measured if flow is None else {**measured, **measured_numbers(flow.solution.measures)}
        answers |= measured_answers(learned, numbers, image)
        if image is not None and learned.radiomics and image.settings != learned.radiomics["settings"]:
            notes.append(Note("radiomics_other_settings", {}, "warning"))
    judge = _Judge(learned, settings, facts)
    scores, alike = judge.results(answers)
    asked = questions(clinical, model, measured)
    proposed = possible_sites(model, measured.get("parent_diameter"))
    if clinical.site is None:
        notes.append(Note("site_not_given", {"count": len(proposed)}, "warning"))
    outside = [Note("grade_outside", {"answer": name, "range": span}, "information") for name, span in alike.outside.items()]
    rules = settings.rules or default_rules()
    known = {name: number for name, number in facts.items() if number is not None}
    grade = make_grade(rules, judge, answers, known, [*asked, *outside])
    identifiers = np.zeros(0 if wall is None else len(wall.areas), dtype=np.int32)
    for index in reversed(range(len(found.members))):
        identifiers[found.members[index]] = index + 1
    return Risk(
        wall=None if wall is None else wall.surface,
        region_id=identifiers,
        fields={kind: flags.astype(np.uint8) for kind, flags in found.flags.items()},
        regions=found.regions,
        not_looked_for=found.not_looked_for,
        scores=scores,
        resemblance=alike,
        grade=grade,
        answers=_shown_answers(answers),
        proposed_sites=proposed,
        flow_used=wall is not None,
        notes=(*notes, *asked),
        regions_model=None if network is None else network.origin,
        flow_networks=None if flow is None or wall is None else _networks_of(flow.solution),
    )


def _networks_of(solution: FlowSolution) -> FlowNetworks | None:
    method = solution.numerics
    return FlowNetworks(method["networks"], method.get("training_sha256", "")) if "networks" in method else None


class _Judge:
    """Evidence and points for any answers, with model, rules and measures held fixed."""

    def __init__(self, model: Model, settings: GradeSettings, facts: Mapping[str, Number | None]) -> None:
        self.model, self.settings, self.facts = model, settings, facts
        self.rules = settings.rules or default_rules()

    def results(self, answers: Answers) -> tuple[tuple[ScoreResult, ...], Resemblance]:
        return all_scores(answers), resemblance(self.model, answers, self.settings.similar_cases)

    def __call__(self, answers: Answers, exact: Mapping[str, Number]) -> tuple[tuple[Evidence, ...], Span]:
        alike = resemblance(self.model, answers, 0)
        lines = evidence_of(self.rules, facts_of(answers, all_scores(answers), alike, {**self.facts, **exact}))
        return lines, total_points(lines)


def measured_numbers(measures: Sequence[Measure]) -> dict[str, Number | None]:
    """Measures as numbers within their intervals."""
    return {
        measure.id: Number(
            measure.value,
            measure.value if measure.low is None else min(measure.low, measure.value),
            measure.value if measure.high is None else max(measure.high, measure.value),
        )
        for measure in measures
    }


def measured_answers(model: Model, measured: Mapping[str, Number | None], image: Radiomics | None) -> dict[str, Answer]:
    """What the case says by itself of the quantities that a model asks for by their ids.

    Image features only where they were made by the settings of the model's training.
    """
    known = dict(measured)
    if image is not None and model.radiomics and image.settings == model.radiomics["settings"]:
        known |= measured_numbers(image.measures)
    return {term["answer"]: known[term["answer"]] for term in model.terms if term["answer"] in known}


def all_answers(clinical: Clinical, measured: Mapping[str, Number | None]) -> dict[str, Answer]:
    """The user's answers with what the measures say: size, slenderness, blebs; nothing is filled in where neither knows.

    The size is the measured one: a person's reading is compared with it and never replaces it. A measured bleb is a daughter
    sac; that none was counted denies none, for lobes that a reader sees at once can be too smooth to be counted.
    """
    answers = answers_from(clinical)
    answers["size_mm"] = measured.get("maximum_diameter")
    answers["slender"] = _slender(measured)
    blebs = measured.get("bleb_count")
    if answers["daughter_sac"] is None and blebs is not None and blebs.low >= 1:
        answers["daughter_sac"] = "yes"
    if answers["growth"] is None and clinical.growth_mm is not None:
        answers["growth"] = "yes" if clinical.growth_mm >= GROWTH_MM else "no"
    return answers


def _slender(measured: Mapping[str, Number | None]) -> Answer:
    """Whether aspect or size ratio is over its limit: yes, no, or unknown where an interval covers the limit."""
    known = [(number, limit) for name, limit in SLENDER.items() if (number := measured.get(name)) is not None]
    if any(number.low > limit for number, limit in known):
        return "yes"
    return "no" if len(known) == len(SLENDER) and all(number.high <= limit for number, limit in known) else None


def _shown_answers(answers: Answers) -> dict[str, str]:
    return {
        name: f"{answer.value:.3g}" if isinstance(answer, Number) else answer
        for name, answer in answers.items()
        if answer is not None
    }


def _empty(notes: tuple[Note, ...]) -> Risk:
    nothing = np.zeros(0, dtype=np.int32)
    return Risk(None, nothing, {}, (), (), (), None, None, {}, (), False, notes)
