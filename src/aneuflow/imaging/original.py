"""The DICOM files behind a volume, identity and all: only for results that go back to the archive they came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom

from aneuflow.errors import InputError
from aneuflow.imaging.dicom import read_dicom
from aneuflow.imaging.dicom_files import is_bare_dicom
from aneuflow.imaging.quiet import quiet_dicom
from aneuflow.types import Volume


@dataclass(frozen=True, eq=False)
class Original:
    """An angiographic series as a volume and its files' headers without pixels.

    headers: one for each slice along the volume's third axis, or a single one of a multi-frame file; planes: for each slice
    the index of its header, or of its frame in the multi-frame file.
    """

    volume: Volume
    headers: tuple[pydicom.Dataset, ...]
    planes: tuple[int, ...]


def read_original(path: Path) -> Original:
    """The series that `read_image` takes from `path` (DICOM file, folder or zip), with its headers.

    Raises InputError as `read_image` does, and where the slices are spread over several multi-frame files.
    """
    where = f"Source {path.name}"
    if not path.exists():
        raise InputError(f"{where} does not exist; check the path.")
    stack = read_dicom(path, where)
    openers = list(dict.fromkeys(frame.opener for frame in stack.frames))
    headers = []
    with quiet_dicom():
        for opener in openers:
            with opener() as file:
                headers.append(pydicom.dcmread(file, stop_before_pixels=True, force=is_bare_dicom(file)))
    multi_frame = any("PerFrameFunctionalGroupsSequence" in header for header in headers)
    if multi_frame and len(headers) > 1:
        raise InputError(f"{where} spreads one volume over {len(headers)} multi-frame files; results cannot refer to such.")
    planes = [frame.index for frame in stack.frames] if multi_frame else list(range(len(headers)))
    return Original(stack.volume, tuple(headers), tuple(planes))
