"""The compact form of a database: one file of arrays a split, with a table of the cases. Needs NumPy alone."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.surrogate.cohort import SPLITS

CASES = "cases.csv"
VERSION = 1
Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Channel:
    """One array of the compact form: its numbers per point (0: one, without an axis of its own), what it is, its unit."""

    points: str
    width: int
    meaning: str
    unit: str
    kind: str = "float16"
    pulsatile: bool = False


# D, U: the columns length_mm and speed of the case; tau0 = 8 mu U / D, the column shear; p0 = rho U^2, the column pressure.
CHANNELS: Mapping[str, Channel] = {
    "wall_point": Channel("wall", 3, "place, from the origin of the case, axes patient LPS", "D"),
    "wall_normal": Channel("wall", 3, "outward unit normal", "1"),
    "wall_region": Channel("wall", 0, "0 artery, 1 sac", "1", "uint8"),
    "wall_area": Channel("wall", 0, "area of wall that the point stands for", "D^2"),
    "wall_radius": Channel("wall", 0, "inscribed radius at the nearest point of the centerline", "D"),
    "wall_along": Channel("wall", 0, "distance along the centerline from the ostium, negative upstream", "D"),
    "wall_shear": Channel("wall", 3, "wall shear vector; pulsatile: its mean over the cycle", "tau0"),
    "wall_pressure": Channel("wall", 0, "pressure over that at the outlets; pulsatile: mean", "p0"),
    "coarse_wall_shear": Channel("wall", 3, "wall shear vector on the coarser lattice; pulsatile: mean", "tau0"),
    "coarse_wall_pressure": Channel("wall", 0, "pressure there", "p0"),
    "coarse_wall_velocity": Channel("wall", 3, "velocity there, one coarse spacing inside of the wall point", "U"),
    "coarse_wall_tawss": Channel("wall", 0, "time-averaged wall shear stress there", "tau0", pulsatile=True),
    "coarse_wall_osi": Channel("wall", 0, "oscillatory shear index there", "1", pulsatile=True),
    "wall_tawss": Channel("wall", 0, "time-averaged wall shear stress", "tau0", pulsatile=True),
    "wall_osi": Channel("wall", 0, "oscillatory shear index", "1", pulsatile=True),
    "wall_peak_shear": Channel("wall", 3, "wall shear vector at peak flow", "tau0", pulsatile=True),
    "lumen_point": Channel("lumen", 3, "place, as wall_point", "D"),
    "lumen_region": Channel("lumen", 0, "0 artery, 1 sac", "1", "uint8"),
    "lumen_wall_distance": Channel("lumen", 0, "distance from the wall", "D"),
    "lumen_radius": Channel("lumen", 0, "as wall_radius", "D"),
    "lumen_along": Channel("lumen", 0, "as wall_along", "D"),
    "lumen_velocity": Channel("lumen", 3, "velocity; pulsatile: mean", "U"),
    "lumen_pressure": Channel("lumen", 0, "pressure over that at the outlets; pulsatile: mean", "p0"),
    "coarse_lumen_velocity": Channel("lumen", 3, "velocity on the coarser lattice", "U"),
}


def write_compact(folder: Path, rows: Sequence[Mapping[str, Any]], arrays: Sequence[Arrays]) -> dict[str, int]:
    """Write the cases as train.npz, validation.npz, test.npz and cases.csv; gives the bytes of each file.

    rows: one a case, with `split` and `kind`; arrays: those of `CHANNELS`, in the same order. Channels for pulsatile flow
    are kept for the pulsatile cases of a split alone; `pulsatile` holds their places in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        mine = [k for k, row in enumerate(rows) if row["split"] == split]
        pulses = [place for place, k in enumerate(mine) if rows[k]["kind"] == "pulsatile"]
        packed: dict[str, npt.NDArray[Any]] = {
            "version": np.array(VERSION),
            "id": np.array([rows[k]["id"] for k in mine], dtype=np.str_),
            "pulsatile": np.array(pulses, dtype=np.int32),
        }
        for name, channel in CHANNELS.items():
            taken = [mine[place] for place in pulses] if channel.pulsatile else mine
            if taken:
                packed[name] = np.stack([arrays[k][name] for k in taken])
        temporary = folder / f".{split}.npz"
        np.savez_compressed(temporary, **packed)  # type: ignore[arg-type]
        temporary.replace(folder / f"{split}.npz")
    _write_rows(folder / CASES, rows)
    return {name: (folder / name).stat().st_size for name in (*(f"{split}.npz" for split in SPLITS), CASES)}


def read_compact(folder: Path, split: str) -> tuple[list[dict[str, str]], dict[str, npt.NDArray[Any]]]:
    """The rows of the case table of one split, as text, and its arrays, in the same order."""
    with (folder / CASES).open(encoding="utf-8", newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["split"] == split]
    with np.load(folder / f"{split}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    held = {name for name, channel in CHANNELS.items() if len(arrays.get("pulsatile" if channel.pulsatile else "id", ()))}
    if [row["id"] for row in rows] != arrays["id"].tolist() or int(arrays["version"]) != VERSION or not held <= arrays.keys():
        raise ValueError(f"{split}.npz and {CASES} in {folder} are not of one database of version {VERSION}")
    return rows, arrays


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _shown(value) for name, value in row.items()} for row in rows)


def _shown(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value
