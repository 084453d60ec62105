"""The terminal as a person uses it: a real browser, a real server, the real chain."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.routing import APIRoute
from PIL import Image

from aneuflow.report.text import catalogue
from aneuflow.service.access import OnProject
from aneuflow.service.api.terminal import SECTIONS
from aneuflow.service.app import ROUTERS
from aneuflow.service.client import Client, new_token
from aneuflow.service.jobs import ASSESS, INTAKE
from tests.service.browser import browsing, needs_browser
from tests.service.running import OWN_PASSWORD, Person, Server, serving

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
STATIC = ROOT / "src" / "aneuflow" / "service" / "static"
EXAMPLE = ROOT / "examples" / "aneumo-case4" / "lumen.nii.gz"
# One beat of flow through the inlet, in s and mL/s.
FLOW_RECORD = ((0.0, 2.0), (0.1, 6.0), (0.2, 5.0), (0.3, 3.6), (0.5, 3.0), (0.7, 2.4), (0.9, 2.0))
NO_SURFACE = b"solid nothing\nendsolid\n"


def _sources() -> list[Path]:
    return [file for file in (WEB / "src").rglob("*") if file.is_file()]


def test_what_is_committed_was_built_from_these_sources() -> None:
    viewer = "../src/aneuflow/report/templates/viewer.js"
    paths = [file.relative_to(WEB).as_posix() for file in _sources()]
    paths = sorted([*paths, "index.html", "package-lock.json", "vite.config.ts", viewer])
    digest = hashlib.sha256(b"".join((WEB / path).read_bytes() for path in paths)).hexdigest()
    assert (STATIC / "sources.sha256").read_text().strip() == digest, "run make web and commit what it builds"
    assert sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file()) < 3e6


def test_every_text_the_terminal_asks_for_is_there_and_none_is_left_over() -> None:
    source = "\n".join(file.read_text("utf-8") for file in _sources() if file.suffix == ".ts")
    asked = set(re.findall(r'\bt\(\s*"([a-z_.]+)"', source))
    known = catalogue("en")
    assert len(asked) > 80
    missing = {key for key in asked if (key if "." in key else f"terminal.{key}") not in known}
    assert missing == set()
    assert all(key.startswith(SECTIONS) for key in asked if "." in key)
    made_up = tuple(re.findall(r"[`\"]([a-z]+_)\$\{", source))
    plain = {key.removeprefix("terminal.") for key in known if key.startswith("terminal.")}
    left = {key for key in plain - asked if not key.startswith(made_up) and f'"{key}"' not in source}
    assert left == set()


def test_every_refusal_has_its_words_and_no_words_are_left_over() -> None:
    source = "\n".join(file.read_text("utf-8") for file in (ROOT / "src" / "aneuflow" / "service").rglob("*.py"))
    ways = (r'Problem\(\s*\d+, "', r'said(?:: ClassVar)? = "', r'return 4\d\d, "', r'_refused\(request, "')
    used = set(re.findall("|".join(f'{way}([a-z_]+)"' for way in ways), source))
    codes = {code for found in used for code in found if code}
    assert codes == {key.removeprefix("refusal.") for key in catalogue("zh") if key.startswith("refusal.")}


def test_every_deed_of_a_projects_trail_has_its_words() -> None:
    said = {key.removeprefix("terminal.action_") for key in catalogue("zh") if key.startswith("terminal.action_")}
    for route in [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]:
        if any(isinstance(part.call, OnProject) for part in route.dependant.dependencies):
            assert route.endpoint.__name__ in said
    assert {f"{kind}_{state}" for kind in (INTAKE, ASSESS) for state in ("done", "failed", "canceled")} <= said


def _sign_in(page: Any, name: str, password: str) -> None:
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")


def _send(page: Any, label: str, files: list[dict[str, Any]] | Path) -> None:
    page.locator("#files").set_input_files(files)
    page.fill("dialog input[name=label]", label)


@needs_browser
def test_from_the_first_password_to_an_uploaded_case(server: Server, administrator: Person) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    first = administrator("POST", "/api/users", json={"name": "reader.one"})["password"]
    administrator("PUT", f"/api/projects/{project}/members/reader.one", json={"role": "editor"})
    with browsing(server.address, 20, expected=r"status of 40[14]") as page:
        _sign_in(page, "reader.one", "not the right one")
        page.get_by_role("alert").filter(has_text="wrong").wait_for()
        _sign_in(page, "reader.one", first)
        page.fill("input[name=new]", OWN_PASSWORD)
        page.fill("input[name=again]", OWN_PASSWORD)
        page.press("input[name=again]", "Enter")
        page.get_by_role("heading", name="Worklist").wait_for()
        _make_a_token(page, server)
        named = {"name": "Doe^Jane.stl", "mimeType": "model/stl", "buffer": NO_SURFACE}
        note = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"left out"}
        _send(page, "Browser 1", [named, note])
        assert "1 other file" in page.locator("dialog").inner_text()
        page.locator("dialog button[type=submit]").click()
        page.get_by_role("link", name="Received").wait_for()
        page.fill("input[name=search]", "browser")
        row = page.locator("tr[data-case]")
        row.filter(has_text="Browser 1").wait_for()
        row.filter(has_not_text="Browser 1").first.wait_for(state="detached")
        page.select_option("select[name=language]", "zh")
        page.get_by_role("heading", name="工作列表").wait_for()
        row.get_by_role("link").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Browser 1").wait_for()
        page.evaluate("location.hash = '#/cases/none'")
        page.get_by_role("heading", name="没有此病例；请检查地址。").wait_for()
        page.get_by_role("button", name="退出").click()
        page.locator("input[name=password]").wait_for()
    assert "Doe" not in server.log.read_text()


def _make_a_token(page: Any, server: Server) -> None:
    """A token made by hand lets a script in; back to the worklist after."""
    page.get_by_role("link", name="reader.one").click()
    page.fill("input[name=token]", "script")
    page.get_by_role("button", name="Make a token").click()
    secret = page.locator("[role=alert] code").inner_text()
    assert [project["role"] for project in Client(server.address, secret).projects()] == ["editor"]
    page.get_by_role("link", name="aneuflow").click()


@needs_browser
def test_the_page_for_signing_in_names_the_provider_and_says_why_it_refused(server: Server) -> None:
    with browsing(server.address, 20) as page:
        assert page.get_by_role("link", name="Sign in with").count() == 0
        page.route("**/api/oidc", lambda route: route.fulfill(json={"configured": True, "title": "Ward ID"}))
        page.goto(f"{server.address}/?refused=oidc_no_role")
        page.get_by_role("link", name="Sign in with Ward ID").wait_for()
        assert page.get_by_role("link", name="Sign in with Ward ID").get_attribute("href") == "/api/oidc/sign-in"
        assert "no role in this system" in page.get_by_role("alert").inner_text()
        assert "refused" not in page.url


@needs_browser
def test_an_administrator_makes_users_and_projects_and_gives_roles(server: Server, administrator: Person) -> None:
    with browsing(server.address, 20, expected=r"status of 40[149]") as page:
        _sign_in(page, "administrator", OWN_PASSWORD)
        page.get_by_role("link", name="Users").click()
        page.fill("[name=new_user]", "dr.lee")
        page.get_by_role("button", name="Make the user").click()
        first = page.locator("[role=alert] code").inner_text()
        page.locator(".users tr", has_text="dr.lee").get_by_text("first password not changed").wait_for()
        page.get_by_role("button", name="Check the chain").click()
        page.get_by_text("lines is whole").wait_for()
        page.fill("[name=new_project]", "Ward 3")
        page.get_by_role("button", name="Make the project").click()
        page.get_by_role("heading", name="Ward 3").wait_for()
        page.fill("[name=retention_days]", "7")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Saved.").wait_for()
        page.fill("[name=member]", "dr.lee")
        page.select_option("[name=member_role]", "editor")
        page.get_by_role("button", name="Add").click()
        page.get_by_label("Role: dr.lee").wait_for()
        page.get_by_label("Role: administrator").select_option("reader")
        page.get_by_text("left without an administrator").wait_for()
        page.get_by_label("Role: dr.lee").select_option("auditor")
        page.reload()
        page.locator(".trail").get_by_text("dr.lee auditor").wait_for()
        ward = next(project for project in administrator("GET", "/api/projects") if project["name"] == "Ward 3")
        assert ward["retention_days"] == 7
        members = administrator("GET", f"/api/projects/{ward['id']}/members")
        assert members == [{"name": "administrator", "role": "administrator"}, {"name": "dr.lee", "role": "auditor"}]
        page.get_by_role("link", name="Users").click()
        row = page.locator(".users tr", has_text="dr.lee")
        row.get_by_role("button", name="Lock").click()
        page.locator("dialog .danger").click()
        row.get_by_text("locked").wait_for()
        page.get_by_role("button", name="Sign out").click()
        _sign_in(page, "dr.lee", first)
        page.get_by_role("alert").filter(has_text="locked").wait_for()


def test_an_upload_cut_off_goes_on_where_it_stood(server: Server, administrator: Person) -> None:
    project = administrator("GET", "/api/projects")[0]["id"]
    files = [{"size": len(NO_SURFACE), "suffix": ".stl"}]
    upload = administrator("POST", f"/api/projects/{project}/uploads", json={"label": "Cut", "files": files})["id"]
    administrator("PATCH", f"/api/uploads/{upload}?offset=0", content=NO_SURFACE[:9])
    assert administrator("GET", f"/api/uploads/{upload}")["offset"] == 9
    assert administrator.status("PATCH", f"/api/uploads/{upload}?offset=0", content=NO_SURFACE) == 409
    assert administrator("PATCH", f"/api/uploads/{upload}?offset=9", content=NO_SURFACE[9:])["offset"] == len(NO_SURFACE)


def test_the_terminal_serves_nothing_but_its_parts(server: Server, administrator: Person) -> None:
    for path in ("/assets/..%2f..%2fsettings.py", "/assets/nothing.js", "/assets/sources.sha256"):
        assert administrator.status("GET", path) == 404
    page = administrator.http.get("/")
    assert (
        "<script>" not in page.text and "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
    )


@needs_browser
@pytest.mark.slow
def test_a_whole_case_from_upload_to_report_in_the_browser(tmp_path: Path) -> None:
    with serving(tmp_path / "data", threads_per_job=1) as server:
        server.administrator()
        with browsing(server.address, 460, expected=r"status of 40[13]") as page:
            _sign_in(page, "administrator", OWN_PASSWORD)
            _let_readers_judge_first(page)
            _send(page, "Whole case", EXAMPLE)
            page.locator("dialog summary").first.click()
            _type_a_flow_record(page)
            page.select_option("[name='input.kind']", "mask")
            page.fill("[name='simulate.resolution_mm']", "0.4")
            page.check("[name='simulate.steady']")
            page.locator("dialog button[type=submit]").click()
            page.get_by_role("link", name="Received").click()
            page.locator(".case-head .state-done").wait_for()
            page.locator("#viewer.ready canvas").wait_for()
            _is_drawn(page)
            _measures_explain_themselves(page)
            _the_flow_moves(page)
            _judges_before_the_grade(page)
            _reports_open(page)
            _the_record_is_what_flows(page)
            _an_answer_makes_the_grade_again(page)
        _the_client_fetches_it(server, tmp_path / "fetched")


def _let_readers_judge_first(page: Any) -> None:
    page.get_by_role("link", name="administrator").click()
    with page.expect_response(lambda answer: answer.url.endswith("/judgement-first")):
        page.get_by_label("Own judgement first: First project").check()
    page.get_by_role("link", name="aneuflow").click()


def _type_a_flow_record(page: Any) -> None:
    page.locator("dialog .measured > summary").click()
    page.click("[name=doppler_type]")
    page.select_option("[name=record_what]", "flow")
    page.fill("[name=record_rows]", "0 2\n0.1 x")
    page.get_by_role("button", name="Add the record").click()
    page.get_by_text("Each line needs a time and a value").wait_for()
    page.fill("[name=record_rows]", "\n".join(f"{time} {flow}" for time, flow in FLOW_RECORD))
    page.get_by_role("button", name="Add the record").click()
    page.locator("dialog .record svg").wait_for()
    page.locator("[name=record_rows]").wait_for(state="detached")


def _judges_before_the_grade(page: Any) -> None:
    """Nothing of the grade before, in the page or from the server; both beside each other after."""
    grade = page.locator("section.grade")
    grade.get_by_role("heading", name="Your own judgement first").wait_for()
    assert page.get_by_role("link", name="Report (page)").count() == 0 and page.locator("[class*='grade-']").count() == 0
    case = page.evaluate("location.hash.split('/')[2]")
    status = f"fetch('/api/cases/{case}/files/report/report.html').then((answer) => answer.status)"
    assert page.evaluate(status) == 403
    before = page.locator("#viewer .controls select").first.locator("option").count()
    grade.get_by_role("button", name="State this judgement").click()
    assert grade.locator("[name=judged_risk]:invalid").count() > 0, "a risk must be chosen"
    grade.get_by_label("moderate").check()
    grade.get_by_label("4").check()
    grade.locator("textarea").fill("A wide neck.")
    grade.get_by_role("button", name="State this judgement").click()
    grade.get_by_role("heading", name="The machine's grade").wait_for()
    assert (
        "A wide neck." in grade.locator(".beside").inner_text() and "before any grade" in grade.locator(".beside").inner_text()
    )
    place = "document.querySelector('.grade .evidence').compareDocumentPosition(document.querySelector('.grade .beside'))"
    assert page.evaluate(f"{place} & Node.DOCUMENT_POSITION_FOLLOWING"), "evidence comes before the grade"
    page.get_by_role("link", name="Report (page)").wait_for()
    shown = page.locator("#viewer .controls select").first.locator("option")
    shown.nth(before).wait_for(state="attached")  # the regions of the wall


def _the_record_is_what_flows(page: Any) -> None:
    case = page.evaluate("location.hash.split('/')[2]")
    boundary = page.evaluate(f"fetch('/api/cases/{case}/files/boundary/boundary.json').then((answer) => answer.json())")
    times, flows = zip(*FLOW_RECORD, strict=True)
    mean = np.trapezoid(flows, times) / times[-1]
    assert sum(inlet["mean_flow_ml_s"] for inlet in boundary["inlets"]) == pytest.approx(mean, rel=0.03)


def _is_drawn(page: Any) -> None:
    picture = Image.open(io.BytesIO(page.locator("#viewer .stage-area").screenshot())).convert("RGB")
    assert (np.ptp(np.asarray(picture, dtype=int), axis=2) > 40).mean() > 0.1


def _the_flow_moves(page: Any) -> None:
    """Also where the grade is not shown yet, of which it says nothing."""
    page.check("[name=flow]")
    page.locator(".flow").get_by_text("Steady flow").wait_for()
    pictures = []
    for _ in range(2):
        page.wait_for_timeout(1500)
        pictures.append(Image.open(io.BytesIO(page.locator("#viewer canvas").screenshot())).convert("RGB"))
    first, second = (np.asarray(picture, dtype=int) for picture in pictures)
    assert (np.abs(first - second).max(axis=2) > 40).mean() > 1e-3
    page.get_by_role("button", name="Pause").click()
    page.uncheck("[name=flow]")


def _measures_explain_themselves(page: Any) -> None:
    row = page.locator(".measures tr", has_text="Maximum diameter").first
    assert re.search(r"\d\.\d", row.locator(".number").inner_text())
    about = row.locator(".about")
    assert not about.is_visible()
    row.locator(".term").focus()
    about.wait_for(state="visible")


def _reports_open(page: Any) -> None:
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report (page)").click()
    opened.value.locator("#viewer.ready").wait_for()
    assert "Whole case" in opened.value.title()
    opened.value.close()
    address = page.get_by_role("link", name="Report (PDF)").get_attribute("href")
    assert page.request.get(page.url.split("/#")[0] + address).body().startswith(b"%PDF")
    table = page.request.get(page.url.split("/#")[0] + page.get_by_role("link", name="CSV").get_attribute("href")).text()
    assert table.splitlines()[0].endswith("formula,source") and "maximum_diameter" in table


def _an_answer_makes_the_grade_again(page: Any) -> None:
    """Only what follows from clinical answers runs again: grade and report, not the flow."""
    before = _seconds(page)
    page.locator("#main .compute > details > summary").click()
    page.locator(".compute .record svg").wait_for()
    page.locator(".compute .part:not(.measured) > summary").click()
    page.fill("[name='clinical.age_years']", "56")
    page.select_option("[name='clinical.site']", "mca")
    page.get_by_role("button", name="Compute again").click()
    page.locator(".history tbody tr").nth(2).wait_for()
    page.locator(".case-head .state-done").wait_for()
    after = _seconds(page)
    assert {name for name in before if before[name] != after[name]} == {"grade", "report"}
    page.locator(".grade").get_by_text("age").first.wait_for(state="attached")


def _seconds(page: Any) -> dict[str, float]:
    """How long each stage of the case took when it last ran, to the last digit: another run takes another time."""
    case = page.evaluate("fetch(`/api/cases/${location.hash.split('/')[2]}`).then((answer) => answer.json())")
    return {name: stage["seconds"] for name, stage in case["stages"].items()}


def _the_client_fetches_it(server: Server, folder: Path) -> None:
    client = Client(server.address, new_token(server.address, "administrator", OWN_PASSWORD, "test", 1.0))
    case = next(client.cases(search="whole"))
    assert client.wait(case["id"])["state"] == "done"
    client.fetch(case["id"], folder, "report/*", "model/lumen.vtp")
    names = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert {"report/report.pdf", "report/report.html", "model/lumen.vtp", "measures.csv"} <= names
    with (folder / "measures.csv").open(encoding="utf-8-sig") as lines:
        table = {row["id"]: float(row["value"]) for row in csv.DictReader(lines)}
    assert table == {measure["id"]: measure["value"] for measure in client.measures(case["id"])}
