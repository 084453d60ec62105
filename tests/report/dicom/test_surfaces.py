"""Regions on the wall as a DICOM surface segmentation: sound by outside tools, in the right place, point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from aneuflow.case.folder import CaseFolder, StageRecord
from aneuflow.case.risk_store import read_risk
from aneuflow.numerics.surface import face_areas
from aneuflow.pipeline.export import export_dicom
from aneuflow.quantities import quantity
from aneuflow.types import Risk
from tests.report.dicom.sample_case import PERSON, SECRET, case_of_series, original_series
from tests.report.dicom.test_export import program

pytest.importorskip("highdicom", reason='the extra "dicom" is not installed')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("surfaces")


@pytest.fixture(scope="module")
def case(folder: Path) -> CaseFolder:
    """A graded case of a series, with regions of several kinds."""
    original_series(folder / "series")
    return case_of_series(folder / "case", folder / "series", graded=True)


@pytest.fixture(scope="module")
def risk(case: CaseFolder) -> Risk:
    return read_risk(case.stage_folder("risk"))


@pytest.fixture(scope="module")
def joined(folder: Path, case: CaseFolder) -> Path:
    export_dicom(case.path, folder / "joined", folder / "series")
    return folder / "joined/regions.dcm"


@pytest.fixture(scope="module")
def apart(folder: Path, case: CaseFolder) -> Path:
    export_dicom(case.path, folder / "apart")
    return folder / "apart/regions.dcm"


def meshes(dataset: pydicom.Dataset) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Points (n, 3) and triangles (m, 3) by surface number, from the bytes alone."""
    found = {}
    for item in dataset.SurfaceSequence:
        places = item.SurfacePointsSequence[0]
        points = np.frombuffer(places.PointCoordinatesData, "<f4").reshape(-1, 3).astype(float)
        assert len(points) == places.NumberOfSurfacePoints
        indices = np.frombuffer(item.SurfaceMeshPrimitivesSequence[0].LongTrianglePointIndexList, "<u4").reshape(-1, 3)
        assert indices.min() == 1 and indices.max() == len(points)
        found[int(item.SurfaceNumber)] = points, indices.astype(int) - 1
    return found


@pytest.mark.parametrize("where", ["joined", "apart"])
def test_the_object_passes_dciodvfy_and_dcmdump(where: str, request: pytest.FixtureRequest) -> None:
    file = request.getfixturevalue(where)
    said = program("dciodvfy", "-new", file)
    assert "SurfaceSegmentation" in said
    assert [line for line in said.splitlines() if line.startswith(("Error", "Abort"))] == []
    dump = program("dcmdump", file)
    assert "SurfaceSegmentationStorage" in dump and not dump.startswith(("E:", "F:"))


def test_every_region_is_a_segment_with_its_code_place_and_algorithm(joined: Path, risk: Risk) -> None:
    dataset = pydicom.dcmread(joined)
    assert len({region.kind for region in risk.defined}) >= 2
    assert len(dataset.SegmentSequence) == dataset.NumberOfSurfaces == len(risk.defined)
    for number, (item, region) in enumerate(zip(dataset.SegmentSequence, risk.defined, strict=True), start=1):
        kind = item.SegmentedPropertyTypeCodeSequence[0]
        entry = quantity(region.kind)
        assert kind.CodeMeaning == entry.name_en and kind.CodingSchemeDesignator == "99ANEUFLOW"
        assert item.SegmentNumber == number and item.SegmentLabel == f"{entry.name_en} {number}"
        assert f"{region.values[0].value:.1f} mm2" in item.SegmentDescription and "kept in" in item.SegmentDescription
        surface = item.ReferencedSurfaceSequence[0]
        assert surface.ReferencedSurfaceNumber == number
        algorithm = surface.SegmentSurfaceGenerationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmName == f"aneuflow {entry.definition_id}" and algorithm.AlgorithmVersion


def test_points_are_those_of_the_wall_and_areas_those_of_the_regions(joined: Path, apart: Path, risk: Risk) -> None:
    wall = risk.wall
    assert wall is not None
    found = meshes(pydicom.dcmread(joined))
    for number, region in enumerate(risk.defined, start=1):
        points, triangles = found[number]
        near = np.linalg.norm(wall.points - np.asarray(region.center_mm), axis=1) < 15.0
        away = np.linalg.norm(points[:, None, :] - wall.points[None, near, :], axis=2).min(axis=1)
        assert away.max() < 1e-4
        assert np.linalg.norm(points - np.asarray(region.center_mm), axis=1).min() < 1e-4
        # The region's area is that of its points, a third of the triangles around each.
        assert face_areas(points, triangles).sum() == pytest.approx(region.values[0].value, rel=0.15)
    again = meshes(pydicom.dcmread(apart))
    for number, (points, triangles) in found.items():
        np.testing.assert_array_equal(again[number][0], points)
        np.testing.assert_array_equal(again[number][1], triangles)


def test_it_joins_the_study_and_refers_to_every_image(folder: Path, joined: Path, apart: Path) -> None:
    source = [pydicom.dcmread(file) for file in (folder / "series").iterdir()]
    dataset = pydicom.dcmread(joined)
    assert {name: str(dataset.get(name)) for name in PERSON} == PERSON
    assert dataset.FrameOfReferenceUID == source[0].FrameOfReferenceUID
    assert dataset.StudyInstanceUID == source[0].StudyInstanceUID
    named, lumen = dataset.ReferencedSeriesSequence
    segments = pydicom.dcmread(joined.parent / "segmentation.dcm")
    assert lumen.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == segments.SOPInstanceUID
    assert named.SeriesInstanceUID == source[0].SeriesInstanceUID
    uids = {image.SOPInstanceUID for image in source}
    assert {item.ReferencedSOPInstanceUID for item in named.ReferencedInstanceSequence} == uids
    assert SECRET.encode() not in apart.read_bytes() and "Живаго".encode() not in apart.read_bytes()
    assert pydicom.dcmread(apart).PatientIdentityRemoved == "YES"


def test_without_a_current_grade_there_is_none(case: CaseFolder, folder: Path) -> None:
    record = case.manifest().stages["grade"]
    case.record("grade", StageRecord("done", "of another flow", record.folder, record.outputs, 0.0))
    exported = export_dicom(case.path, folder / "ungraded")
    case.record("grade", record)
    assert "regions.dcm" not in {file.name for file in exported.files}
