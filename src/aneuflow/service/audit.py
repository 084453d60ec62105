"""The trail: who read or changed what, append only, each line's hash covering the line before."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aneuflow.service.models import AuditEntry, AuditHead

BEGINNING = "0" * 64
FIELDS = ("number", "time", "user", "action", "project_id", "case_id", "status", "address", "detail")


@dataclass(frozen=True)
class Deed:
    """What is to be written down; never a patient's name."""

    user: str
    action: str
    status: int
    project_id: str = ""
    case_id: str = ""
    address: str = ""
    detail: str = ""


def append(session: Session, deed: Deed) -> None:
    """Add a line; the head's row makes writers wait for each other, in every process."""
    session.execute(update(AuditHead).where(AuditHead.id == 1).values(number=AuditHead.number + 1))
    head = session.scalars(select(AuditHead).where(AuditHead.id == 1).execution_options(populate_existing=True)).one()
    entry = AuditEntry(number=head.number, time=time.time(), **deed.__dict__, hash="")
    entry.hash = head.hash = _hash(head.hash, entry)
    session.add(entry)
    session.flush()


def _hash(before: str, entry: AuditEntry) -> str:
    content = json.dumps([before, *(getattr(entry, name) for name in FIELDS)], ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()


def lines(session: Session) -> Iterator[dict[str, Any]]:
    """The whole trail in order, as it is exported."""
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000)):
        yield {**{name: getattr(entry, name) for name in FIELDS}, "hash": entry.hash}


@dataclass(frozen=True)
class Check:
    """Whether the chain is whole, how many lines it has, and the number of the first that does not fit."""

    whole: bool
    count: int
    broken_at: int | None


def check(session: Session) -> Check:
    """Go through the chain from its beginning to the head."""
    before, count = BEGINNING, 0
    for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number).execution_options(yield_per=1000)):
        count += 1
        if entry.number != count or entry.hash != _hash(before, entry):
            return Check(False, count, count)
        before = entry.hash
    head = session.scalars(select(AuditHead)).one()
    whole = (head.number, head.hash) == (count, before)
    return Check(whole, count, None if whole else count + 1)
