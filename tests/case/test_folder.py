import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aneuflow.case.folder import FORMAT, CaseFolder, Manifest, StageRecord
from aneuflow.errors import InputError, ResourceError


@pytest.fixture
def case(tmp_path: Path) -> CaseFolder:
    case = CaseFolder(tmp_path / "case")
    case.path.mkdir()
    case.save(Manifest(input={"kind": "surface", "sha256": "0"}, settings={}))
    with case.writing("model") as target:
        (target / "a.txt").write_text("first")
    return case


def test_a_failed_write_leaves_the_old_result(case: CaseFolder) -> None:
    with pytest.raises(ValueError, match="half way"), case.writing("model") as target:
        (target / "a.txt").write_text("second")
        raise ValueError("half way")
    assert (case.stage_folder("model") / "a.txt").read_text() == "first"
    assert sorted(entry.name for entry in case.path.iterdir()) == ["case.json", "model"]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_run_killed_between_two_renames_is_mended(case: CaseFolder, swapped: bool) -> None:
    target, kept = case.stage_folder("model"), case.path / ".replaced-model"
    target.rename(kept)
    if swapped:
        target.mkdir()
        (target / "a.txt").write_text("second")
    (case.path / ".writing-flow").mkdir()
    with case.locked():
        assert (target / "a.txt").read_text() == ("second" if swapped else "first")
        assert not kept.exists() and not (case.path / ".writing-flow").exists()


def test_a_case_in_use_is_refused(case: CaseFolder) -> None:
    code = (
        "import sys, pathlib\nfrom aneuflow.case.folder import CaseFolder\nfrom aneuflow.errors import ResourceError\n"
        "try:\n    with CaseFolder(pathlib.Path(sys.argv[1])).locked(): print('got it')\n"
        "except ResourceError as error: print(error)"
    )
    with case.locked():
        answer = subprocess.run([sys.executable, "-c", code, str(case.path)], capture_output=True, text=True, check=True)
    assert "in use by another aneuflow process" in answer.stdout


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear reader")
    with pytest.raises(InputError, match="not empty and no aneuflow case"), CaseFolder(tmp_path).locked():
        pass
    assert (tmp_path / "thesis.tex").read_text() == "dear reader"


def test_a_case_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    case = CaseFolder(tmp_path / "new")
    with pytest.raises(InputError), case.locked():
        raise InputError("the input is wrong")
    assert not case.path.exists()


def test_manifest_round_trip_and_newer_format(case: CaseFolder) -> None:
    record = StageRecord("done", "k", "model", case.outputs("model"), 1.5)
    case.record("model", record)
    assert case.manifest().stages == {"model": record}
    case.save(replace(case.manifest(), format=FORMAT + 1))
    with pytest.raises(InputError, match="newer"):
        case.manifest()


@pytest.mark.parametrize("content", ["", "{", '{"input": 3}', "[]"])
def test_a_broken_manifest_is_one_sentence(case: CaseFolder, content: str) -> None:
    case.manifest_file.write_text(content)
    with pytest.raises(InputError, match="cannot be read as a case manifest"):
        case.manifest()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_right_to_write_is_a_resource_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match="Cannot use case folder"), CaseFolder(tmp_path / "case").locked():
        pass


def test_outputs_see_every_changed_byte(case: CaseFolder) -> None:
    before = case.outputs("model")
    (case.stage_folder("model") / "a.txt").write_text("fIrst")
    assert case.outputs("model") != before
