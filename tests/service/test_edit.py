"""Corrections by hand on one case folder: the folder changes only when a computation is done, and only its owner gets in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import trimesh
from sqlalchemy import select

from aneuflow.case.files import read_json
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError
from aneuflow.pipeline.run import assess, current_stages, run_stage
from aneuflow.service.accounts import set_password
from aneuflow.service.app import create_app
from aneuflow.service.child import VIEWS
from aneuflow.service.dispatch import Dispatcher
from aneuflow.service.edit import create_edit_app
from aneuflow.service.engine import LocalEngine
from aneuflow.service.local_case import DESK, LocalCase
from aneuflow.service.models import Case, Project, User
from aneuflow.service.publish import Finding, publish, read_content
from aneuflow.service.system import FIRST_USER, System, first_start
from aneuflow.service.views import write_views
from tests.sac_shapes import straight
from tests.service.browser import browsing, needs_browser
from tests.service.conftest import in_thread
from tests.service.made_cases import Made, wait_until, write_case
from tests.service.running import OWN_PASSWORD

FILES = {"model/model.json": '{"neck": 1}', "morphology/morphology.json": '{"quantities": []}'}


def _local(folder: Path, made: Made) -> LocalCase:
    """A case of made files that a made engine computes."""
    case = write_case(folder, FILES, {"simulate": {"threads": 2}})
    local = LocalCase(case.path, made)
    (case.path / DESK / "shown").mkdir(parents=True)
    local._current = frozenset({"model", "morphology"})
    return local


def _change(job: Path) -> None:
    """What a run does to its copy: another model, and views of it. Like a stage, it writes no file that was there."""
    shutil.rmtree(job / "case")
    write_case(job, {**FILES, "model/model.json": '{"neck": 2}'}, {"model": {"inlet_caps": [2]}})
    (job / "views").mkdir(exist_ok=True)
    (job / "views" / "model.en.json.gz").write_bytes(b"drawn")


def _state(local: LocalCase) -> Callable[[], bool]:
    return lambda: local.see()["state"] != "running"


def test_what_was_computed_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    local = _local(tmp_path, Made(_change, current=("model",)))
    assert local.start({"model": {"inlet_caps": [2]}}, "measure")["state"] == "running"
    wait_until(_state(local))
    seen = local.see()
    assert seen["state"] == "done" and seen["settings"] == {"model": {"inlet_caps": [2]}}
    assert local.content("model/model.json") == {"neck": 2}
    assert [file["path"] for file in seen["files"]] == ["model/model.json", "views/model.en.json.gz"]
    assert not list(local.folder.path.glob(".replaced-*"))


@pytest.mark.parametrize("end", [("failed", "The neck plane cuts no sac off the lumen."), None])
def test_what_fails_or_is_canceled_leaves_the_case_as_it_was(tmp_path: Path, end: tuple[str, str] | None) -> None:
    local = _local(tmp_path, Made(_change, current=("model",), end=end))
    before = {file: file.read_bytes() for file in local.folder.path.rglob("*") if file.is_file()}
    local.start({}, "report")
    if end is None:
        assert local.see()["job"] is not None
        assert local.cancel()
    wait_until(_state(local))
    assert (local.see()["state"], local.see()["reason"]) == (end or ("canceled", ""))
    assert {file: file.read_bytes() for file in local.folder.path.rglob("*") if file.is_file()} == before


def test_a_case_without_a_model_is_refused(tmp_path: Path) -> None:
    case = write_case(tmp_path, {"import/image.txt": "image"})
    with pytest.raises(InputError, match="no finished model"), LocalCase.opened(case.path):
        pass


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with in_thread(create_edit_app(_local(tmp_path, Made()), "secret")) as address, httpx.Client(base_url=address) as client:
        yield client


def test_only_who_has_the_address_gets_in(client: httpx.Client) -> None:
    page = client.get("/secret/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    asset = re.search(r'src="\./(assets/[^"]+)"', page.text)
    assert asset and client.get(f"/secret/{asset[1]}").status_code == 200
    for path in ("/", "/api/session", "/api/cases/local", "/wrong/", "/secre/api/cases/local", "/secret/api/cases/other"):
        assert client.get(path).status_code == 404, path
    assert client.get("/secret/api/cases/local", headers={"host": "evil.example"}).status_code == 400


def test_the_page_gets_the_case_and_no_other_file(client: httpx.Client) -> None:
    at = "/secret/api/cases/local"
    assert client.get("/secret/api/session").json()["case_id"] == "local"
    assert client.get(at).json()["role"] == "editor"
    assert client.get(f"{at}/files/model/model.json").json() == {"neck": 1}
    for path in ("case.json", "../case/case.json", "model/../case.json", "%2e%2e/case/case.json"):
        assert client.get(f"{at}/files/{path}").status_code == 404, path
    assert client.get(f"{at}/measures").json() == [] and client.get(f"{at}/grade").json() is None
    assert client.get(f"{at}/history").json() == {"jobs": [], "trail": []}


def test_settings_cannot_name_files(client: httpx.Client) -> None:
    for settings in ({"boundary": {"waveform": "/etc/passwd"}}, {"predict": {"networks": "own"}}):
        refused = client.post("/secret/api/cases/local/jobs", json={"settings": settings})
        assert refused.status_code == 422 and "cannot name a f" in refused.json()["detail"]


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A case of a tube with a round sac on its side, up to its shape."""
    lumen, _ = straight(sac=(3.0, 2.4), step=0.3)
    trimesh.Trimesh(lumen.surface.points, lumen.surface.triangles, process=False).export(tmp_path / "tube.stl")
    assess(tmp_path / "tube.stl", tmp_path / "case", {"input": {"units": "mm"}}, last="import")
    run_stage(tmp_path / "case", "measure")
    return tmp_path / "case"


@pytest.fixture
def address(measured: Path) -> Iterator[str]:
    """Of `aneuflow edit` on that case; Ctrl-C ends it well."""
    command = [sys.executable, "-m", "aneuflow.cli.main", "edit", str(measured)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    found = re.search(r"http://\S+/", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()
    assert not (measured / DESK).exists()


def _numbers(case: Path) -> dict[str, float]:
    return {entry["id"]: entry["value"] for entry in read_json(case / "morphology" / "morphology.json")["quantities"]}


def draw_the_neck(page: Any, lower: float) -> None:
    """In the view of the sac in profile, a line across its neck, `lower` of the picture's height under its middle."""
    page.click("button[name=draw]")
    page.locator(".correct canvas").scroll_into_view_if_needed()
    box = page.locator(".correct canvas").bounding_box()
    height = box["y"] + box["height"] * (0.5 + lower)
    page.mouse.move(box["x"] + 0.2 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], height, steps=3)
    page.mouse.up()


def compute_shape(page: Any) -> None:
    work = page.locator(".history > .scroll tbody tr")
    done = work.count()
    page.click("button[name=shape]")
    work.nth(done).wait_for()
    page.locator(".case-head .chip:is(.state-done, .state-failed)").wait_for()


@needs_browser
@pytest.mark.slow
def test_a_neck_drawn_in_the_browser_is_measured_and_taken_back(measured: Path, address: str) -> None:
    before = _numbers(measured)
    with browsing(address, 120) as page:
        page.locator(".correct .viewer.ready").wait_for()
        draw_the_neck(page, -0.05)
        page.get_by_text("--neck-plane=").wait_for()
        assert page.input_value("[name='model.aneurysm']") == "plane"
        page.locator("[name='model.neck_shift']").press("ArrowLeft")
        page.select_option("[name='model.end.1']", "outlet")
        page.select_option("[name='model.end.2']", "inlet")
        compute_shape(page)
        assert page.locator(".case-head .state-done").count() == 1, page.locator(".case-head").inner_text()
        page.locator(".before", has_text="Neck diameter").wait_for()
        corrected, settings = _numbers(measured), read_json(measured / "case.json")["settings"]["model"]
        assert settings["inlet_caps"] == [2]
        assert np.linalg.norm(settings["neck_plane"]["normal"]) == pytest.approx(1, abs=1e-3)
        assert abs(corrected["neck_diameter"] - before["neck_diameter"]) > 0.05
        page.select_option("[name='model.aneurysm']", "none")
        compute_shape(page)
        assert "neck_diameter" not in _numbers(measured)
        page.click("button[name=automatic]")
        page.locator(".case-head .state-running").wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.locator(".case-head .state-canceled").wait_for()
    assert CaseFolder(measured).manifest().settings["model"]["aneurysm"] == "none"


@pytest.fixture
def listed(measured: Path, system: System) -> Iterator[str]:
    """The terminal's address, and that case in its worklist; a dispatcher works."""
    password = first_start(system)
    with system.database.writing() as session:
        set_password(session, session.scalars(select(User)).one(), OWN_PASSWORD, must_change=False)
        case = Case(project_id=session.scalars(select(Project)).one().id, label="Tube", state="done", created_by=FIRST_USER)
        session.add(case)
    assert password
    current = current_stages(CaseFolder(measured))
    write_views(measured, measured.parent / VIEWS, current)
    publish(system, case.id, Finding(measured.parent, current))
    dispatcher = Dispatcher(system, LocalEngine())
    thread = threading.Thread(target=dispatcher.serve, args=(os.getppid(),))
    thread.start()
    with in_thread(create_app(system)) as address:
        yield address
    dispatcher.ending.set()
    thread.join(30)


@needs_browser
@pytest.mark.slow
def test_a_neck_drawn_in_the_terminal_is_measured(listed: str, measured: Path, system: System) -> None:
    before = _numbers(measured)
    with browsing(listed, 120) as page:
        page.fill("input[name=name]", FIRST_USER)
        page.fill("input[name=password]", OWN_PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_role("link", name="Tube").click()
        page.locator(".compute summary").first.click()
        page.locator(".correct .viewer.ready").wait_for()
        draw_the_neck(page, -0.05)
        page.get_by_text("--neck-plane=").wait_for()
        compute_shape(page)
        page.locator(".before", has_text="Neck diameter").wait_for()
        assert page.locator(".case-head .state-done").count() == 1
    with system.database.reading() as session:
        case = session.scalars(select(Case)).one()
        corrected = read_content(system, session, case.id, "morphology/morphology.json")["quantities"]
    assert set(case.settings["model"]["neck_plane"]) == {"point_mm", "normal"}
    neck = next(entry["value"] for entry in corrected if entry["id"] == "neck_diameter")
    assert abs(neck - before["neck_diameter"]) > 0.05
    assert _numbers(measured) == before
