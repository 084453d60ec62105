"""What an archive is asked and answers, whichever protocol it speaks."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from aneuflow.errors import InputError, ResourceError
from aneuflow.types import Progress

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_IMAGES = 50_000
# What stays free on the disk while images come in.
SPARE_BYTES = 2**30
_DIMSE = re.compile(r"(?P<title>[^@\s/]{1,16})@(?P<host>[^@:\s/]+):(?P<port>\d{1,5})")
_TITLE = re.compile(r"[!-\[\]-~]{1,16}")
_UID = re.compile(r"[0-9][0-9.]{0,63}")
_DATES = re.compile(r"\d{8}(-\d{8})?")

Keep = Callable[[bytes], None]


@dataclass(frozen=True)
class Query:
    """What is looked for; an empty field is not asked for. With `study_uid` the series of that study, else studies.

    date: YYYYMMDD or a range YYYYMMDD-YYYYMMDD.
    """

    patient_id: str = ""
    accession: str = ""
    date: str = ""
    modality: str = ""
    study_uid: str = ""


@dataclass(frozen=True)
class Found:
    """A study, or a series of one: `uid` is its own; images is None where the archive does not say."""

    uid: str
    date: str
    modality: str
    description: str
    images: int | None
    patient_id: str
    patient_name: str


class Archive(Protocol):
    """One archive. Every method raises ResourceError where it cannot be reached or refuses."""

    def find(self, query: Query) -> list[Found]:
        """Studies or series that answer the query."""
        ...

    def get(self, study_uid: str, series_uid: str, keep: Keep) -> None:
        """Give each image of the study, or of its one series, to `keep` as the bytes of a DICOM file."""
        ...

    def send(self, files: Sequence[Path], progress: Progress) -> None:
        """Store the files."""
        ...


def archive_at(address: str, title: str = "ANEUFLOW", receive_port: int | None = None) -> Archive:
    """The archive at an address: TITLE@HOST:PORT speaks DIMSE, http(s)://... DICOMweb.

    title: how this program names itself; receive_port: where DIMSE archives send images to, None to get them over the same
    connection (C-GET). Raises InputError for an address of neither kind, ResourceError where the extra `dicom` is missing.
    """
    if address.startswith(("http://", "https://")):
        _check_url(address)
        from aneuflow.pacs.dicomweb import DicomWeb

        if receive_port is not None:
            raise InputError("--receive-port is for DIMSE archives; leave it out with a DICOMweb address.")
        return DicomWeb(address)
    match = _DIMSE.fullmatch(address)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise InputError(f"Archive address {address} is neither TITLE@HOST:PORT nor http(s)://...; correct it.")
    if not _TITLE.fullmatch(title):
        raise InputError(
            f"Title {title} is no DIMSE title (1 to 16 characters without blanks or backslashes); correct --title."
        )
    from aneuflow.pacs.dimse import Dimse

    return Dimse(match["title"], match["host"], int(match["port"]), title, receive_port)


def _check_url(address: str) -> None:
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        # Not quoted: it may hold a password.
        raise InputError("The archive's address names no host, or a port that is none; write http(s)://HOST/PATH.")


def check_uid(uid: str) -> None:
    """Raises InputError for what is no UID."""
    if not _UID.fullmatch(uid):
        raise InputError(f"{uid} is no UID (digits and dots, at most 64); copy it from `aneuflow pacs find`.")


def search(archive: Archive, query: Query) -> list[Found]:
    """What the archive finds. Raises InputError for a query that would list it all or holds a bad date or UID."""
    if not any(part.strip("*? ") for part in (query.patient_id, query.accession, query.date, query.study_uid)):
        raise InputError("The query names no patient, accession number, date or study; give one of them.")
    if query.date and not _DATES.fullmatch(query.date):
        raise InputError(f"Date {query.date} is not YYYYMMDD or YYYYMMDD-YYYYMMDD; correct it.")
    if query.study_uid:
        check_uid(query.study_uid)
    with _quiet():
        return archive.find(query)


def store(archive: Archive, paths: Sequence[Path], progress: Progress) -> int:
    """Send the files, and those in the folders, among `paths`; how many. Raises InputError as `dicom_files` does."""
    with _quiet():
        files = dicom_files(paths)
        archive.send(files, progress)
    return len(files)


def fetch(archive: Archive, study_uid: str, series_uid: str, target: Path, progress: Progress) -> int:
    """Get a study or series into the new or empty folder `target`; how many images came. All of it or nothing is kept.

    Raises InputError for a bad UID or folder, ResourceError where nothing comes, too much comes or the disk is full.
    """
    for uid in (study_uid, series_uid):
        if uid:
            check_uid(uid)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} is not an empty folder; choose a new one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".getting-{target.name}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    count = 0

    def keep(content: bytes) -> None:
        nonlocal count
        if count >= MAX_IMAGES:
            raise ResourceError(f"The archive sends over {MAX_IMAGES} images; ask for one series.")
        if shutil.disk_usage(fresh).free < SPARE_BYTES + len(content):
            raise ResourceError(f"The disk of {target} is nearly full; free space or choose another folder.")
        count += 1
        # Numbered: a name from outside could lead out of the folder.
        (fresh / f"{count:06}.dcm").write_bytes(content)
        progress(0.0, f"{count} images")

    try:
        with _quiet():
            archive.get(study_uid, series_uid, keep)
        if count == 0:
            raise ResourceError("The archive sent no image; check the UID and that this program may read from the archive.")
        if target.exists():
            target.rmdir()
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return count


def _quiet() -> AbstractContextManager[None]:
    # This late: what reads images takes a server that asks no archive seconds to start.
    from aneuflow.imaging import quiet_dicom

    return quiet_dicom()


def dicom_files(paths: Sequence[Path]) -> list[Path]:
    """All files given and within folders given. Raises InputError where one is missing or no DICOM file, or there is none."""
    import pydicom

    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the path.")
        files += sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    if not files:
        raise InputError("There are no files to send; give the folder that `aneuflow export --dicom` wrote.")
    for file in files:
        try:
            meta = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).file_meta
            whole = bool(meta.MediaStorageSOPClassUID and meta.TransferSyntaxUID)
        except Exception:  # a damaged file can break the parser anywhere
            whole = False
        if not whole:
            raise InputError(f"{file} is no DICOM file; send the folder that `aneuflow export --dicom` wrote.")
    return files


def number(text: object) -> int | None:
    """A count as archives give it, None where they do not."""
    try:
        return int(str(text))
    except ValueError:
        return None


def found_from(answer: Dataset, is_series: bool) -> Found:
    """A study or series from the attributes that an archive answers with."""
    modality = answer.get("Modality" if is_series else "ModalitiesInStudy", "") or ""
    return Found(
        uid=str(answer.get("SeriesInstanceUID" if is_series else "StudyInstanceUID", "")),
        date=str(answer.get("StudyDate", "") or ""),
        modality=modality if isinstance(modality, str) else "/".join(modality),
        description=str(answer.get("SeriesDescription" if is_series else "StudyDescription", "") or ""),
        images=number(answer.get("NumberOfSeriesRelatedInstances" if is_series else "NumberOfStudyRelatedInstances")),
        patient_id=str(answer.get("PatientID", "") or ""),
        patient_name=str(answer.get("PatientName", "") or ""),
    )
