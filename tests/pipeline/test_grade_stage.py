"""The grade reads only what is current: a flow that failed, is stale or missing is left out and never computed for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.case.prediction_store import FOLDER, STAGE, prediction_key
from aneuflow.case.radiomics_store import FOLDER as RADIOMICS
from aneuflow.case.radiomics_store import radiomics_key, write_radiomics
from aneuflow.errors import MethodError
from aneuflow.pipeline import run
from aneuflow.pipeline.settings import settings_from
from aneuflow.pipeline.stages import FROM_LUMEN, StageEnd, StageRun
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import Measure, Radiomics

ORDER = ["model", "measure", "boundary", "simulate", "grade"]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    """A case whose stages only write down what they were allowed to read."""

    def note(stage_run: StageRun) -> None:
        name = stage_run.target.name.removeprefix(".writing-")
        (stage_run.target / "reads.txt").write_text(" ".join(sorted(stage_run.reads)))
        if name == "flow" and stage_run.settings.simulate.steady:
            raise MethodError("made to fail")

    monkeypatch.setattr(run, "chain", lambda kind: tuple(replace(stage, run=note) for stage in FROM_LUMEN[:-1]))
    monkeypatch.setattr(run, "FLOW_STAGES", tuple(replace(stage, run=note) for stage in run.FLOW_STAGES))
    folder = CaseFolder(tmp_path / "case")
    with folder.locked():
        folder.save(Manifest(input={"kind": "surface", "sha256": "x"}, settings={}))
        with folder.writing("surface") as target:
            (target / "surface.vtp").write_text("made up")
        folder.record("import", StageRecord("done", "x", "surface", folder.outputs("surface"), 0.0))
        yield folder


def ends(case: CaseFolder, last: str | None, **tables: dict[str, object]) -> list[tuple[str, str]]:
    return [(end.stage, end.state) for end in run._run_chain(case, settings_from(tables), last, run.silent)]


def read_by_grade(case: CaseFolder) -> set[str]:
    return set((case.stage_folder("risk") / "reads.txt").read_text().split())


def test_a_grade_alone_computes_no_flow(case: CaseFolder) -> None:
    assert ends(case, "grade") == [(name, "done") for name in ("model", "measure", "grade")]
    assert read_by_grade(case) == {"model", "morphology"}


def test_a_current_flow_is_read(case: CaseFolder) -> None:
    assert [name for name, _ in ends(case, None)] == ORDER
    assert ends(case, "grade") == [(name, "kept") for name in ORDER]
    assert read_by_grade(case) == {"model", "morphology", "boundary", "flow"}


def predicted(case: CaseFolder, declines: bool = False) -> StageEnd:
    """What stands in for the networks: it writes no more than says what it was made from."""
    if declines:
        raise MethodError("declined")
    with case.writing(FOLDER) as target:
        (target / "hemodynamics.json").write_text(json.dumps({"method": {"networks": "ab", "coarse_flow": True}}))
    case.record(STAGE, StageRecord("done", prediction_key(case, "ab", True), FOLDER, case.outputs(FOLDER), 0.0))
    return StageEnd(STAGE, "done", 0.0)


def test_a_grade_alone_reads_the_prediction_of_a_fast_case(case: CaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "predict_flow", lambda case, *_: predicted(case))
    ends(case, None, predict={"fast": True})
    assert ends(case, "grade", predict={"fast": True}, grade={"samples": 16})[-1] == ("grade", "done")
    assert read_by_grade(case) == {"model", "morphology", "boundary", "prediction"}


def test_a_fast_case_is_graded_by_a_prediction_until_it_is_simulated(case: CaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "predict_flow", lambda case, *_: predicted(case))
    fast = {"predict": {"fast": True}}
    assert [name for name, _ in ends(case, None, **fast)] == ["model", "measure", "boundary", "predict", "grade"]
    assert read_by_grade(case) == {"model", "morphology", "boundary", "prediction"}
    assert ends(case, "simulate", **fast)[-1] == ("simulate", "done")
    assert [name for name, _ in ends(case, None, **fast)] == ORDER
    assert read_by_grade(case) == {"model", "morphology", "boundary", "flow"}
    stale = {"boundary": {"flow_ml_s": 1.0}}
    assert ends(case, "grade", **stale)[-1] == ("grade", "done")
    assert read_by_grade(case) == {"model", "morphology"}


def test_a_fast_case_that_the_networks_decline_is_simulated(case: CaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "predict_flow", lambda case, *_: predicted(case, declines=True))
    assert [name for name, _ in ends(case, None, predict={"fast": True})] == ORDER
    assert read_by_grade(case) == {"model", "morphology", "boundary", "flow"}


def test_a_stale_flow_is_not_read(case: CaseFolder) -> None:
    ends(case, None)
    changed = ends(case, "grade", boundary={"flow_ml_s": 2.0})
    assert changed == [("model", "kept"), ("measure", "kept"), ("grade", "done")]
    assert read_by_grade(case) == {"model", "morphology"}


def test_a_failed_flow_is_not_read(case: CaseFolder) -> None:
    ends(case, None)
    with pytest.raises(MethodError):
        ends(case, None, simulate={"steady": True})
    assert [name for name, _ in ends(case, "grade", simulate={"steady": True})] == ["model", "measure", "boundary", "grade"]
    assert "flow" not in read_by_grade(case)


def test_new_answers_make_the_grade_anew_and_nothing_else(case: CaseFolder) -> None:
    ends(case, None)
    assert ends(case, "grade", clinical={"age_years": 60}) == [*((name, "kept") for name in ORDER[:-1]), ("grade", "done")]


def test_image_features_are_read_where_a_model_of_ones_own_can_ask_for_them(case: CaseFolder) -> None:
    ends(case, None)
    settings = RadiomicsSettings().model_dump()
    with case.writing(RADIOMICS) as target:
        write_radiomics(target, Radiomics((Measure("radiomics_sac_mean", 1.0),), settings, {"sac": 100, "wall": 100}))
    case.record(RADIOMICS, StageRecord("done", radiomics_key(case, settings), RADIOMICS, case.outputs(RADIOMICS), 0.0))
    assert ends(case, "grade")[-1] == ("grade", "kept")
    own = {"grade": {"model": "own"}}
    assert ends(case, "grade", **own)[-1] == ("grade", "done") and "radiomics" in read_by_grade(case)
    (case.stage_folder("radiomics") / "radiomics.json").write_text("{}")
    assert ends(case, "grade", **own)[-1] == ("grade", "done") and "radiomics" not in read_by_grade(case)
