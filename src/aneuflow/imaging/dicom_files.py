"""Where DICOM files lie: one file, a folder, or a zip archive that is read in memory and never unpacked to disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from aneuflow.errors import InputError

Opener = Callable[[], BinaryIO]

MAX_FILES = 50_000
MAX_ARCHIVE_BYTES = 8 * 2**30
# Raw pixels deflate to a third or half; empty background to perhaps a twentieth. Bombs reach a thousand.
MAX_ARCHIVE_RATIO = 200


def dicom_openers(path: Path, where: str) -> Sequence[Opener]:
    """A function that opens each candidate file under `path`, in a fixed order.

    Raises InputError for an empty folder, too many files, or an archive that is damaged, encrypted, or would unpack to
    over 8 GiB or over 200 times its size.
    """
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.is_file() and entry.stat().st_size > 0)
        _check_count(len(files), where)
        return [_file_opener(file) for file in files]
    if zipfile.is_zipfile(path):
        return _archive_openers(path, where)
    if path.suffix.lower() == ".zip":
        raise InputError(f"{where} is a damaged or cut off zip file; copy or export it again.")
    return [_file_opener(path)]


def _archive_openers(path: Path, where: str) -> Sequence[Opener]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{where} is a damaged or cut off zip file; copy or export it again.") from error
    entries = [entry for entry in archive.infolist() if not entry.is_dir() and entry.file_size > 0]
    _check_count(len(entries), where)
    if any(entry.flag_bits & 1 for entry in entries):
        raise InputError(f"{where} is an encrypted zip file; unpack it first and give the folder.")
    total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if total > MAX_ARCHIVE_BYTES or total > MAX_ARCHIVE_RATIO * max(packed, 1):
        raise InputError(
            f"{where} would unpack to {total / 2**20:.0f} MiB from {packed / 2**20:.1f} MiB, beyond what images do; "
            "give a folder with the angiographic series alone."
        )
    return [_entry_opener(archive, entry) for entry in entries]


def _check_count(count: int, where: str) -> None:
    if count == 0:
        raise InputError(f"{where} holds no files; give the folder that holds the DICOM series.")
    if count > MAX_FILES:
        raise InputError(f"{where} holds {count} files, over the limit of {MAX_FILES}; give the folder of one study.")


def _file_opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Opener:
    return lambda: io.BytesIO(archive.read(entry))
