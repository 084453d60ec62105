"""Reading surfaces: every format, every unit, and broken files of every kind in one plain sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import pyvista

from aneuflow.errors import InputError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.read_surface import read_surface
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import Surface
from tests import shapes
from tests.conftest import shared_data

FORMATS = ["stl", "obj", "ply", "vtp"]


def _save(path: Path, scale: float = 1.0) -> Path:
    pipe = shapes.tube()
    pyvista.PolyData.from_regular_faces(pipe.points * scale, pipe.triangles).save(path)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_gives_the_same_tube(tmp_path: Path, format: str) -> None:
    surface = read_surface(_save(tmp_path / f"tube.{format}"))
    assert len(surface.points) == len(shapes.tube().points)
    assert np.ptp(surface.points, axis=0) == pytest.approx([3, 3, 12], abs=0.02)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1.0), ("cm", 0.1), ("m", 0.001)])
def test_the_unit_is_found_by_caliber_or_believed(tmp_path: Path, unit: str, scale: float) -> None:
    path = _save(tmp_path / "tube.ply", scale)
    for units in ("auto", unit):
        assert np.ptp(read_surface(path, units).points, axis=0)[2] == pytest.approx(12, rel=1e-4)  # type: ignore[arg-type]


def test_a_size_no_artery_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="in no unit"):
        read_surface(_save(tmp_path / "tenfold.stl", 12.0))
    with pytest.raises(InputError, match="--units"):
        read_surface(_save(tmp_path / "tube.stl"), "m")


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.01, 0.05, 0.1, 10, 20, 100, 1e3, 1e6])
def test_a_surface_far_from_millimeters_is_refused_as_such_by_the_model_too(factor: float) -> None:
    pipe = shapes.tube()
    with pytest.raises(InputError, match=r"mm wide in a box of .* its points must be in mm"):
        build_model(Surface(pipe.points * factor, pipe.triangles), ModelSettings())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("damage", ["half", "empty", "noise", "text"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, format: str, damage: str) -> None:
    path = _save(tmp_path / f"tube.{format}")
    whole = path.read_bytes()
    noise = np.random.default_rng(7).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    path.write_bytes({"half": whole[: len(whole) // 3], "empty": b"", "noise": noise, "text": b"hello world\n" * 40}[damage])
    with pytest.raises(InputError) as error:
        read_surface(path)
    assert "\n" not in str(error.value)
    assert path.name in str(error.value)


def test_points_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    pipe = shapes.tube()
    points = pipe.points.copy()
    points[5] = np.nan
    pyvista.PolyData.from_regular_faces(points, pipe.triangles).save(tmp_path / "nan.vtp")
    with pytest.raises(InputError, match="not numbers"):
        read_surface(tmp_path / "nan.vtp")


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing"):
        read_surface(tmp_path / "none.stl")
    with pytest.raises(InputError, match="STL, OBJ, PLY or VTP"):
        read_surface(tmp_path / "scan.txt")


def test_a_real_artery_is_read_in_mm() -> None:
    surface = read_surface(shared_data("surfaces/aneurisk_C0015_artery.vtp"))
    assert np.ptp(surface.points, axis=0) == pytest.approx([9.1, 8.4, 15.5], abs=0.1)


@pytest.mark.parametrize("units", ["auto", "mm"])
def test_real_segments_of_another_scale_are_noticed(tmp_path: Path, units: str) -> None:
    index = json.loads(shared_data("intra/annotated_index.json").read_text("utf-8"))
    wrong = [entry["name"] for entry in index if not entry["true_scale"]]
    assert len(wrong) > 10
    for name in wrong:
        with np.load(shared_data(f"intra/annotated/{name}.npz")) as segment:
            path = tmp_path / f"{name}.stl"
            pyvista.PolyData.from_regular_faces(segment["points"], segment["triangles"]).save(path)
        with pytest.raises(InputError, match="artery"):
            read_surface(path, units)  # type: ignore[arg-type]
