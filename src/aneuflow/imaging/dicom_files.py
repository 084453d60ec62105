"""Where DICOM files lie: one file, a folder, or a zip archive that is read in memory and never unpacked to disk."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from aneuflow.errors import InputError
from aneuflow.imaging.checks import check_memory

Opener = Callable[[], BinaryIO]

MAX_FILES = 50_000
MAX_ARCHIVE_BYTES = 8 * 2**30
# Raw pixels deflate to a third or half; empty background to perhaps a twentieth. Bombs reach a thousand.
MAX_ARCHIVE_RATIO = 200
MAX_INFLATED_BYTES = 2**30
_DEFLATED = b"1.2.840.10008.1.2.1.99"


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
    check_memory(max(entry.file_size for entry in entries), where)
    return [_entry_opener(archive, entry) for entry in entries]


def refuse_inflated(file: BinaryIO) -> None:
    """Raises ValueError for a file of the deflated transfer syntax that would inflate to over 1 GiB; leaves it at its start.

    pydicom inflates such a file as a whole before it reads a single element. Source: DICOM PS3.5 A.5, PS3.10 7.1.
    """
    head = file.read(2048)
    file.seek(0)
    if _DEFLATED not in head:
        return
    file.seek(144 + int.from_bytes(head[140:144], "little"))
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    data = file.read(2**20)
    while data and not inflater.eof:
        size += len(inflater.decompress(data, 2**24))
        if size > MAX_INFLATED_BYTES:
            raise ValueError("inflates beyond what one image holds")
        data = inflater.unconsumed_tail or file.read(2**20)
    file.seek(0)


def is_bare_dicom(file: BinaryIO) -> bool:
    """Whether the file has no preamble but begins as DICOM data do: a short element of group 8, as old archives wrote them."""
    head = file.read(132)
    file.seek(0)
    return head[128:] != b"DICM" and head[:2] == b"\x08\x00" and head[3:4] == b"\x00" and len(head) == 132


def _check_count(count: int, where: str) -> None:
    if count == 0:
        raise InputError(f"{where} holds no files; give the folder that holds the DICOM series.")
    if count > MAX_FILES:
        raise InputError(f"{where} holds {count} files, over the limit of {MAX_FILES}; give the folder of one study.")


def _file_opener(path: Path) -> Opener:
    return lambda: path.open("rb")


def _entry_opener(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Opener:
    return lambda: io.BytesIO(archive.read(entry))
