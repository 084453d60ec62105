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
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import trimesh

from aneuflow.case import store
from aneuflow.case.files import PolyData
from aneuflow.case.folder import CaseFolder
from aneuflow.case.label_store import LUMEN, WallLabels, read_labels, read_lumen, surface_key, write_labels
from aneuflow.numerics import surface as sf
from aneuflow.pipeline.run import assess
from aneuflow.report.views import close_views
from aneuflow.service.edit import create_edit_app
from aneuflow.service.local_case import DESK, LocalCase
from aneuflow.types import REGION_SAC, WALL_PATCH
from tests.case.test_store import model
from tests.sac_shapes import straight
from tests.service.browser import browsing, needs_browser
from tests.service.conftest import in_thread
from tests.service.made_cases import Made, write_case

EXAMPLE = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
LABEL = np.array([0, 3, 1, 0], np.uint8)
AT = "/secret/api/cases/local"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    folder = write_case(tmp_path, {"morphology/morphology.json": "{}"}).path
    (folder / "model").mkdir()
    store.write_model(folder / "model", model(with_aneurysm=True))
    return folder


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
    page.fill("[name=painter]", reader)
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".paint .viewer.ready").wait_for()
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
