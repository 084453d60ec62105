"""Two examinations compared: who may, what is refused, and how it is seen in a browser."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aneuflow.geometry.model import build_model
from aneuflow.service import comparing
from aneuflow.service.accounts import add_user
from aneuflow.service.child import CASE, VIEWS
from aneuflow.service.models import Case, Membership
from aneuflow.service.publish import Finding, publish
from aneuflow.service.system import System
from aneuflow.service.views import write_views
from aneuflow.types import Surface
from tests.morphology.retests import grown, segment, turned
from tests.pipeline.test_compare import BARE, stored
from tests.service.browser import browsing, needs_browser
from tests.service.made_cases import add_case, case_of, write_case
from tests.service.running import OWN_PASSWORD, Person


def _reader(system: System, address: str, *projects: str) -> Person:
    with system.database.writing() as session:
        user = add_user(session, "reader", OWN_PASSWORD, must_change=False)
        session.add_all(Membership(project_id=project, user_id=user.id, role="reader") for project in projects)
    return Person(address, "reader", OWN_PASSWORD)


def test_who_may_not_read_both_is_told_of_neither(system: System, address: str) -> None:
    mine, others = add_case(system, "Study 1"), add_case(system, "Study 2")
    reader = _reader(system, address, case_of(system, mine).project_id)
    for later, earlier in ((mine, others), (others, mine), (mine, "nothing")):
        for part in ("growth", "growth.pdf"):
            answer = reader.http.get(f"/api/cases/{later}/{part}?since={earlier}")
            assert answer.status_code == 404 and "no such case" in answer.json()["detail"]


def test_without_a_model_or_beside_another_comparison_it_is_refused(system: System, address: str, tmp_path: Path) -> None:
    case = add_case(system, "Study 1")
    reader = _reader(system, address, case_of(system, case).project_id)
    refused = reader.http.get(f"/api/cases/{case}/growth?since={case}")
    assert refused.status_code == 409 and "Study 1 has no model" in refused.json()["detail"]
    write_case(tmp_path, {"model/lumen.vtp": "x"})
    publish(system, case, Finding(tmp_path, ("model",)))
    with comparing._ONE_AT_A_TIME:
        refused = reader.http.get(f"/api/cases/{case}/growth?since={case}")
    assert refused.status_code == 409 and "Another comparison" in refused.json()["detail"]
    refused = reader.http.get(f"/api/cases/{case}/growth?since={case}")
    assert refused.status_code == 422 and "compute it again first" in refused.json()["detail"]
    assert "/" not in refused.json()["detail"], "no path of the server"


def _keep(system: System, project: str, label: str, surface: Surface, folder: Path) -> str:
    """A case of this surface with its model and what is drawn of it."""
    stored(build_model(surface, BARE), folder / CASE)
    write_views(folder / CASE, folder / VIEWS, {"model"})
    with system.database.writing() as session:
        case = Case(project_id=project, label=label, state="done", created_by="editor")
        session.add(case)
    publish(system, case.id, Finding(folder, ("model",)))
    with system.database.writing() as session:
        session.get_one(Case, case.id).diameter_mm = 6.6
    return case.id


@needs_browser
@pytest.mark.slow
def test_growth_is_seen_in_the_browser(system: System, address: str, tmp_path: Path) -> None:
    project = case_of(system, add_case(system, "Other")).project_id
    _keep(system, project, "Patient 12, 2019", segment("AN2"), tmp_path / "first")
    later = _keep(system, project, "Patient 12, 2024", turned(grown("AN2", 0.5), 5), tmp_path / "second")
    _reader(system, address, project).http.close()
    with browsing(address, 150) as page:
        page.fill("input[name=name]", "reader")
        page.fill("input[name=password]", OWN_PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_role("link", name="Patient 12, 2024").click()
        page.locator("[name=compare_with] option").first.wait_for(state="attached")
        assert page.locator("[name=compare_with]").inner_text() == "Patient 12, 2019"
        page.get_by_role("button", name="Compare").click()
        page.locator(".pair .viewer.ready canvas").nth(1).wait_for()
        assert "The sac has grown" in page.locator("section.summary").inner_text()
        row = page.locator(".changes tr.beyond", has_text="Sac volume").locator("td")
        first, second, change = (float(row.nth(column).inner_text()) for column in (1, 2, 3))
        assert change == pytest.approx(second - first, abs=1.5) and change > 10
        _grown_is_red(page)
        with page.expect_download(timeout=240_000) as saved:
            page.get_by_role("button", name="Report (PDF)").click()
        assert saved.value.suggested_filename == "Patient 12, 2019 - Patient 12, 2024.pdf"
        _tells(saved.value.path(), "sac has grown: over 86 mm²", "Patient 12, 2019", "Sac volume")
        _both_turn_together(page)
        page.get_by_role("button", name="Swap earlier and later").click()
        page.get_by_text("The sac has become smaller").wait_for()
    with system.database.reading() as session:
        assert session.get_one(Case, later).label == "Patient 12, 2024"


def _tells(report: Path, *sentences: str) -> None:
    if shutil.which("pdftotext") is None:  # Debian package poppler-utils
        return
    told = subprocess.run(["pdftotext", "-layout", report, "-"], capture_output=True, text=True, check=True).stdout
    assert all(sentence in told for sentence in sentences), told


def _grown_is_red(page: Any) -> None:
    picture = Image.open(io.BytesIO(page.locator(".pair .stage-area").nth(1).screenshot())).convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(picture, dtype=int), -1, 0)
    assert ((red - green > 60) & (red - blue > 60)).mean() > 0.02


def _both_turn_together(page: Any) -> None:
    letters = page.locator(".pair .letter")
    before = letters.all_inner_texts()
    page.locator(".pair canvas").first.focus()
    for _ in range(16):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1000)
    after = letters.all_inner_texts()
    assert after[:4] == after[4:] and after != before
