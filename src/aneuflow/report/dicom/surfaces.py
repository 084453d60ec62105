"""DICOM surface segmentation of the regions on the wall (PS3.3 A.57): a segment and a mesh for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import SurfaceSegmentationStorage

from aneuflow import __version__
from aneuflow.numerics.surface import compact
from aneuflow.numerics.surface_fields import connected_parts
from aneuflow.quantities import quantity
from aneuflow.report.dicom.codes import (
    ABNORMAL_STRUCTURE,
    FUNCTION,
    INTRACRANIAL,
    MANUFACTURER,
    WALL_DEFINITION,
    concept,
    highdicom,
    quantity_code,
)
from aneuflow.report.dicom.study import SourceImages, file_meta, finish, new_uid, own_series, reference
from aneuflow.report.ranges import REGION_COLORS
from aneuflow.report.text import text
from aneuflow.types import FloatArray, IntArray, Risk, WallRegion

SERIES_NUMBER = 9004
SHAPE_KINDS = frozenset({"bleb_region"})
_OPACITY = 0.7


def surface_segmentation(source: SourceImages, segments: Dataset, risk: Risk) -> Any:
    """The regions of `risk` (at least one) as a Surface Segmentation in the frame of reference of the images, patient LPS mm.

    segments: the Segmentation of the lumen whose wall they lie on. A segment is a connected part of the sac's wall that meets a
    definition: an open surface whose points are those of the wall in single precision. Regions of different kinds may share
    wall.
    """
    hd, first = highdicom(), source.headers[0]
    result = hd.SOPClass(
        study_instance_uid=first.StudyInstanceUID,
        sop_class_uid=SurfaceSegmentationStorage,
        modality="SEG",
        device_serial_number="none",
        **_patient(first),
        **own_series(SERIES_NUMBER, "regions on the wall"),
    )
    finish(result, first)
    result.FrameOfReferenceUID = first.FrameOfReferenceUID
    result.PositionReferenceIndicator = first.get("PositionReferenceIndicator", "")
    result.ContentLabel, result.ContentDescription = "WALL_REGIONS", "Regions on the wall; research use only"
    result.ContentCreatorName = f"{MANUFACTURER}^"
    result.ReferencedSeriesSequence = [_series(source.headers), _series([segments])]
    meshes = [region_mesh(risk, region) for region in risk.defined]
    numbered = list(enumerate(zip(risk.defined, meshes, strict=True), start=1))
    result.SegmentSequence = [_segment(number, region, reference(segments)) for number, (region, _) in numbered]
    result.NumberOfSurfaces = len(meshes)
    result.SurfaceSequence = [_surface(number, region.kind, *mesh) for number, (region, mesh) in numbered]
    result.file_meta = file_meta(result)
    return result


def region_mesh(risk: Risk, region: WallRegion) -> tuple[FloatArray, IntArray]:
    """Points (n, 3) mm LPS and triangles (m, 3) of a region: the wall's triangles that have most of their corners in it."""
    assert risk.wall is not None
    points, triangles = risk.wall.points, risk.wall.triangles
    flagged = risk.fields[region.kind] > 0
    parts = connected_parts(triangles, flagged)
    away = np.where(flagged, np.linalg.norm(points - np.asarray(region.center_mm), axis=1), np.inf)
    inside = parts == parts[int(np.argmin(away))]
    found, faces, _ = compact(points, triangles[inside[triangles].sum(axis=1) >= 2])
    return found, faces


def _series(instances: Sequence[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = instances[0].SeriesInstanceUID
    item.ReferencedInstanceSequence = [reference(instance) for instance in instances]
    return item


def _patient(first: Dataset) -> dict[str, Any]:
    names = {
        "patient_id": "PatientID", "patient_name": "PatientName", "patient_birth_date": "PatientBirthDate",
        "patient_sex": "PatientSex", "accession_number": "AccessionNumber", "study_id": "StudyID", "study_date": "StudyDate",
        "study_time": "StudyTime", "referring_physician_name": "ReferringPhysicianName",
    }  # fmt: skip
    return {argument: first.get(name) or None for argument, name in names.items()}


def _segment(number: int, region: WallRegion, lumen: Dataset) -> Dataset:
    entry, values = quantity(region.kind), {measure.id: measure.value for measure in region.values}
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, f"{entry.name_en[:58]} {number}"
    kept = f"kept in {100 * region.stability:.0f} % of samples of flow and surface"
    item.SegmentDescription = f"{text('en', f'answer.{region.place}')}; {values[region.kind]:.1f} {entry.unit}; {kept}"
    item.SegmentAlgorithmType = "AUTOMATIC"
    item.SegmentedPropertyCategoryCodeSequence = [concept(ABNORMAL_STRUCTURE if region.kind in SHAPE_KINDS else FUNCTION)]
    item.SegmentedPropertyTypeCodeSequence = [concept(quantity_code(entry))]
    item.AnatomicRegionSequence = [concept(INTRACRANIAL)]
    item.TrackingID, item.TrackingUID = item.SegmentLabel, new_uid()
    surface = Dataset()
    surface.ReferencedSurfaceNumber = number
    surface.SegmentSurfaceGenerationAlgorithmIdentificationSequence = _algorithm(entry.definition_id)
    surface.SegmentSurfaceSourceInstanceSequence = [lumen]
    item.SurfaceCount, item.ReferencedSurfaceSequence = 1, [surface]
    return item


def _algorithm(definition: str) -> Any:
    return highdicom().AlgorithmIdentificationSequence(
        name=f"{MANUFACTURER} {definition}", family=concept(WALL_DEFINITION), version=__version__, source=MANUFACTURER
    )


def _surface(number: int, kind: str, points: FloatArray, triangles: IntArray) -> Dataset:
    hd = highdicom()
    item = Dataset()
    item.SurfaceNumber, item.SurfaceProcessing = number, "NO"
    color = hd.color.CIELabColor.from_string(REGION_COLORS[kind])
    item.RecommendedDisplayGrayscaleValue = int(color.value[0])
    item.RecommendedDisplayCIELabValue = list(color.value)
    item.RecommendedPresentationOpacity, item.RecommendedPresentationType = _OPACITY, "SURFACE"
    # An open piece of wall encloses nothing, and its parts may hang together by a point.
    item.FiniteVolume, item.Manifold = "NO", "UNKNOWN"
    places = Dataset()
    places.NumberOfSurfacePoints = len(points)
    places.PointCoordinatesData = points.astype("<f4").tobytes()
    item.SurfacePointsSequence, item.SurfacePointsNormalsSequence = [places], []
    primitives = Dataset()
    primitives.LongTrianglePointIndexList = (triangles + 1).astype("<u4").tobytes()
    primitives.LongEdgePointIndexList = primitives.LongVertexPointIndexList = None
    primitives.TriangleStripSequence = primitives.TriangleFanSequence = []
    primitives.LineSequence = primitives.FacetSequence = []
    item.SurfaceMeshPrimitivesSequence = [primitives]
    return item
