from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case import store
from aneuflow.errors import AneuflowError, MethodError
from aneuflow.types import (
    Aneurysm,
    Blood,
    BoundaryConditions,
    Candidate,
    Cap,
    Centerline,
    FlowSolution,
    InletCondition,
    LabelMap,
    LumenModel,
    Measure,
    Morphology,
    Note,
    Ostium,
    OutletCondition,
    PatchedSurface,
    Surface,
    Volume,
    VolumeField,
    Waveform,
)

RNG = np.random.default_rng(7)
NOTES = (Note("example", {"value": 1.5, "name": "瘤"}, "assumption"),)
SHEARED = np.array([[0.4, 0.1, 0.0, -12.0], [0.0, 0.5, -0.2, 7.0], [0.05, 0.0, 0.9, 30.0], [0.0, 0.0, 0.0, 1.0]])


def assert_equal(a: object, b: object) -> None:
    """Equal in every field, arrays to the last bit."""
    assert type(a) is type(b)
    if is_dataclass(a):
        for field in fields(a):
            assert_equal(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert isinstance(b, tuple) and len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    elif isinstance(a, dict):
        assert isinstance(b, dict) and list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    else:
        assert a == b


def tetrahedron(shift: float = 0.0) -> Surface:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]) + shift + 1 / 3
    return Surface(points, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32))


def patched(shift: float) -> PatchedSurface:
    return PatchedSurface(tetrahedron(shift), np.array([0, 0, 1, 2], np.int32), np.array([0, 1, 2, 0], np.uint8))


def line(start: int, end: int, count: int) -> Centerline:
    return Centerline(start, end, RNG.normal(size=(count, 3)), RNG.uniform(1, 2, count))


def model(with_aneurysm: bool) -> LumenModel:
    cap = Cap(1, "inlet", np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]), 3.14, 1.0)
    rim = RNG.normal(size=(5, 3))
    ostium = Ostium(tetrahedron(5), rim, rim.mean(0), np.array([0.0, 1.0, 0.0]), "automatic", 0.875)
    aneurysm = Aneurysm(ostium, "bifurcation", line(1, 0, 4), (line(0, 2, 3), line(0, 3, 6)))
    return LumenModel(
        lumen=patched(0),
        caps=(cap,),
        centerlines=(line(1, 2, 7), line(1, 3, 5)),
        aneurysm=aneurysm if with_aneurysm else None,
        extended=patched(1),
        extended_caps=(cap,),
        notes=NOTES,
        candidates=(Candidate(1, (1.5, -2.0, 3.0), 6.5, 0.75, False), Candidate(2, (0.0, 1.0, 2.0), 4.0, 0.5, True)),
    )


def test_image_keeps_values_and_oblique_frame(tmp_path: Path) -> None:
    volume = Volume(RNG.normal(size=(4, 5, 6)).astype(np.float32), SHEARED, "MRA", "made up", NOTES)
    store.write_image(tmp_path, volume)
    back = store.read_image(tmp_path)
    np.testing.assert_allclose(back.affine, SHEARED, atol=1e-5)
    np.testing.assert_array_equal(back.values, volume.values)
    assert (back.modality, back.source, back.notes) == (volume.modality, volume.source, NOTES)


@pytest.mark.parametrize("with_soft", [False, True])
def test_labels_round_trip(tmp_path: Path, with_soft: bool) -> None:
    values = RNG.integers(0, 3, (4, 5, 6)).astype(np.uint8)
    soft = RNG.uniform(size=(4, 5, 6)).astype(np.float32) if with_soft else None
    store.write_labels(tmp_path, LabelMap(values, SHEARED, "threshold", soft, NOTES))
    back = store.read_labels(tmp_path)
    np.testing.assert_allclose(back.affine, SHEARED, atol=1e-5)
    np.testing.assert_array_equal(back.labels, values)
    assert (back.soft is None) == (soft is None)
    assert soft is None or np.array_equal(back.soft, soft)


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    volume = Volume(np.ones((3, 3, 3), np.float32), SHEARED, "MRA", "made up")
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        store.write_image(tmp_path / name, volume)
        store.write_surface(tmp_path / name, tetrahedron())
        contents.append([file.read_bytes() for file in sorted((tmp_path / name).iterdir())])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("with_aneurysm", [False, True])
def test_model_round_trip(tmp_path: Path, with_aneurysm: bool) -> None:
    written = model(with_aneurysm)
    store.write_model(tmp_path, written)
    assert_equal(store.read_model(tmp_path), written)


def test_morphology_round_trip(tmp_path: Path) -> None:
    written = Morphology((Measure("height", 4.0, 3.5, 4.5),), {"height": ((0.0, 0.0, 0.0), (0.0, 0.0, 4.0))}, NOTES)
    store.write_morphology(tmp_path, written)
    assert_equal(store.read_morphology(tmp_path), written)


@pytest.mark.parametrize("pulsatile", [False, True])
def test_boundary_round_trip(tmp_path: Path, pulsatile: bool) -> None:
    wave = Waveform("made up", 0.9, np.linspace(0, 1, 5, endpoint=False), np.ones(5))
    written = BoundaryConditions(
        inlets=(InletCondition(1, 2.5, "womersley"),),
        outlets=(OutletCondition(2, "flow-split", flow_share=1.0), OutletCondition(3, "pressure", pressure=0.0)),
        blood=Blood(1060.0, "newtonian", {"viscosity": 0.0035}),
        waveform=wave if pulsatile else None,
        notes=NOTES,
    )
    store.write_boundary(tmp_path, written)
    assert_equal(store.read_boundary(tmp_path), written)


def test_flow_round_trip(tmp_path: Path) -> None:
    fields_ = {"TAWSS": RNG.uniform(size=4).astype(np.float32), "WSS_mean": RNG.normal(size=(4, 3)).astype(np.float32)}
    field = VolumeField(
        points_mm=RNG.normal(size=(8, 3)),
        velocity=RNG.normal(size=(8, 3)).astype(np.float32),
        pressure=RNG.normal(size=8).astype(np.float32),
        voxels=np.arange(8, dtype=np.int32).reshape(1, 8),
    )
    written = FlowSolution(
        wall=tetrahedron(),
        region=np.array([0, 1, 1, 0], np.uint8),
        wall_fields=fields_,
        volume=field,
        measures=(Measure("height", 1.0),),
        history={"time_s": np.linspace(0, 1, 4)},
        numerics={"cells": 8, "converged": True},
        notes=NOTES,
    )
    store.write_flow(tmp_path, written)
    assert_equal(store.read_flow(tmp_path), written)


def test_a_number_without_definition_is_not_written() -> None:
    with pytest.raises(AneuflowError, match="not in the registry"):
        store.measures_to_json([Measure("gut_feeling", 7.0)])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_not_written(value: float) -> None:
    with pytest.raises(MethodError, match="no number"):
        store.measures_to_json([Measure("height", value)])
