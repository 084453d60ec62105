"""Case folders from the command line in the worklist."""

from __future__ import annotations

from pathlib import Path

import pytest

from aneuflow.errors import InputError
from aneuflow.service import adopt as module
from aneuflow.service.adopt import adopt
from aneuflow.service.child import CASE
from aneuflow.service.models import Case, CaseFile
from aneuflow.service.system import System, first_start
from tests.service.made_cases import write_case

FILES = {"report/report.html": "the report", "surface/surface.vtp": "the wall"}


def test_a_case_folder_is_taken_in_once(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_start(system)
    monkeypatch.setattr(module, "current_stages", lambda case: frozenset(case.manifest().stages))
    write_case(tmp_path, FILES, {"report": {"title": "Bundled"}})
    case = adopt(system, tmp_path / CASE)
    assert adopt(system, tmp_path / CASE) == case
    with system.database.reading() as session:
        found = session.get_one(Case, case)
        kept = {path: session.get_one(CaseFile, (case, path)).sha256 for path in FILES}
    assert (found.label, found.state) == ("Bundled", "done")
    assert {path: b"".join(system.objects.read(sha256)).decode() for path, sha256 in kept.items()} == FILES
    assert (tmp_path / CASE / "report" / "report.html").read_text() == "the report"


def test_a_case_without_a_current_report_is_refused(system: System, tmp_path: Path) -> None:
    first_start(system)
    with pytest.raises(InputError, match="no case folder"):
        adopt(system, tmp_path)
    write_case(tmp_path, FILES)
    with pytest.raises(InputError, match="no finished report"):
        adopt(system, tmp_path / CASE)
