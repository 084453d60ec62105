"""Label maps as NRRD files that 3D Slicer opens as a segmentation."""

from __future__ import annotations

import gzip
from pathlib import Path

from aneuflow.types import ByteArray, FloatArray

_SEGMENTS = {1: ("Parent artery and branches", "0.18 0.53 0.67"), 2: ("Aneurysm sac", "0.82 0.29 0.36")}


def write_label_nrrd(path: Path, labels: ByteArray, affine: FloatArray) -> None:
    """Write labels (nx, ny, nz) uint8 with affine (4, 4) to LPS mm, oblique and sheared ones as they are.

    Each label there is becomes a named segment. Source: the NRRD format's definition, and Slicer's segmentation fields.
    """
    rows = {
        "type": "uint8",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": " ".join(map(str, labels.shape)),
        "space directions": " ".join(_vector(affine[:3, k]) for k in range(3)),
        "kinds": "domain domain domain",
        "encoding": "gzip",
        "space origin": _vector(affine[:3, 3]),
    }
    header = ["NRRD0005", *(f"{key}: {value}" for key, value in rows.items())]
    present = [label for label in _SEGMENTS if (labels == label).any()]
    for number, label in enumerate(present):
        name, color = _SEGMENTS[label]
        fields = {"ID": f"Segment_{label}", "Name": name, "Color": color, "LabelValue": label, "Layer": 0}
        header += [f"Segment{number}_{key}:={value}" for key, value in fields.items()]
    pixels = gzip.compress(labels.tobytes(order="F"), mtime=0)
    path.write_bytes("\n".join([*header, "", ""]).encode("ascii") + pixels)


def _vector(values: FloatArray) -> str:
    return "(" + ",".join(repr(float(value)) for value in values) + ")"
