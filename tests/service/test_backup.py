"""A system backed up and restored, the same, in every form; and what is gone from it leaves its backup too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aneuflow.errors import InputError, ResourceError
from aneuflow.service import audit, jobs
from aneuflow.service.accounts import add_user
from aneuflow.service.backup import LOST_UPLOAD, back_up, restore_backup
from aneuflow.service.models import Base, Case, CaseFile, Project
from aneuflow.service.publish import Finding, publish, read_file
from aneuflow.service.retention import GRACE_S, purge_deleted, remove_unused
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.cli.run import run
from tests.service.made_cases import add_case, add_job, case_of, write_case
from tests.service.running import OWN_PASSWORD, Person, serving
from tests.service.seaweed import running_seaweed

DAY = 86400.0


def _silent(fraction: float, message: str) -> None:
    assert 0.0 <= fraction <= 1.0


def _close(system: System) -> None:
    system.database.engine.dispose()
    system.pseudonyms._database.engine.dispose()


@pytest.fixture
def filled(system: System, tmp_path: Path) -> System:
    """A system with users, two assessed cases that share a file, a sealed identity and a trail."""
    for number in (1, 2):
        case_id = add_case(system, f"Study {number}")
        files = {"model/shared": "shared", "model/own": f"of {number} äö 脑", "boundary/a": "b" * number}
        write_case(tmp_path / f"case{number}", files)
        publish(system, case_id, Finding(tmp_path / f"case{number}", ("model", "boundary")))
        system.pseudonyms.keep(case_id, {"PatientName": f"Doe^Jane {number}"})
        with system.database.writing() as session:
            audit.append(session, audit.Deed("editor", "made", 200, case_id=case_id, detail="ü"))
    with system.database.writing() as session:
        add_user(session, "administrator", OWN_PASSWORD, is_administrator=True, must_change=False)
    return system


def _rows(system: System) -> dict[str, list[dict[str, Any]]]:
    with system.database.reading() as session:
        return {
            table.name: sorted((dict(row) for row in session.execute(select(table)).mappings()), key=str)
            for table in Base.metadata.sorted_tables
        }


def _contents(system: System) -> dict[tuple[str, str], bytes]:
    with system.database.reading() as session:
        files = session.execute(select(CaseFile.case_id, CaseFile.path)).all()
        found = {(case, path): read_file(system, session, case, path) for case, path in files}
    return {key: b"".join(file[1]) for key, file in found.items() if file is not None}


def _identities(system: System) -> list[Any]:
    with system.database.reading() as session:
        return [system.pseudonyms.open(case) for case in session.scalars(select(Case.id).order_by(Case.label))]


@pytest.fixture
def empty(filled: System, tmp_path: Path) -> Iterator[System]:
    (tmp_path / "other").mkdir()
    shutil.copy(filled.settings.seal_key, tmp_path / "other" / "seal.key")
    other = open_system(ServiceSettings(data=tmp_path / "other"))
    yield other
    _close(other)


@pytest.mark.parametrize("is_sealing", [False, True])
def test_what_is_restored_is_what_was_there(filled: System, empty: System, tmp_path: Path, is_sealing: bool) -> None:
    object.__setattr__(filled, "settings", filled.settings.model_copy(update={"seal_objects": is_sealing}))
    made = back_up(filled, tmp_path / "backup", _silent)
    assert made.objects == 5 and made.rows == sum(len(rows) for rows in _rows(filled).values()) + 2
    restored = restore_backup(empty, tmp_path / "backup", _silent)
    assert restored == made and _rows(empty) == _rows(filled)
    assert _contents(empty) == _contents(filled) and len(_contents(empty)) == 6
    assert _identities(empty) == [{"PatientName": "Doe^Jane 1"}, {"PatientName": "Doe^Jane 2"}]
    in_backup = b"".join(file.read_bytes() for file in (tmp_path / "backup").rglob("*") if file.is_file())
    assert b"Doe^Jane" not in in_backup and filled.settings.seal_key.read_bytes() not in in_backup
    assert (b"of 1" in in_backup) != is_sealing


def test_another_backup_copies_what_is_new_and_drops_what_is_gone(filled: System, empty: System, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    back_up(filled, folder, _silent)
    objects = {file: file.stat().st_mtime_ns for file in (folder / "objects").rglob("*") if file.is_file()}
    with filled.database.writing() as session:
        gone, kept = session.scalars(select(Case).order_by(Case.label))
        gone.deleted = 1.0
    write_case(tmp_path / "more", {"model/shared": "shared", "model/new": "new"})
    publish(filled, kept.id, Finding(tmp_path / "more", ("model",)))
    assert purge_deleted(filled, 40 * DAY) == 1
    assert remove_unused(filled, 40 * DAY + 2 * GRACE_S) >= 2
    made = back_up(filled, folder, _silent)
    after = {file: file.stat().st_mtime_ns for file in (folder / "objects").rglob("*") if file.is_file()}
    assert made.objects == len(after) == 2 and len(after.keys() - objects.keys()) == 1
    assert all(objects[file] == at for file, at in after.items() if file in objects), "what was there is not written again"
    assert len(list(folder.glob("rows-*"))) == 1
    left = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert gone.id.encode() not in left.replace(b'"case_id": "' + gone.id.encode(), b""), "but for the trail"
    restore_backup(empty, folder, _silent)
    assert _contents(empty) == _contents(filled) and set(_contents(empty).values()) == {b"shared", b"new"}


def test_what_is_no_whole_backup_is_refused(filled: System, empty: System, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat").touch()
    with pytest.raises(InputError, match="holds something other than a backup"):
        back_up(filled, tmp_path / "photos", _silent)
    with pytest.raises(InputError, match="holds no whole backup"):
        restore_backup(empty, tmp_path / "photos", _silent)
    back_up(filled, folder, _silent)
    with pytest.raises(InputError, match="into an empty one"):
        restore_backup(filled, folder, _silent)
    contents = json.loads((folder / "backup.json").read_text())
    (folder / "backup.json").write_text(json.dumps({**contents, "schema": "9999"}))
    with pytest.raises(InputError, match="restore it with that version"):
        restore_backup(empty, folder, _silent)
    (folder / "backup.json").write_text(json.dumps(contents))
    users = folder / contents["rows"] / "users.jsonl"
    whole = users.read_bytes()
    users.write_bytes(whole.replace(b"editor", b"someon"))
    with pytest.raises(ResourceError, match="missing or damaged"):
        restore_backup(empty, folder, _silent)
    users.write_bytes(whole)
    damaged = next(file for file in (folder / "objects").rglob("*") if file.is_file())
    content = damaged.read_bytes()
    damaged.write_bytes(b"x" + content[1:])
    with pytest.raises(ResourceError, match="damaged"):
        restore_backup(empty, folder, _silent)
    damaged.write_bytes(content)
    restore_backup(empty, folder, _silent)  # after all of that the system was still empty
    assert _rows(empty) == _rows(filled)


def test_without_its_key_a_backup_is_refused(filled: System, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "backup", _silent)
    other = open_system(ServiceSettings(data=tmp_path / "without"))
    with pytest.raises(ResourceError, match="sealed with another key; restore the key file"):
        restore_backup(other, tmp_path / "backup", _silent)
    _close(other)


def test_what_was_under_way_goes_on_or_is_asked_for_again(filled: System, empty: System, tmp_path: Path) -> None:
    reading, waiting = add_case(filled, "Study 3"), add_case(filled, "Study 4")
    add_job(filled, reading, jobs.INTAKE)
    add_job(filled, waiting)
    back_up(filled, tmp_path / "backup", _silent)
    restore_backup(empty, tmp_path / "backup", _silent)
    assert (case_of(empty, reading).state, case_of(empty, reading).reason) == ("failed", LOST_UPLOAD)
    assert case_of(empty, waiting).state == "queued"
    with empty.database.writing() as session:
        job = jobs.claim(session, "worker", jobs.ASSESS)
        assert job is not None and job.case_id == waiting


@pytest.mark.slow
def test_by_the_two_commands_a_running_server_becomes_another(
    filled: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, other, folder = filled.settings.data, tmp_path / "other", tmp_path / "backup"
    with serving(data) as server:
        code, said, _ = run(capsys, "backup", str(folder), "--data", str(data))
        assert code == 0 and "5 objects" in said and "First start" not in server.log.read_text()
    other.mkdir()
    shutil.copy(data / "seal.key", other)
    code, said, _ = run(capsys, "restore", str(folder), "--data", str(other))
    assert code == 0 and "5 objects" in said
    with serving(other) as server:
        assert "First start" not in server.log.read_text()
        person = Person(server.address, "administrator", OWN_PASSWORD)
        assert person("GET", "/api/audit/check")["whole"]


@pytest.mark.slow
def test_the_small_form_becomes_the_large_one_and_back(filled: System, tmp_path: Path, new_database: Callable[[], str]) -> None:
    (tmp_path / "seaweed").mkdir()
    with running_seaweed(tmp_path / "seaweed") as cluster:
        more = {"database_url": new_database(), "pseudonyms_url": new_database(), "seal_objects": True, **cluster.settings}
        settings = ServiceSettings(data=tmp_path / "large", **more)
        settings.data.mkdir()
        shutil.copy(filled.settings.seal_key, settings.seal_key)
        large = open_system(settings)
        back_up(filled, tmp_path / "first", _silent)
        restore_backup(large, tmp_path / "first", _silent)
        assert _rows(large) == _rows(filled) and _contents(large) == _contents(filled)
        assert not (settings.data / "objects").exists()
        with large.database.writing() as session:
            session.scalars(select(Project)).first().name = "Renamed"  # type: ignore[union-attr]
        back_up(large, tmp_path / "second", _silent)
        small = open_system(ServiceSettings(data=tmp_path / "small", seal_key_file=settings.seal_key))
        restore_backup(small, tmp_path / "second", _silent)
        assert _rows(small) == _rows(large) and _contents(small) == _contents(filled)
        assert _identities(small) == _identities(filled)
        _close(small)
        _close(large)
