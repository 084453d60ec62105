"""Cases as DICOM studies: which series there are, found by what a search names, and their instances (PS3.18 10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from aneuflow.errors import InputError
from aneuflow.service.access import Passed
from aneuflow.service.dicom_series import INDEX
from aneuflow.service.models import Case, DicomSeries, Judgement
from aneuflow.service.publish import read_content
from aneuflow.service.system import System

MATCHED = {
    "PatientID": DicomSeries.patient_id, "00100020": DicomSeries.patient_id,
    "StudyInstanceUID": DicomSeries.study_uid, "0020000D": DicomSeries.study_uid,
    "SeriesInstanceUID": DicomSeries.series_uid, "0020000E": DicomSeries.series_uid,
    "Modality": DicomSeries.modality, "00080060": DicomSeries.modality,
    "ModalitiesInStudy": DicomSeries.modality, "00080061": DicomSeries.modality,
}  # fmt: skip
Conditions = Sequence[ColumnElement[bool]]
# What a search answers of an instance beside its study and series.
_INSTANCE_TAGS = ("00080016", "00080018", "00200013", "00280008", "00280010", "00280011", "00280100")
_UID_TAGS = {"0020000D", "0020000E"}


@dataclass(frozen=True)
class Page:
    """Of what is found the part from `offset` on, at most `limit` of it."""

    limit: int
    offset: int


@dataclass(frozen=True)
class Instance:
    """An object among a case's files; `metadata` in DICOM JSON, bulk data left out."""

    case_id: str
    uid: str
    path: str
    metadata: dict[str, Any]


def shown_to(passed: Passed) -> list[ColumnElement[bool]]:
    """Which rows of `DicomSeries`, joined with their cases, whoever passed a project's door is shown."""
    shown = [Case.project_id == passed.project.id, Case.deleted == 0.0]
    if passed.project.judgement_first:
        judged = select(Judgement.case_id).where(Judgement.user_id == passed.caller.user_id)
        shown.append(or_(DicomSeries.is_plain, DicomSeries.case_id.in_(judged)))
    return shown


def conditions(asked: Mapping[str, str]) -> list[ColumnElement[bool]]:
    """What a search's attributes, by keyword or tag, ask of a series: equal values, `*` and `?`, lists of UIDs.

    An empty value asks for nothing. Raises InputError naming an attribute that cannot be searched by here, or so.
    """
    found: list[ColumnElement[bool]] = []
    for name, value in asked.items():
        if value.strip("*") == "":
            continue
        if not value.isprintable():
            raise InputError(f"The value of {name[:64]} holds characters that no attribute has; leave them out.")
        column = MATCHED.get(name)
        if column is None:
            known = ", ".join(name for name in MATCHED if not name[0].isdigit())
            raise InputError(f"Studies cannot be searched by {name[:64]} here; search by {known}.")
        if name in _UID_TAGS or name.endswith("UID"):
            found.append(column.in_(value.replace("\\", ",").split(",")))
        elif "*" in value or "?" in value:
            plain = value.replace("/", "//").replace("%", "/%").replace("_", "/_")
            found.append(column.like(plain.replace("*", "%").replace("?", "_"), escape="/"))
        else:
            found.append(column == value)
    return found


def find_studies(
    session: Session, wanted: Sequence[ColumnElement[bool]], shown: Sequence[ColumnElement[bool]], page: Page
) -> Any:
    """The studies that have a series which is wanted, the newest case's first, each with all its series that are shown."""
    chosen = select(DicomSeries.study_uid).join(Case).where(*shown, *wanted).group_by(DicomSeries.study_uid)
    order = (func.max(Case.created).desc(), DicomSeries.study_uid)
    uids = list(session.scalars(chosen.order_by(*order).offset(page.offset).limit(page.limit)))
    rows = find_series(session, [DicomSeries.study_uid.in_(uids)], shown)
    by_uid = {uid: list(group) for uid, group in groupby(rows, lambda row: row.study_uid)}
    return [_study(by_uid[uid]) for uid in uids]


def find_series(session: Session, wanted: Conditions, shown: Conditions, page: Page | None = None) -> list[DicomSeries]:
    """The series that are wanted, by study; one that several cases have (the same image read twice) once."""
    one = select(DicomSeries.series_uid, func.min(DicomSeries.case_id).label("case_id")).join(Case).where(*shown, *wanted)
    first = one.group_by(DicomSeries.series_uid).subquery()
    is_first = (DicomSeries.series_uid == first.c.series_uid) & (DicomSeries.case_id == first.c.case_id)
    chosen = select(DicomSeries).join(first, is_first).order_by(DicomSeries.study_uid, DicomSeries.series_uid)
    if page is not None:
        chosen = chosen.offset(page.offset).limit(page.limit)
    return list(session.scalars(chosen))


def _study(rows: list[DicomSeries]) -> dict[str, Any]:
    modalities = sorted({row.modality for row in rows})
    return {
        **rows[0].attributes["study"],
        "00080061": {"vr": "CS", "Value": modalities},
        "00201206": {"vr": "IS", "Value": [len(rows)]},
        "00201208": {"vr": "IS", "Value": [sum(row.instances for row in rows)]},
    }


def series_answer(row: DicomSeries) -> dict[str, Any]:
    """What a search for series answers of one."""
    counted = {"00201209": {"vr": "IS", "Value": [row.instances]}}
    return {**row.attributes["study"], **row.attributes["series"], **counted}


def instance_answer(row: DicomSeries, instance: Instance) -> dict[str, Any]:
    """What a search for instances answers of one."""
    chosen = {tag: instance.metadata[tag] for tag in _INSTANCE_TAGS if tag in instance.metadata}
    return {**row.attributes["study"], **row.attributes["series"], **chosen}


def instances_of(system: System, session: Session, rows: Sequence[DicomSeries]) -> Iterator[tuple[DicomSeries, Instance]]:
    """The instances of the series, each case's index read once."""
    for case_id, group in groupby(sorted(rows, key=lambda row: row.case_id), lambda row: row.case_id):
        content = read_content(system, session, case_id, INDEX) or {"series": []}
        index = {series["series_uid"]: series["instances"] for series in content["series"]}
        for row in group:
            for instance in index.get(row.series_uid, []):
                yield row, Instance(case_id, instance["uid"], instance["path"], instance["metadata"])
