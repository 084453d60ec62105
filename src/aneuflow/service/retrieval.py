"""Examinations out of the hospital's archive: ordered by an upload without bytes, got by the dispatcher, read like others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from aneuflow.errors import AneuflowError
from aneuflow.pacs import Archive, archive_at, fetch
from aneuflow.service.problems import Problem
from aneuflow.service.settings import ServiceSettings


class Interrupted(AneuflowError):
    """Whoever got the images is to do so no longer."""


def archive_of(settings: ServiceSettings) -> Archive:
    """The configured archive. Raises Problem where there is none, InputError or ResourceError as `archive_at` does."""
    if not settings.pacs:
        raise Problem(409, "no_archive")
    return archive_at(settings.pacs, settings.pacs_title, settings.pacs_receive_port)


def write_order(file: Path, study_uid: str, series_uid: str) -> None:
    """Put down what to get where an upload's bytes would lie: it leaves the disk as they do, for a UID leads to a patient."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({"study_uid": study_uid, "series_uid": series_uid}, stream)


def retrieve(settings: ServiceSettings, order: Path, target: Path, is_to_end: Callable[[], bool]) -> None:
    """Get what was ordered into the folder `target`, unless an attempt before has.

    Raises Interrupted soon after `is_to_end`, ResourceError where the archive does not give it.
    """
    if target.exists():
        return
    wanted = json.loads(order.read_text("utf-8"))

    def look_up(fraction: float, message: str) -> None:
        if is_to_end():
            raise Interrupted("The work was ended.")

    fetch(archive_of(settings), wanted["study_uid"], wanted["series_uid"], target, look_up)
