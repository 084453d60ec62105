"""The whole stage on a made-up aneurysm: what is refused, questioned, widened, written and read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aneuflow.case.risk_store import read_risk, write_risk
from aneuflow.report.content import ReportContent
from aneuflow.report.risk_section import bars, risk_values
from aneuflow.report.text import catalogue
from aneuflow.risk import Clinical, Flow, GradeSettings, assess_risk
from aneuflow.risk.questions import sites
from aneuflow.risk.settings import Rules
from aneuflow.types import FlowNetworks, Measure, Risk
from tests.report.sample import sample_content

ANSWERS: dict[str, Any] = {
    "age_years": 58, "sex": "female", "population": "europe", "hypertension": False, "smoking": "never", "earlier_sah": False,
    "family_history": False, "multiple": False, "site": "ophthalmic_ica", "irregular": False, "daughter_sac": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return sample_content()


def assess(content: ReportContent, flow: bool = True, steady: bool = False, rules: Rules | None = None, **answers: Any) -> Risk:
    settings = GradeSettings(samples=8, rules=rules)
    solution = Flow(content.flow, steady) if flow else None
    return assess_risk(content.model, content.morphology, solution, Clinical(**answers), settings, [] if flow else None)


def test_full_answers_give_a_grade_with_reasons(content: ReportContent) -> None:
    risk = assess(content, **ANSWERS)
    assert risk.grade is not None and risk.grade.grade == "low" and risk.grade.why == ()
    assert (
        risk.resemblance is not None and risk.resemblance.probability.value is not None and len(risk.resemblance.similar) == 5
    )
    assert risk.flow_used and risk.wall is not None and len(risk.region_id) == len(content.flow.wall.points)


def test_without_answers_there_is_no_grade_and_the_answers_are_named(content: ReportContent) -> None:
    risk = assess(content)
    assert risk.grade is not None and risk.grade.grade is None
    assert [note.code for note in risk.grade.why] == ["grade_too_wide"]
    assert {change.answer for change in risk.grade.changes} >= {"site"}
    assert "site_not_given" in [note.code for note in risk.notes] and "basilar_tip" not in risk.proposed_sites


def test_a_grade_that_rests_on_a_prediction_names_its_networks(content: ReportContent, tmp_path: Path) -> None:
    method = {"networks": "ab" * 32, "members": 4, "coarse_flow": True, "training_sha256": "cd" * 32}
    flow = replace(content.flow, numerics=method)
    risk = assess(replace(content, flow=flow), steady=True, **ANSWERS)
    assert risk.flow_networks == FlowNetworks("ab" * 32, "cd" * 32)
    write_risk(tmp_path, risk)
    assert read_risk(tmp_path).flow_networks == risk.flow_networks
    for language in ("en", "zh"):
        values = risk_values(risk, language)
        assert values is not None and "abababababab…" in values["flow_networks"] and "cdcdcdcdcdcd…" in values["flow_networks"]
    simulated = risk_values(assess(content, **ANSWERS), "en")
    assert simulated is not None and simulated["flow_networks"] == ""


def test_without_flow_the_grade_is_wider_and_says_so(content: ReportContent) -> None:
    with_flow, without = assess(content, **ANSWERS).grade, assess(content, flow=False, **ANSWERS)
    assert with_flow is not None and without.grade is not None
    assert with_flow.points.high is not None and without.grade.points.high is not None
    assert without.grade.points.high - without.grade.points.low > with_flow.points.high - with_flow.points.low
    assert not without.flow_used and without.regions == () and "grade_without_flow" in [note.code for note in without.notes]


def test_a_population_without_scores_is_not_taken_for_low_risk(content: ReportContent) -> None:
    europe, china = (assess(content, **{**ANSWERS, "population": name}).grade for name in ("europe", "china"))
    assert europe is not None and china is not None and europe.points.high is not None and china.points.high is not None
    assert china.points.high == europe.points.high + 3 and china.points.low == europe.points.low


def test_steady_flow_leaves_out_what_needs_a_cycle(content: ReportContent) -> None:
    risk = assess(content, steady=True, **ANSWERS)
    assert set(risk.not_looked_for) == {"low_oscillating_region", "high_residence_region"}
    assert "regions_steady" in [note.code for note in risk.notes]
    line = next(line for line in risk.grade.evidence if line.id == "low_oscillating") if risk.grade else None
    assert line is not None and (line.low, line.high) == (0, 1)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"age_years": 7}, "question_age"), ({"size_mm": 22.0}, "question_size"), ({"site": "basilar_tip"}, "question_site"),
        ({"growth": False, "growth_mm": 2.5}, "question_growth"),
    ],
)  # fmt: skip
def test_contradictions_are_questioned_by_name_and_value(content: ReportContent, changed: dict[str, Any], code: str) -> None:
    risk = assess(content, **{**ANSWERS, **changed})
    assert risk.grade is not None and risk.grade.grade is None
    note = next(note for note in risk.grade.why if note.code == code)
    assert note in risk.notes and note.values["answer"] in changed and note.values["given"] is not None


def test_a_confirmed_answer_is_not_questioned_again(content: ReportContent) -> None:
    answers = {**ANSWERS, "size_mm": 22.0}
    assert assess(content, **answers, confirmed=("size_mm",)).grade.grade == "low"  # type: ignore[union-attr]


def test_a_denied_daughter_sac_is_questioned_where_one_was_measured(content: ReportContent) -> None:
    measures = (*content.morphology.measures, Measure("bleb_count", 1.0, 1.0, 1.0))
    found = assess(replace(content, morphology=replace(content.morphology, measures=measures)), **ANSWERS)
    assert found.grade is not None and "question_daughter_sac" in [note.code for note in found.grade.why]


def test_that_no_bleb_was_counted_denies_no_daughter_sac(content: ReportContent) -> None:
    def sac(count: float) -> str | None:
        measures = (*content.morphology.measures, Measure("bleb_count", count, count, count))
        case = replace(content, morphology=replace(content.morphology, measures=measures))
        return assess(case, **{**ANSWERS, "daughter_sac": None}).answers.get("daughter_sac")

    assert sac(0.0) is None and sac(1.0) == "yes"


@pytest.mark.parametrize(
    "wrong",
    [{"age_years": 2039}, {"age_years": -1}, {"size_mm": 90}, {"sex": "unknown"}, {"site": "aorta"}, {"blood_type": "A"}],
)
def test_impossible_answers_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Clinical(**wrong)


def test_outside_the_training_range_there_is_no_grade(content: ReportContent) -> None:
    risk = assess(content, **{**ANSWERS, "age_years": 99})
    assert risk.grade is not None and [note.code for note in risk.grade.why] == ["grade_outside"]


def test_a_department_can_use_its_own_rules(content: ReportContent) -> None:
    rules = Rules.model_validate(
        {"name": "ours", "moderate": 1, "high": 2, "very_high": 3, "rule": [{"id": "x", "of": "size_mm", "steps": [[0, 2]]}]}
    )
    risk = assess(content, rules=rules, **ANSWERS)
    assert risk.grade is not None and (risk.grade.grade, risk.grade.rules) == ("high", "ours")


def test_without_an_aneurysm_nothing_is_graded(content: ReportContent) -> None:
    bare = assess(replace(content, model=replace(content.model, aneurysm=None)), **ANSWERS)
    assert bare.grade is None and bare.scores == () and [note.code for note in bare.notes] == ["risk_no_aneurysm"]


def test_the_files_hold_all_of_it(content: ReportContent, tmp_path: Path) -> None:
    for number, risk in enumerate((assess(content, **ANSWERS), assess(content, flow=False))):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_risk(folder, risk)
        again = read_risk(folder)
        assert (again.grade, again.scores, again.regions, again.resemblance) == (
            risk.grade, risk.scores, risk.regions, risk.resemblance
        )  # fmt: skip
        assert (again.notes, again.answers, again.flow_used) == (risk.notes, risk.answers, risk.flow_used)
        np.testing.assert_array_equal(again.region_id, risk.region_id)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_section_has_words_for_everything(content: ReportContent, language: Any) -> None:
    for answers in (ANSWERS, {}, {**ANSWERS, "age_years": 7}, {**ANSWERS, "population": "japan", "site": "acom"}):
        values = risk_values(assess(content, **answers), language)
        assert values is not None and len(values["scores"]) == 4 and len(values["left_out"]) == 2
        shown = [name for name, _, _ in values["evidence"]] + [values["verdict"], values["plain"], *values["why"]]
        assert all(line and "_" not in line and "{" not in line for line in shown), shown


def test_answers_that_lead_to_the_same_grades_stand_in_one_row(content: ReportContent) -> None:
    values = risk_values(assess(content), "en")
    assert values is not None
    population = [row for row in values["changes"] if row[0].startswith("If population")]
    assert any(" or " in condition for condition, _ in population)
    assert all(
        ("still no grade" in grades) == (grades.count("low to high") + grades.count("very high") > 0)
        for _, grades in population
    )


def test_the_sites_that_the_tree_speaks_against_are_named_where_they_are_few(content: ReportContent) -> None:
    risk = assess(content)
    few = risk_values(replace(risk, proposed_sites=tuple(site for site in sites() if site != "basilar_tip")), "en")
    many = risk_values(replace(risk, proposed_sites=("mca", "acom")), "en")
    assert few is not None and "only against: basilar tip." in few["sites"]
    assert many is not None and "possible: middle cerebral artery, anterior communicating artery." in many["sites"]


def test_the_reasons_for_a_grade_stand_in_plain_words(content: ReportContent) -> None:
    grown = {**ANSWERS, "growth": True, "site": "acom", "hypertension": True, "age_years": 71, "population": "japan"}
    values = risk_values(assess(content, **grown), "en")
    assert values is not None and "most of all for: growth between examinations, " in values["plain"]
    calm = risk_values(assess(content, **ANSWERS), "en")
    assert calm is not None and ("graded low." in calm["plain"] or "graded low, most of all for: " in calm["plain"])


def test_a_score_that_is_not_given_is_not_called_unknown_evidence(content: ReportContent) -> None:
    values = risk_values(assess(content, **{**ANSWERS, "population": "china"}), "en")
    assert values is not None
    found = {name: shown for name, shown, _ in values["evidence"]}
    assert found["risk by PHASES"] == found["risk by UCAS Japan"] == "not given"


def test_while_something_is_questioned_no_single_change_is_offered(content: ReportContent) -> None:
    values = risk_values(assess(content, **{**ANSWERS, "age_years": 7}), "en")
    assert values is not None and values["changes"] == [] and values["changes_none"].startswith("First what is questioned")


def test_blebs_are_no_flow(content: ReportContent) -> None:
    blebs = [content.model.lumen.surface.points[content.model.lumen.region == 1][:400]]
    settings = GradeSettings(samples=8)
    risk = assess_risk(content.model, content.morphology, Flow(content.flow, True), Clinical(**ANSWERS), settings, blebs)
    kinds = [region.kind for region in risk.regions]
    values = risk_values(risk, "en")
    assert values is not None and kinds.count("bleb_region") >= 1
    assert "bleb" in values["plain"] and f"At {len(kinds)} places" not in values["plain"]


def test_nothing_recommends_a_treatment_or_foretells(content: ReportContent) -> None:
    english = [sentence for key, sentence in catalogue("en").items() if key.startswith(("risk.", "evidence."))]
    for word in ("should be treated", "we recommend", "will rupture"):
        assert not any(word in sentence for sentence in english)


def test_bars_are_to_scale(content: ReportContent) -> None:
    risk = assess(content, **ANSWERS)
    assert risk.resemblance is not None
    made = bars(risk.resemblance.contributions, "en")
    by_value = {bar.value: bar for bar in made}
    largest = max(made, key=lambda bar: bar.width)
    for text, bar in by_value.items():
        ratio = abs(float(text.replace("−", "-"))) / abs(float(largest.value.replace("−", "-")))
        assert bar.width / largest.width == pytest.approx(ratio, abs=0.03)
        assert (bar.left >= 50 - 1e-9) == bar.raises or bar.width == 0
