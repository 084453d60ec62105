"""A study posted by DICOMweb (STOW-RS) on its way to an upload: the parts of a multipart body, as they come."""

from __future__ import annotations

import io
from dataclasses import dataclass
from email.message import Message
from typing import BinaryIO

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from aneuflow.service.problems import Problem

# All that this process reads of an object: its file meta information, by which the answer names it.
_HEAD_BYTES = 8192
_MARK_AT, _MARK = 128, b"DICM"
_META_GROUP = 2


@dataclass(frozen=True)
class Posted:
    """A part that is a DICOM file: its size, and what the file says it holds."""

    size: int
    class_uid: str
    uid: str


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart body of DICOM files. Raises Problem where the type says it is none."""
    header = Message()
    header["content-type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_type() != "multipart/related" or header.get_param("type") != "application/dicom" or not boundary:
        raise Problem(415, "dicom_wanted")
    return boundary.encode("latin-1", "replace")


class Parts:
    """Writes the bytes of all parts that are DICOM files into `stream`, one after the other; `others` counts the rest."""

    def __init__(self, boundary: bytes, stream: BinaryIO, most: int) -> None:
        self.posted: list[Posted] = []
        self.others, self.is_whole = 0, False
        self._stream, self._most = stream, most
        self._start, self._head = 0, bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_part_data": self._take,
                "on_part_end": self._end,
                "on_end": self._finish,
            },
        )

    def write(self, content: bytes) -> None:
        """The next bytes of the body. Raises Problem where it is no multipart body or has too many parts."""
        try:
            self._parser.write(content)
        except MultipartParseError:
            raise Problem(400, "no_multipart") from None

    def _begin(self) -> None:
        if len(self.posted) + self.others >= self._most:
            raise Problem(413, "too_many_parts", most=self._most)
        self._start, self._head = self._stream.tell(), bytearray()

    def _take(self, content: bytes, start: int, end: int) -> None:
        self._stream.write(content[start:end])
        self._head += content[start : min(end, start + _HEAD_BYTES - len(self._head))]

    def _end(self) -> None:
        named = _named(bytes(self._head))
        if named is None:
            self.others += 1
            self._stream.seek(self._start)
            self._stream.truncate()
        else:
            self.posted.append(Posted(self._stream.tell() - self._start, *named))

    def _finish(self) -> None:
        self.is_whole = True


def _named(head: bytes) -> tuple[str, str] | None:
    """Class and UID of the object in a DICOM file that begins so, None where it is none."""
    from pydicom.filereader import read_dataset  # this late: few servers are sent studies

    if head[_MARK_AT : _MARK_AT + len(_MARK)] != _MARK:
        return None
    file = io.BytesIO(head[_MARK_AT + len(_MARK) :])
    try:
        meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != _META_GROUP)
        return str(meta.MediaStorageSOPClassUID), str(meta.MediaStorageSOPInstanceUID)
    except Exception:  # a damaged head can break the parser anywhere
        return None
