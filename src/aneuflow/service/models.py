"""The tables of the system: who there is, what they may see, the cases, their files and jobs, and the trail of all of it."""

from __future__ import annotations

import time
import uuid
from datetime import date
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Date, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# SQLite counts up by itself only in a plain INTEGER key.
Number = BigInteger().with_variant(Integer, "sqlite")


def new_id() -> str:
    return uuid.uuid4().hex


class Base(DeclarativeBase):
    """Times are seconds since 1970 (UTC), ids random, so that one says nothing of how many there are."""


class User(Base):
    __tablename__ = "users"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(String(256))
    is_administrator: Mapped[bool] = mapped_column(Boolean, default=False)
    disabled: Mapped[bool] = mapped_column(Boolean, default=False)
    must_change: Mapped[bool] = mapped_column(Boolean, default=False)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    locked_until: Mapped[float] = mapped_column(Float, default=0.0)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ProviderAccount(Base):
    """Whom a provider of identities calls `subject`; such a user has no password here."""

    __tablename__ = "provider_accounts"
    issuer: Mapped[str] = mapped_column(String(200), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True, index=True)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class ProviderSignIn(Base):
    """A sign-in that has gone to the provider and not come back; state and browser's secret as SHA-256 alone."""

    __tablename__ = "provider_sign_ins"
    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    browser_hash: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Float, default=time.time)


class SignIn(Base):
    """A session of the browser; the cookie's secret is kept as its SHA-256 alone."""

    __tablename__ = "sign_ins"
    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Float, default=time.time)
    last_seen: Mapped[float] = mapped_column(Float, default=time.time)


class Token(Base):
    """A key for a machine that acts as its user; kept as its SHA-256 alone."""

    __tablename__ = "tokens"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Float, default=time.time)
    expires: Mapped[float] = mapped_column(Float)


class Project(Base):
    __tablename__ = "projects"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    running_quota: Mapped[int] = mapped_column(Integer, default=4)
    queued_quota: Mapped[int] = mapped_column(Integer, default=2000)
    retention_days: Mapped[float] = mapped_column(Float, default=30.0)
    judgement_first: Mapped[bool] = mapped_column(Boolean, default=False)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class Membership(Base):
    __tablename__ = "memberships"
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(16))


class Case(Base):
    """`label` is the name people give it, never a patient's; `manifest` is the case folder's case.json."""

    __tablename__ = "cases"
    # Found and sorted within these alone: a row of a case is long.
    __table_args__ = (
        Index("cases_listed", "project_id", "deleted", "created", "label"),
        Index("cases_by_label", "project_id", "deleted", "label", "created"),
        Index("cases_by_size", "project_id", "deleted", "diameter_mm", "created"),
    )
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    label: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16), default="reading", index=True)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str] = mapped_column(Text, default="")
    grade: Mapped[str] = mapped_column(String(24), default="")
    diameter_mm: Mapped[float | None] = mapped_column(Float, default=None)
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_by: Mapped[str] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(Float, default=time.time)
    changed: Mapped[float] = mapped_column(Float, default=time.time)
    deleted: Mapped[float] = mapped_column(Float, default=0.0)


class CaseFile(Base):
    """A file of a case, kept in the object store under its SHA-256."""

    __tablename__ = "case_files"
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(String(200), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class DicomSeries(Base):
    """A series among a case's files, for searches: `attributes` in DICOM JSON, of the study and of the series itself.

    `is_plain`: it says nothing of the grade.
    """

    __tablename__ = "dicom_series"
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    series_uid: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
    study_uid: Mapped[str] = mapped_column(String(64), index=True)
    patient_id: Mapped[str] = mapped_column(String(64), index=True)
    modality: Mapped[str] = mapped_column(String(16))
    instances: Mapped[int] = mapped_column(Integer)
    is_plain: Mapped[bool] = mapped_column(Boolean)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSON)


class Judgement(Base):
    """What a reader made of a case, never changed afterwards: of several by one user the later ones are additions.

    `grade_sha256` is the hash of the risk.json it preceded and `grade` what that said; `is_blind`: nothing of a grade of the
    case had been shown to the user before.
    """

    __tablename__ = "judgements"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    risk: Mapped[str] = mapped_column(String(16))
    confidence: Mapped[int] = mapped_column(Integer)
    sentence: Mapped[str] = mapped_column(Text, default="")
    grade: Mapped[str] = mapped_column(String(24))
    grade_sha256: Mapped[str] = mapped_column(String(64))
    is_blind: Mapped[bool] = mapped_column(Boolean)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class GradedCase(Base):
    """What monitoring looks at of the case's current grade, a copy: when it was made, by which model (its id), from which
    answers, and how alike to ruptured ones it was found, in [0, 1].
    """

    __tablename__ = "graded_cases"
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), primary_key=True)
    graded: Mapped[float] = mapped_column(Float, index=True)
    model: Mapped[str] = mapped_column(String(120))
    probability: Mapped[float | None] = mapped_column(Float, default=None)
    answers: Mapped[dict[str, str]] = mapped_column(JSON)


class Outcome(Base):
    """Whether the case's aneurysm was known to have ruptured on `day`; of several the last one counts."""

    __tablename__ = "outcomes"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    ruptured: Mapped[bool] = mapped_column(Boolean)
    day: Mapped[date] = mapped_column(Date)
    created: Mapped[float] = mapped_column(Float, default=time.time)


class UnusedObject(Base):
    """An object that a case has given up; it leaves the store some time after, unless a case has taken it again."""

    __tablename__ = "unused_objects"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[float] = mapped_column(Float)


class Upload(Base):
    """Bytes on their way in: one stream that holds the files one after the other; their names stay with the sender."""

    __tablename__ = "uploads"
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"))
    label: Mapped[str] = mapped_column(String(80))
    priority: Mapped[int] = mapped_column(Integer, default=0)
    files: Mapped[list[list[Any]]] = mapped_column(JSON)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    size: Mapped[int] = mapped_column(BigInteger)
    case_id: Mapped[str] = mapped_column(String(32), default="")
    created: Mapped[float] = mapped_column(Float, default=time.time)


class Job(Base):
    """Work on a case. `worker` and `attempt` fence it: who no longer holds both can write nothing.

    `losses` counts the attempts whose worker was lost; `failure` is the traceback of a failure that no code foresaw;
    `traceparent` is the span it follows from, where there are traces.
    """

    __tablename__ = "jobs"
    __table_args__ = (Index("jobs_waiting", "state", "kind", "priority", "created"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("cases.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    user_id: Mapped[str] = mapped_column(String(32))
    kind: Mapped[str] = mapped_column(String(16))
    last: Mapped[str] = mapped_column(String(16), default="report")
    state: Mapped[str] = mapped_column(String(16), default="queued")
    priority: Mapped[int] = mapped_column(Integer, default=0)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    upload_id: Mapped[str] = mapped_column(String(32), default="")
    worker: Mapped[str] = mapped_column(String(80), default="")
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    losses: Mapped[int] = mapped_column(Integer, default=0)
    seen: Mapped[float] = mapped_column(Float, default=0.0)
    stop: Mapped[bool] = mapped_column(Boolean, default=False)
    stage: Mapped[str] = mapped_column(String(16), default="")
    fraction: Mapped[float] = mapped_column(Float, default=0.0)
    remaining_s: Mapped[float | None] = mapped_column(Float, default=None)
    reason: Mapped[str] = mapped_column(Text, default="")
    failure: Mapped[str] = mapped_column(Text, default="")
    traceparent: Mapped[str] = mapped_column(String(64), default="")
    created: Mapped[float] = mapped_column(Float, default=time.time)
    started: Mapped[float] = mapped_column(Float, default=0.0)
    ended: Mapped[float] = mapped_column(Float, default=0.0)


class Worker(Base):
    """A machine that computes, a dispatcher's or a node of a Ray cluster, and how it was when it was last heard of."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(80), primary_key=True)
    host: Mapped[str] = mapped_column(String(64))
    engine: Mapped[str] = mapped_column(String(16))
    slots: Mapped[int] = mapped_column(Integer)
    cores: Mapped[int] = mapped_column(Integer)
    load: Mapped[float] = mapped_column(Float)
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    memory_free_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_bytes: Mapped[int] = mapped_column(BigInteger)
    disk_free_bytes: Mapped[int] = mapped_column(BigInteger)
    seen: Mapped[float] = mapped_column(Float)


class AuditEntry(Base):
    """One line of the trail; `hash` covers it and the line before, so none can be changed or taken out unseen."""

    __tablename__ = "audit"
    number: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    time: Mapped[float] = mapped_column(Float)
    user: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[str] = mapped_column(String(32), default="", index=True)
    case_id: Mapped[str] = mapped_column(String(32), default="", index=True)
    status: Mapped[int] = mapped_column(Integer)
    address: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[str] = mapped_column(Text, default="")
    hash: Mapped[str] = mapped_column(String(64))


class AuditHead(Base):
    """The last line's number and hash; its one row is also what writers of the trail queue at."""

    __tablename__ = "audit_head"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))
