"""The case folder: one manifest, one folder a stage, each replaced as a whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from aneuflow import __version__
from aneuflow.case.files import write_json
from aneuflow.errors import InputError, ResourceError

FORMAT = 1
MANIFEST = "case.json"
CHECKPOINT_FOLDER = ".checkpoint"
LOCK = ".lock"
FAILURE_LOG = "failure.log"

StageState = Literal["done", "failed"]


@dataclass(frozen=True)
class StageRecord:
    """How a stage last ended. `key` stands for its inputs, settings and version; `outputs` maps file to SHA-256.

    `reason`: why it failed; for an import from a study, why this series was taken. `ended`: when it was done (UTC).
    """

    state: StageState
    key: str
    folder: str
    outputs: dict[str, str]
    seconds: float
    reason: str = ""
    ended: str = ""


@dataclass(frozen=True)
class Manifest:
    """What case.json holds: the input by kind and SHA-256 (never by name), all settings, and each stage's last end."""

    input: dict[str, Any]
    settings: dict[str, Any]
    stages: dict[str, StageRecord] = field(default_factory=dict)
    aneuflow: str = __version__
    format: int = FORMAT


def file_hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class CaseFolder:
    """A case on disk, held by this process alone while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def manifest_file(self) -> Path:
        return self.path / MANIFEST

    @property
    def failure_log(self) -> Path:
        return self.path / FAILURE_LOG

    def exists(self) -> bool:
        return self.manifest_file.exists()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the case; raises ResourceError where another process does, and mends what a killed run left half done."""
        if not self.exists() and self.path.exists() and (not self.path.is_dir() or any(self._contents())):
            raise InputError(f"{self.path} is not empty and no aneuflow case; give -o a new or empty folder.")
        was_there = self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / LOCK).open("a")
        except OSError as error:
            raise ResourceError(f"Cannot use case folder {self.path}: {error.strerror}; choose another with -o.") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ResourceError(f"Case {self.path} is in use by another aneuflow process; wait until it ends.") from None
            self._mend()
            try:
                yield
            finally:
                self._remove_if_never_begun(was_there)

    def _contents(self) -> Iterator[Path]:
        return (entry for entry in self.path.iterdir() if entry.name not in (LOCK, FAILURE_LOG))

    def _remove_if_never_begun(self, was_there: bool) -> None:
        if not self.exists() and not any(self._contents()):
            (self.path / LOCK).unlink(missing_ok=True)
            if not was_there and not self.failure_log.exists():
                self.path.rmdir()

    def _mend(self) -> None:
        for kept in self.path.glob(".replaced-*"):
            target = self.path / kept.name.removeprefix(".replaced-")
            if target.exists():
                shutil.rmtree(kept)
            else:
                kept.rename(target)
        for unfinished in self.path.glob(".writing-*"):
            shutil.rmtree(unfinished)

    def manifest(self) -> Manifest:
        """The manifest. Raises InputError where the folder is no case or was written by a newer version."""
        try:
            manifest = TypeAdapter(Manifest).validate_json(self.manifest_file.read_bytes())
        except FileNotFoundError:
            raise InputError(
                f"{self.path} is no aneuflow case: it has no {MANIFEST}; make one with `aneuflow assess`."
            ) from None
        except ValidationError:
            manifest = None
        if manifest is not None and manifest.format > FORMAT:
            raise InputError(f"Case format {manifest.format} is newer than {FORMAT} of this aneuflow; update aneuflow.")
        if manifest is None or not manifest.input.keys() >= {"kind", "sha256"}:
            raise InputError(f"{self.manifest_file} cannot be read as a case manifest; restore it or start a new case.")
        return manifest

    def save(self, manifest: Manifest) -> None:
        write_json(self.manifest_file, asdict(manifest))

    def record(self, name: str, record: StageRecord) -> None:
        manifest = self.manifest()
        self.save(replace(manifest, stages={**manifest.stages, name: record}, aneuflow=__version__))

    def stage_folder(self, name: str) -> Path:
        return self.path / name

    def outputs(self, folder: str) -> dict[str, str]:
        """The files of a stage's folder with their SHA-256."""
        root = self.stage_folder(folder)
        return {str(file.relative_to(root)): file_hash(file) for file in sorted(root.rglob("*")) if file.is_file()}

    @contextmanager
    def writing(self, folder: str) -> Iterator[Path]:
        """A fresh folder that takes the stage folder's place when the block ends well; otherwise the old one stays."""
        fresh, kept, target = (self.path / f"{prefix}{folder}" for prefix in (".writing-", ".replaced-", ""))
        fresh.mkdir()
        try:
            yield fresh
            for file in fresh.rglob("*"):
                if file.is_file():
                    with file.open("rb") as stream:
                        os.fsync(stream.fileno())
            if target.exists():
                target.rename(kept)
            fresh.rename(target)
            shutil.rmtree(kept, ignore_errors=True)
        except OSError as error:
            raise ResourceError(f"Cannot write {target}: {error.strerror}; free space, then run again.") from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    @property
    def checkpoint_folder(self) -> Path:
        return self.path / CHECKPOINT_FOLDER
