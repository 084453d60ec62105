"""How large a compressed image says it is, read before a codec allocates it."""

from __future__ import annotations

import pydicom
from pydicom.encaps import generate_frames

_J2K = b"\xff\x4f\xff\x51"
_JPEG = b"\xff\xd8"
# Start of frame of JPEG (ITU-T T.81 table B.1) and of JPEG-LS (T.87); C4, C8 and CC are other things.
_FRAME_STARTS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}


def refuse_other_sizes(dataset: pydicom.Dataset) -> None:
    """Raises ValueError where a compressed frame states another size than the header, before anything is decoded."""
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    size = (int(dataset.Rows), int(dataset.Columns))
    for frame in generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1)):
        stated = stated_size(frame)
        if stated is not None and stated != size:
            raise ValueError("the compressed image has another size than its header")


def stated_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 codestream states; None where it states none."""
    if frame.startswith(_J2K):
        width, height, left, top = (int.from_bytes(frame[i : i + 4], "big") for i in (8, 12, 16, 20))
        return height - top, width - left
    if not frame.startswith(_JPEG):
        return None
    place = 2
    while place + 9 <= len(frame) and frame[place] == 0xFF:
        if frame[place + 1] in _FRAME_STARTS:
            return int.from_bytes(frame[place + 5 : place + 7], "big"), int.from_bytes(frame[place + 7 : place + 9], "big")
        place += 2 + int.from_bytes(frame[place + 2 : place + 4], "big")
    return None
