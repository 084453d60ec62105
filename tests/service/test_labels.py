"""Painting on the wall: what a brush reaches, whose labels are shown to whom, and what of them is kept."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import trimesh
from sqlalchemy import select

from aneuflow.case import store
from aneuflow.case.files import PolyData
from aneuflow.case.folder import CaseFolder
from aneuflow.case.label_store import LUMEN, WallLabels, read_labels, read_lumen, surface_key, write_labels
from aneuflow.numerics import surface as sf
from aneuflow.pipeline.run import assess
from aneuflow.report.views import close_views
from aneuflow.service.accounts import add_token, add_user
from aneuflow.service.app import create_app
from aneuflow.service.child import VIEWS
from aneuflow.service.client import Client, Refused
from aneuflow.service.edit import create_edit_app
from aneuflow.service.local_case import DESK, LocalCase
from aneuflow.service.models import AuditEntry, Case, CaseFile, Membership, UnusedObject, User
from aneuflow.service.publish import Finding, publish
from aneuflow.service.system import System
from aneuflow.service.views import write_views
from aneuflow.types import REGION_SAC, WALL_PATCH, LumenModel, Surface
from tests.case.test_store import model
from tests.sac_shapes import straight
from tests.service.browser import browsing, needs_browser
from tests.service.conftest import in_thread
from tests.service.made_cases import Made, add_case, case_of, write_case
from tests.service.running import OWN_PASSWORD

EXAMPLE = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
LABEL = np.array([0, 3, 1, 0], np.uint8)
AT = "/secret/api/cases/local"


def _modeled(folder: Path, made: LumenModel) -> Path:
    """A case with nothing but a model."""
    (folder / "made").mkdir(parents=True)
    store.write_model(folder / "made", made)
    return write_case(folder, {f"model/{file.name}": file.read_bytes() for file in (folder / "made").iterdir()}).path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return _modeled(tmp_path, model(with_aneurysm=True))


@pytest.fixture
def client(case: Path) -> Iterator[httpx.Client]:
    local = LocalCase(case, Made())
    (case / DESK / "shown").mkdir(parents=True)
    with in_thread(create_edit_app(local, "secret")) as address, httpx.Client(base_url=address) as client:
        yield client


def _given(case: Path, label: np.ndarray = LABEL) -> dict[str, str]:
    return {"surface": surface_key(read_lumen(case / LUMEN)), "label": base64.b64encode(label.tobytes()).decode()}


def test_what_is_painted_comes_back_to_its_reader_alone(case: Path, client: httpx.Client) -> None:
    given = _given(case)
    assert client.get(f"{AT}/labels?reader=Anna").json()["label"] is None
    assert client.put(f"{AT}/labels?reader=Anna", json=given).json() == {"marked": 2}
    seen = client.get(f"{AT}/labels?reader=Anna").json()
    assert seen == {**given, "classes": ["low_shear", "impingement", "suspicious"], "is_stale": False}
    assert client.get(f"{AT}/labels?reader=Ben").json()["label"] is None
    assert client.put(f"{AT}/labels?reader=Ben", json=_given(case, 0 * LABEL)).json() == {"marked": 0}
    assert client.get(f"{AT}/files/risk-labels/Anna.vtp").status_code == 404
    assert "Anna" not in client.get(AT).text
    found = read_labels(case)
    assert {reader: labels.label.tolist() for reader, labels in found.items()} == {"Anna": [0, 3, 1, 0], "Ben": [0, 0, 0, 0]}


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"surface": "0" * 64}, 409, "made anew"),
        ({"surface": "x"}, 422, "surface"),
        ({"label": "???"}, 422, "no base64"),
        ({"label": base64.b64encode(bytes(5)).decode()}, 422, "5 labels were sent for 4 points"),
        ({"label": base64.b64encode(bytes([0, 4, 0, 0])).decode()}, 422, "Label 4 is none of the 3 classes"),
    ],
)
def test_what_does_not_fit_the_wall_is_refused(
    case: Path, client: httpx.Client, change: dict[str, str], status: int, said: str
) -> None:
    refused = client.put(f"{AT}/labels?reader=Anna", json={**_given(case), **change})
    assert refused.status_code == status and said in refused.json()["detail"]
    assert read_labels(case) == {}


def test_labels_that_are_not_of_this_page_are_not_shown_as_if_they_were(case: Path, client: httpx.Client) -> None:
    write_labels(case, "Anna", WallLabels(np.minimum(LABEL, 1), ("bleb",)))
    refused = client.get(f"{AT}/labels?reader=Anna")
    assert refused.status_code == 422 and "classes bleb" in refused.json()["detail"]
    refused = client.get(f"{AT}/labels?reader=..%2Fcase")
    assert refused.status_code == 422 and "'../case'" in refused.json()["detail"]


@pytest.fixture
def case_id(system: System, case: Path) -> str:
    """The same case in the terminal's store."""
    made = add_case(system)
    publish(system, made, Finding(case.parent, ["model"]))
    return made


@pytest.fixture
def people(system: System, case_id: str) -> dict[str, str]:
    """Tokens of two editors, a reader and an administrator of the case's project."""
    roles = {"one": "editor", "two": "editor", "reader": "reader", "administrator": "administrator"}
    project, found = case_of(system, case_id).project_id, {}
    with system.database.writing() as session:
        for name, role in roles.items():
            user = add_user(session, name, OWN_PASSWORD, is_administrator=False, must_change=False)
            session.add(Membership(project_id=project, user_id=user.id, role=role))
            session.flush()
            found[name] = add_token(session, user.id, "test", 1.0)[1]
    return found


def test_in_the_terminal_the_reader_is_who_is_signed_in(
    system: System, case_id: str, people: dict[str, str], tmp_path: Path
) -> None:
    with in_thread(create_app(system)) as address:
        one, two, reader, administrator = (Client(address, token) for token in people.values())
        assert one.labels(case_id)["label"] is None
        one.paint(case_id, LABEL.tobytes())
        two.paint(case_id, bytes(4))
        one.paint(case_id, LABEL[::-1].tobytes())
        assert base64.b64decode(one.labels(case_id)["label"]) == LABEL[::-1].tobytes()
        assert base64.b64decode(two.labels(case_id)["label"]) == bytes(4)
        paths = {file["path"] for file in administrator.case(case_id)["files"]}
        (of_one,) = [path for path in paths if path.startswith("risk-labels/") and _owner(system, path) == "one"]
        for person in (one, two, reader):
            assert not any(file["path"].startswith("risk-labels/") for file in person.case(case_id)["files"])
            with pytest.raises(Refused) as refused:
                person.ask("GET", f"/api/cases/{case_id}/files/{of_one}")
            assert refused.value.status == 404
        for act in (lambda: reader.labels(case_id), lambda: reader.ask("PUT", f"/api/cases/{case_id}/labels", {})):
            with pytest.raises(Refused) as refused:
                act()
            assert refused.value.status == 403
        administrator.fetch(case_id, tmp_path / "fetched", "model/*", "risk-labels/*")
    found = {_owner(system, name): labels.label for name, labels in read_labels(tmp_path / "fetched").items()}
    assert {name: label.tolist() for name, label in found.items()} == {"one": LABEL[::-1].tolist(), "two": [0, 0, 0, 0]}
    with system.database.reading() as session:
        trail = session.scalars(select(AuditEntry).where(AuditEntry.action == "keep_labels", AuditEntry.status == 200))
        told = [(entry.user, entry.detail) for entry in trail]
        given_up = set(session.scalars(select(UnusedObject.sha256)))
        kept = set(session.scalars(select(CaseFile.sha256)))
    assert told == [("one", "2 points"), ("two", "0 points"), ("one", "2 points")]
    assert len(given_up) == 1 and not given_up & kept


def _owner(system: System, path: str) -> str:
    with system.database.reading() as session:
        return session.get_one(User, path.removeprefix("risk-labels/").removesuffix(".vtp")).name


def test_labels_outlive_another_run_and_are_told_of_after_another_model(
    system: System, case_id: str, people: dict[str, str], tmp_path: Path
) -> None:
    with in_thread(create_app(system)) as address:
        one = Client(address, people["one"])
        one.paint(case_id, LABEL.tobytes())
        before = one.labels(case_id)
        publish(system, case_id, Finding(tmp_path, ["model"]))
        assert one.labels(case_id) == before
        made = model(with_aneurysm=True)
        surface = Surface(made.lumen.surface.points + 0.5, made.lumen.surface.triangles)
        _modeled(tmp_path / "other", replace(made, lumen=replace(made.lumen, surface=surface)))
        publish(system, case_id, Finding(tmp_path / "other", ["model"]))
        after = one.labels(case_id)
        assert (after["label"], after["is_stale"]) == (None, True)
        with pytest.raises(Refused, match="made anew") as refused:
            one.ask("PUT", f"/api/cases/{case_id}/labels", {"surface": before["surface"], "label": before["label"]})
        assert refused.value.status == 409


def test_a_case_without_a_model_has_no_wall_to_paint(system: System, case_id: str, people: dict[str, str]) -> None:
    other = add_case(system, "Study 2")
    with system.database.writing() as session:
        session.get_one(Case, other).project_id = case_of(system, case_id).project_id
    with in_thread(create_app(system)) as address, pytest.raises(Refused, match="Study 2 has no model"):
        Client(address, people["one"]).labels(other)


@contextmanager
def editing(case: Path) -> Iterator[Any]:
    """The page of `aneuflow edit` on a case, its panel for painting open."""
    command = [sys.executable, "-m", "aneuflow.cli.main", "edit", str(case)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    found = re.search(r"http://\S+/", process.stdout.readline())
    assert found is not None
    with browsing(found[0], 120) as page:
        page.locator(".painting summary").click()
        yield page
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    process.stdout.close()


def open_as(page: Any, reader: str) -> None:
    # What another reader has open is there until this one's comes.
    page.evaluate("document.querySelector('.paint')?.classList.add('of-another')")
    page.fill("[name=painter]", reader)
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".paint:not(.of-another) .viewer.ready").wait_for()
    page.get_by_text("nothing saved yet").or_(page.get_by_text("as saved")).wait_for()


def save(page: Any) -> None:
    page.get_by_role("button", name="Save these regions").click()
    page.get_by_text("as saved").wait_for()


def drag(page: Any, *places: tuple[float, float]) -> None:
    """Over the picture, along places in parts of its width and height."""
    page.locator(".paint canvas").scroll_into_view_if_needed()
    box = page.locator(".paint canvas").bounding_box()
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


@needs_browser
@pytest.mark.slow
def test_the_brush_reaches_as_far_as_a_line_drawn_on_the_wall(tmp_path: Path) -> None:
    """On a tube of radius R a place z along it and an angle a around it is sqrt(z2 + (R a)2) away, on the unrolled wall."""
    lumen, _ = straight(step=0.3)
    trimesh.Trimesh(lumen.surface.points, lumen.surface.triangles, process=False).export(tmp_path / "tube.stl")
    case, reach = tmp_path / "case", 3.6
    assess(tmp_path / "tube.stl", case, {"input": {"units": "mm"}}, last="model")
    with editing(case) as page:
        open_as(page, "Anna")
        page.get_by_label("suspicious wall").check()
        page.get_by_label("Radius of the brush").fill(str(reach))
        page.locator(".paint canvas").press(" ")
        page.get_by_text("not saved yet").wait_for()
        save(page)
    points, (x, y, z) = read_lumen(case / LUMEN).points, read_lumen(case / LUMEN).points.T
    marked = read_labels(case)["Anna"].label == 3
    angle = np.angle((x + 1j * y) / np.mean((x + 1j * y)[marked]))
    away = np.hypot(z - z[marked].mean(), np.hypot(x, y)[marked].mean() * angle)
    assert np.abs(z).max() > 7.5 and np.linalg.norm(points[marked].mean(axis=0)[:2]) > 0.2
    assert marked[away < reach - 0.2].all() and not marked[away > reach + 0.2].any()
    # Straight through the tube the farthest wall is 3 mm away: the brush has not gone there.
    assert np.hypot(z - z[marked].mean(), 3.0 * np.sin(angle / 2))[~marked].min() < reach - 0.5


@needs_browser
@pytest.mark.slow
def test_two_readers_paint_the_bundled_case_each_alone(tmp_path: Path) -> None:
    case = tmp_path / "case"
    assess(EXAMPLE, case, {"input": {"kind": "mask"}}, last="measure")
    with editing(case) as page:
        open_as(page, "Anna")
        drag(page, (0.5, 0.3))
        assert "low shear 0.0 mm²" in page.locator(".paint").inner_text()
        page.get_by_label("low shear").check()
        drag(page, (0.45, 0.32), (0.55, 0.32))
        page.get_by_label("jet impingement").check()
        drag(page, (0.5, 0.45))
        page.get_by_label("suspicious wall").check()
        drag(page, (0.5, 0.45))
        assert "jet impingement 0.0 mm²" in page.locator(".paint").inner_text()
        page.get_by_role("button", name="Take back").click()
        assert "suspicious wall 0.0 mm²" in page.locator(".paint").inner_text()
        save(page)
        open_as(page, "Ben")
        assert "low shear 0.0 mm²" in page.locator(".paint").inner_text()
        save(page)
        open_as(page, "Anna")
        shown = page.locator(".paint > p").inner_text()
        page.get_by_label("erase").check()
        drag(page, (0.5, 0.45))
        page.get_by_text("jet impingement 0.0 mm²").wait_for()
        page.select_option("header select", "zh")
        page.locator(".painting summary").click()
        page.get_by_text("尚未保存").wait_for()
    found, wall = read_labels(case), PolyData(case / LUMEN)
    assert list(found) == ["Anna", "Ben"] and not found["Ben"].label.any()
    label, made = found["Anna"].label, store.read_model(case / "model")
    is_wall = made.lumen.surface.triangles[made.lumen.patch == WALL_PATCH]
    area = sf.vertex_areas(wall.points, is_wall)
    told = [float(number) for number in re.findall(r"([\d.]+) mm²", shown)]
    np.testing.assert_allclose([area[label == k].sum() for k in (1, 2, 3)], told, atol=0.1)
    # One dab of 1 mm: a little less than a flat disc where the wall is curved.
    assert 0.85 * np.pi < area[label == 2].sum() < 1.1 * np.pi
    marked, side = label > 0, close_views(made)[0]
    assert (wall.point_arrays["region"][marked] == REGION_SAC).all()
    outward = sf.vertex_normals(wall.points, made.lumen.surface.triangles)
    assert (outward[marked] @ side.toward_eye).min() > -0.3
    assert ((wall.points - side.focus_mm)[marked] @ side.toward_eye).min() > 0


@needs_browser
@pytest.mark.slow
def test_painted_in_the_terminal_and_there_again_for_its_reader(system: System, tmp_path: Path) -> None:
    lumen, _ = straight(sac=(3.0, 2.4), step=0.3)
    trimesh.Trimesh(lumen.surface.points, lumen.surface.triangles, process=False).export(tmp_path / "tube.stl")
    assess(tmp_path / "tube.stl", tmp_path / "case", {"input": {"units": "mm"}}, last="measure")
    write_views(tmp_path / "case", tmp_path / VIEWS, {"model"})
    case_id = add_case(system, "Tube")
    publish(system, case_id, Finding(tmp_path, ["import", "model", "measure"]))
    with system.database.writing() as session:
        listed = session.get_one(Case, case_id)
        listed.state = "done"
        for name in ("one", "two"):
            user = add_user(session, name, OWN_PASSWORD, is_administrator=False, must_change=False)
            session.add(Membership(project_id=listed.project_id, user_id=user.id, role="editor"))
        session.flush()
        secret = add_token(session, user.id, "two", 1.0)[1]
    with in_thread(create_app(system)) as address:
        with browsing(f"{address}/#/cases/{case_id}", 120) as page:
            page.fill("input[name=name]", "one")
            page.fill("input[name=password]", OWN_PASSWORD)
            page.press("input[name=password]", "Enter")
            page.locator(".painting summary").click()
            page.get_by_text("nothing saved yet").wait_for()
            page.get_by_label("suspicious wall").check()
            page.locator(".paint canvas").press(" ")
            page.get_by_text("not saved yet").wait_for()
            shown = page.locator(".paint > p").inner_text()
            save(page)
            page.reload()
            page.locator(".painting summary").click()
            page.get_by_text("as saved").wait_for()
            assert page.locator(".paint > p").inner_text().split(" · ")[:3] == shown.split(" · ")[:3]
        assert Client(address, secret).labels(case_id)["label"] is None
    with system.database.reading() as session:
        (path,) = session.scalars(select(CaseFile.path).where(CaseFile.path.startswith("risk-labels/")))
        assert _owner(system, path) == "one"


@needs_browser
@pytest.mark.slow
def test_labels_of_the_model_before_are_told_of_and_not_shown(tmp_path: Path) -> None:
    case = tmp_path / "case"
    assess(EXAMPLE, case, {"input": {"kind": "mask"}}, last="measure")
    count = len(read_lumen(case / LUMEN).points)
    write_labels(case, "Anna", WallLabels(np.ones(count, np.uint8)))
    kept = (case / "risk-labels" / "Anna.vtp").read_bytes()
    assess(EXAMPLE, case, {"input": {"kind": "mask"}, "model": {"smoothing_steps": 8}}, last="measure")
    with editing(case) as page:
        open_as(page, "Anna")
        page.get_by_text("has been made anew since").wait_for()
        assert "low shear 0.0 mm²" in page.locator(".paint").inner_text()
        assert (case / "risk-labels" / "Anna.vtp").read_bytes() == kept
        save(page)
    assert not read_labels(case)["Anna"].label.any()
    assert CaseFolder(case).manifest().stages["model"].state == "done"
