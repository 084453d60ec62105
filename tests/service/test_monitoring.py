"""Grades and outcomes of the system as monitoring sees them, who may see it, its gauges, and a model of the system's own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select, update

from aneuflow.case.risk_store import write_risk
from aneuflow.errors import InputError
from aneuflow.report.monitoring import headline
from aneuflow.risk import Clinical, GradeSettings, assess_risk
from aneuflow.risk.learned import shipped_model
from aneuflow.risk.monitor import Monitoring
from aneuflow.risk.train.table import read_cohort
from aneuflow.service.accounts import add_user
from aneuflow.service.api.cases import checked_settings
from aneuflow.service.metrics import exposition
from aneuflow.service.models import AuditEntry, Case, GradedCase, Membership
from aneuflow.service.monitoring import look, seen_cases
from aneuflow.service.publish import Finding, publish
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.cli.run import run
from tests.report.sample import sample_content
from tests.risk.made_models import made_rows, train_into, write_table
from tests.service.browser import browsing, needs_browser
from tests.service.made_cases import ON_BOTH, Made, add_case, add_job, case_of, work, write_case
from tests.service.running import OWN_PASSWORD, Person, serving

GRADED = "2026-03-04T10:00:00+00:00"


@pytest.fixture(scope="module")
def risk_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """risk.json of a case whose answers are all known."""
    content, folder = sample_content(), tmp_path_factory.mktemp("risk")
    clinical = Clinical(
        age_years=58, sex="female", hypertension=False, smoking="never", family_history=False, multiple=False, site="mca"
    )
    write_risk(folder, assess_risk(content.model, content.morphology, None, clinical, GradeSettings(samples=8)))
    return (folder / "risk.json").read_text("utf-8")


def graded(system: System, folder: Path, risk_file: str, label: str = "Study 1") -> str:
    """A case that was graded, kept by the system."""
    case_id = add_case(system, label)
    case = write_case(folder, {"risk/risk.json": risk_file})
    manifest = case.manifest()
    case.save(replace(manifest, stages={"grade": replace(manifest.stages["risk"], ended=GRADED)}))
    publish(system, case_id, Finding(folder, {"grade"}))
    return case_id


@pytest.fixture
def people(system: System, address: str) -> Iterator[dict[str, Person]]:
    """An administrator of the system, and a reader and an editor in the project of "Study 1"."""
    people = {}
    with system.database.reading() as session:
        project_id = next(iter(session.query(Case.project_id)))[0]
    for role in ("administrator", "editor2", "reader"):
        with system.database.writing() as session:
            user = add_user(session, role, OWN_PASSWORD, is_administrator=role == "administrator", must_change=False)
            session.add(Membership(project_id=project_id, user_id=user.id, role=role.removesuffix("2")))
        people[role] = Person(address, role, OWN_PASSWORD)
    yield people
    for person in people.values():
        person.http.close()


@ON_BOTH
def test_a_grade_is_looked_at_until_it_is_gone(system: System, tmp_path: Path, risk_file: str) -> None:
    case_id = graded(system, tmp_path / "run", risk_file)
    with system.database.reading() as session:
        (seen,) = seen_cases(session)
    assert seen.day == date(2026, 3, 4) and seen.model == shipped_model().content["id"] and seen.answers["site"] == "mca"
    assert seen.probability == pytest.approx(json.loads(risk_file)["resemblance"]["probability"]["value"] / 100)
    assert seen.ruptured is None and look(system).graded == 1
    with system.database.writing() as session:
        session.execute(update(Case).values(deleted=time.time()))
    assert look(system).graded == 0
    with system.database.writing() as session:
        session.execute(update(Case).values(deleted=0.0))
    publish(system, case_id, Finding(tmp_path / "run", set()))
    with system.database.reading() as session:
        assert seen_cases(session) == [] and session.get(GradedCase, case_id) is None


@pytest.fixture
def case_id(system: System, tmp_path: Path, risk_file: str) -> str:
    return graded(system, tmp_path / "run", risk_file)


def test_outcomes_arrive_and_the_last_one_counts(system: System, case_id: str, people: dict[str, Person]) -> None:
    path = f"/api/cases/{case_id}/outcomes"
    given = {"ruptured": True, "day": "2026-05-31"}
    assert people["reader"].http.post(path, json=given).status_code == 403
    for ruptured in (True, False):
        made = people["editor2"].http.post(path, json={**given, "ruptured": ruptured})
        assert made.status_code == 201 and made.json()["day"] == "2026-05-31"
    assert [one["ruptured"] for one in people["reader"]("GET", path)] == [True, False]
    ahead = {"ruptured": True, "day": f"{datetime.now(UTC).year + 1}-01-03"}
    assert people["editor2"].http.post(path, json=ahead).status_code == 422
    with system.database.reading() as session:
        assert [seen.ruptured for seen in seen_cases(session)] == [False]
    trail = people["administrator"]("GET", f"/api/cases/{case_id}/history")["trail"]
    assert [deed["status"] for deed in trail if deed["action"] == "add_outcome"] == [403, 201, 201, 422]


def test_only_administrators_of_the_system_see_the_look(case_id: str, people: dict[str, Person]) -> None:
    for path in ("/api/monitoring", "/api/monitoring/page"):
        assert people["editor2"].status("GET", path) == 403
    found = people["administrator"]("GET", "/api/monitoring")
    assert found["graded"] == 1 and found["model"]["sha256"] == shipped_model().sha256
    for language, title in (("en", "The model of resemblance over time"), ("zh", "相似度模型的长期监测")):
        page = people["administrator"].http.get(f"/api/monitoring/page?language={language}")
        assert title in page.text and "sandbox" in page.headers["content-security-policy"]


def test_a_script_records_outcomes_and_looks_as_the_terminal_does(
    case_id: str,
    people: dict[str, Person],
    address: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def command(user: str, *arguments: str) -> tuple[int, str, str]:
        token = people[user]("POST", "/api/tokens", json={"name": "script"})["secret"]
        monkeypatch.setenv("ANEUFLOW_TOKEN", token)
        return run(capsys, "client", *arguments, "--server", address)

    assert command("editor2", "outcome", case_id) == (0, "", "")
    code, out, _ = command("editor2", "outcome", case_id, "--ruptured", "--date", "2026-05-31")
    assert (code, out) == (0, "2026-05-31\truptured\n")
    code, out, _ = command("editor2", "outcome", case_id, "--unruptured", "--date", "2026-06-01")
    assert out.endswith("2026-06-01\tunruptured\n")
    assert command("editor2", "outcome", case_id, "--ruptured")[0] == 2
    code, _, err = command("reader", "outcome", case_id, "--ruptured", "--date", "2026-05-31")
    assert code == 2 and "may not do this" in err
    assert command("reader", "outcome", case_id)[1].count("\n") == 2
    assert "for administrators of the system" in command("editor2", "monitor")[2]
    code, out, _ = command("administrator", "monitor", "-o", str(tmp_path / "page.html"), "--language", "zh")
    assert code == 0 and out.startswith(headline(look_of(people), "zh"))
    assert "相似度模型的长期监测" in (tmp_path / "page.html").read_text("utf-8")


def look_of(people: dict[str, Person]) -> Monitoring:
    return TypeAdapter(Monitoring).validate_python(people["administrator"]("GET", "/api/monitoring"))


def test_every_check_has_a_gauge_that_says_whether_it_alerts(system: System, tmp_path: Path, risk_file: str) -> None:
    gauges = _gauges(system)
    assert len(gauges) == 2 * 9 + 1 and set(gauges.values()) == {0.0}
    graded(system, tmp_path / "run", risk_file)
    with system.database.reading() as session:
        (kept,) = session.query(GradedCase)
    for number in range(24):
        case_id = add_case(system, f"Study {number + 2}")
        with system.database.writing() as session:
            copied = {"model": kept.model, "probability": kept.probability, "answers": kept.answers}
            session.add(GradedCase(case_id=case_id, graded=kept.graded + number, **copied))
    gauges = _gauges(system)
    # One patient, 25 times: every distribution is another, nothing is missing, nothing is known of outcomes.
    assert gauges['kind="distribution",of="site"'] == 1.0 and gauges['kind="unknown",of="site"'] == 0.0
    assert gauges['kind="calibration",of="resemblance"'] == 0.0


def _gauges(system: System) -> dict[str, float]:
    start = "aneuflow_model_alert{"
    lines = [line for line in exposition(system).decode().splitlines() if line.startswith(start)]
    pairs = [line.removeprefix(start).split("} ") for line in lines]
    return {labels.replace(f',model="{shipped_model().content["id"]}"', "").replace(
        f'model="{shipped_model().content["id"]}",', ""): float(value) for labels, value in pairs}  # fmt: skip


def test_a_system_opens_with_an_accepted_model_alone_and_gives_it_to_its_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train_into(tmp_path / "own", read_cohort(write_table(tmp_path / "own.csv", made_rows(300, 1))), monkeypatch)
    with pytest.raises(InputError, match="has no record of a comparison"):
        open_system(ServiceSettings(data=tmp_path / "data", risk_model=folder))
    with pytest.raises(InputError, match=r"grade\.model cannot name a folder here"):
        checked_settings({"grade": {"model": "own"}})
    tables: list[dict[str, Any]] = []
    for own in (None, folder):
        if own is not None:
            monkeypatch.setattr("aneuflow.service.system.accepted_model", lambda path: None)
        system = open_system(ServiceSettings(data=tmp_path / f"data-{own is None}", risk_model=own))
        job = add_job(system, add_case(system))
        made = Made(current=())
        start = made.start
        monkeypatch.setattr(made, "start", lambda ticket, start=start: tables.append(ticket.settings) or start(ticket))
        work(system, made)
        assert job
        system.database.engine.dispose()
        system.pseudonyms._database.engine.dispose()
    assert [table["grade"]["model"] for table in tables] == ["", str(folder)]


def test_which_model_grades_stands_in_no_settings_of_a_case(system: System, tmp_path: Path) -> None:
    case_id = add_case(system)
    settings = {"grade": {"model": "/models/own", "model_sha256": "0", "samples": 8}, "report": {"title": "x"}}
    write_case(tmp_path / "run", {"model/caps.json": "{}"}, settings)
    publish(system, case_id, Finding(tmp_path / "run", {"model"}))
    assert case_of(system, case_id).settings == {"grade": {"samples": 8}, "report": {"title": "x"}}


@needs_browser
@pytest.mark.slow
def test_an_administrator_opens_the_page_from_the_terminal(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        server.administrator()
        with browsing(server.address, 60) as page:  # type: Any
            page.fill("[name=name]", "administrator")
            page.fill("[name=password]", OWN_PASSWORD)
            page.click("button[type=submit]")
            page.click("a[href='#/users']")
            with page.expect_popup() as opened:
                page.click("text=Show the page")
            shown = opened.value
            assert shown.inner_text("h1") == "All cases of the system"
            assert "0 graded cases: too few to tell" in shown.inner_text("#summary")


@needs_browser
@pytest.mark.slow
def test_an_editor_records_an_outcome_in_the_browser(system: System, address: str, tmp_path: Path) -> None:
    case_id = add_case(system, "Study 12")
    write_case(tmp_path, {"model/lumen.vtp": "of no matter here"})
    publish(system, case_id, Finding(tmp_path, {"model"}))
    for role in ("editor", "reader"):
        with system.database.writing() as session:
            user = add_user(session, f"{role}.1", OWN_PASSWORD, must_change=False)
            session.add(Membership(project_id=case_of(system, case_id).project_id, user_id=user.id, role=role))
    for role in ("editor", "reader"):
        with browsing(address, 60) as page:  # type: Any
            page.fill("[name=name]", f"{role}.1")
            page.fill("[name=password]", OWN_PASSWORD)
            page.click("button[type=submit]")
            page.get_by_role("link", name="Study 12").click()
            panel = page.locator("section.outcome")
            panel.get_by_role("heading", name="Outcome").wait_for()
            if role == "editor":
                panel.get_by_text("Record what is known").click()
                panel.get_by_role("radio", name="unruptured").check()
                panel.get_by_label("Known on").fill("2026-05-31")
                panel.get_by_role("button", name="Record").click()
            panel.get_by_text("2026-05-31: unruptured").wait_for()
            assert panel.locator("form").count() == (role == "editor")
            page.select_option("[name=language]", "zh")
            page.get_by_text("2026-05-31: 未破裂").wait_for()
    with system.database.reading() as session:
        kept = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "add_outcome")).all()
    assert kept == ["unruptured 2026-05-31"]
