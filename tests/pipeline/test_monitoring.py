"""From case folders and tables to a look: what of a case counts, outcomes as they come, and what is no table."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.case.outcome_store import add_outcome, read_outcomes
from aneuflow.case.risk_store import write_risk
from aneuflow.errors import InputError
from aneuflow.pipeline.monitoring import seen_in_folders, seen_in_table
from aneuflow.risk import Clinical, GradeSettings, assess_risk
from aneuflow.risk.learned import shipped_model
from aneuflow.types import Risk
from tests.cli.run import run
from tests.report.sample import sample_content

ANSWERS = {
    "age_years": 58, "sex": "female", "hypertension": False, "smoking": "never", "family_history": False, "multiple": False,
    "site": "mca",
}  # fmt: skip


@pytest.fixture(scope="module")
def risk() -> Risk:
    content = sample_content()
    return assess_risk(content.model, content.morphology, None, Clinical.model_validate(ANSWERS), GradeSettings(samples=8))


def graded(folder: Path, risk: Risk, ended: str) -> CaseFolder:
    case = CaseFolder(folder)
    with case.locked():
        case.save(Manifest({"kind": "mask", "sha256": "0"}, {}))
        with case.writing("risk") as target:
            write_risk(target, risk)
        case.record("grade", StageRecord("done", "key", "risk", case.outputs("risk"), 1.0, ended=ended))
    return case


def test_a_graded_case_is_seen_with_its_day_answers_and_outcome(risk: Risk, tmp_path: Path) -> None:
    case = graded(tmp_path / "a", risk, "2026-03-04T10:00:00+00:00")
    graded(tmp_path / "b", risk, "")
    failed = graded(tmp_path / "c", risk, "2026-03-04T10:00:00+00:00")
    failed.record("grade", replace(failed.manifest().stages["grade"], state="failed"))
    add_outcome(case, True, date(2026, 4, 1))
    add_outcome(case, False, date(2026, 5, 1))
    first, second = seen_in_folders(tmp_path)
    assert risk.resemblance is not None and risk.resemblance.probability.value is not None
    assert first.day == date(2026, 3, 4) and first.ruptured is False and second.day is None and second.ruptured is None
    assert first.model == risk.resemblance.model == shipped_model().content["id"]
    assert first.probability == pytest.approx(risk.resemblance.probability.value / 100)
    assert first.answers["site"] == "mca" and float(first.answers["size_mm"]) > 1
    assert [outcome.ruptured for outcome in read_outcomes(case.path)] == [True, False]
    assert seen_in_folders(tmp_path / "a") == [first]
    assert set(case.manifest().stages) == {"grade"} and "outcome" not in case.manifest().settings


def test_outcomes_come_by_hand_and_from_a_table(risk: Risk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = [graded(tmp_path / name, risk, "") for name in ("a", "b")]
    code, _, err = run(capsys, "outcome", str(tmp_path / "a"), "--ruptured", "--date", "2026-05-31")
    assert code == 0, err
    table = tmp_path / "outcomes.csv"
    table.write_text("case,ruptured,date\na,no,2026-06-01\nb,Yes,2026-06-02\n", "utf-8")
    code, out, err = run(capsys, "outcome", str(tmp_path), "--table", str(table))
    assert code == 0 and "2 outcomes, 1 ruptured" in out, err
    assert [[one.ruptured for one in read_outcomes(case.path)] for case in cases] == [[True, False], [True]]
    written = json.loads((tmp_path / "a" / "outcome" / "outcome.json").read_text("utf-8"))
    assert written[0]["day"] == "2026-05-31" and set(written[0]) == {"ruptured", "day", "recorded"}
    ahead = (date.today() + timedelta(1)).isoformat()
    for wrong, said in (
        (("--ruptured",), "needs --ruptured or --unruptured and --date"), (("--ruptured", "--date", "May"), "no day"),
        (("--unruptured", "--date", ahead), "is to come"), (("--table", str(table), "--ruptured"), "of its own"),
    ):  # fmt: skip
        code, _, err = run(capsys, "outcome", str(tmp_path / "a"), *wrong)
        assert code == 2 and said in err
    for text, said in (("case\na\n", "needs the columns"), ("case,ruptured,date\n../a,yes,2026-01-01\n", "'../a'"),
                       ("case,ruptured,date\na,perhaps,2026-01-01\n", "'perhaps'"),
                       ("case,ruptured,date\nx,yes,2026-01-01\n", "'x'"),
                       ("case,ruptured,date\na,yes,1.1.26\n", "line 2")):  # fmt: skip
        table.write_text(text, "utf-8")
        code, _, err = run(capsys, "outcome", str(tmp_path), "--table", str(table))
        assert code == 2 and said in err, err


def test_a_table_is_read_as_cases_that_the_model_judges(tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    header = "date,ruptured,size_mm,age_years,sex,smoking,hypertension,multiple,family_history,site,other\n"
    table.write_text(header + "2026-01-02,yes,6,58,female,never,no,no,no,acom,x\n,,,58,female,never,no,no,no,acom,x\n", "utf-8")
    first, second = seen_in_table(table, shipped_model())
    assert first.day == date(2026, 1, 2) and first.ruptured is True and first.probability is not None
    assert second.day is None and second.ruptured is None and second.probability is None and "size_mm" not in second.answers
    for line in ("2026-01-02,maybe,6,58", "gestern,yes,6,58", "2026-01-02,yes,big,58", "2026-01-02,yes,nan,58"):
        table.write_text(f"date,ruptured,size_mm,age_years\n{line}\n", "utf-8")
        with pytest.raises(InputError, match=r"Line 2 of cases\.csv holds"):
            seen_in_table(table, shipped_model())
    table.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(InputError, match="none of the columns age_years"):
        seen_in_table(table, shipped_model())


def test_the_command_writes_the_look_and_says_its_alerts(
    risk: Risk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        graded(tmp_path / "cases" / f"{number:02}", risk, "2026-03-04T10:00:00+00:00")
    code, out, err = run(capsys, "monitor", str(tmp_path / "cases"), "-o", str(tmp_path / "look"))
    assert code == 0, err
    # One patient, 25 times: every distribution is another.
    assert "Alerts: " in out and "Site: its distribution is no longer" in out
    found = json.loads((tmp_path / "look" / "monitoring.json").read_text("utf-8"))
    assert found["graded"] == 25 and {"kind": "distribution", "of": "site"} in found["alerts"]
    assert found["recent"]["first"] == "2026-03-04" and found["model"]["sha256"] == shipped_model().sha256
    assert (tmp_path / "look" / "monitoring.pdf").read_bytes().startswith(b"%PDF")
    for source, said in ((tmp_path / "none", "neither a folder"), (tmp_path / "look", "no case that was graded")):
        code, _, err = run(capsys, "monitor", str(source), "-o", str(tmp_path / "other"))
        assert code == 2 and said in err and not (tmp_path / "other").exists()
