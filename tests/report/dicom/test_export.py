"""Results as DICOM objects: sound by outside tools, in the right place, in the right study, and silent about the patient."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError, MethodError, ResourceError
from aneuflow.imaging import read_image
from aneuflow.pipeline.export import export_dicom, export_labels
from aneuflow.quantities import quantity, registry
from aneuflow.types import Surface
from tests.cli.run import run
from tests.conftest import shared_data
from tests.imaging.dicom_series import write_enhanced
from tests.report.dicom.sample_case import PERSON, SECRET, case_of_series, original_series, write_case
from tests.report.sample import sample_image, sample_model, sample_morphology

hd = pytest.importorskip("highdicom", reason='the extra "dicom" is not installed')

OBLIQUE = np.array([[0.32, -0.24, 0.0, -11.0], [0.18, 0.24, -0.32, -5.0], [0.16, 0.21, 0.25, -9.0], [0, 0, 0, 1.0]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def case(folder: Path) -> CaseFolder:
    original_series(folder / "series")
    return case_of_series(folder / "case", folder / "series")


@pytest.fixture(scope="module")
def joined(folder: Path, case: CaseFolder) -> Path:
    """Exported with the original series as source."""
    export_dicom(case.path, folder / "joined", folder / "series")
    return folder / "joined"


@pytest.fixture(scope="module")
def apart(folder: Path, case: CaseFolder) -> Path:
    """Exported without source."""
    export_dicom(case.path, folder / "apart")
    return folder / "apart"


def program(name: str, *arguments: object) -> str:
    """What an outside tool says; the test is skipped where it is missing."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (Debian: apt install dicom3tools dcmtk)")
    run = subprocess.run([name, *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False)
    return run.stdout + run.stderr


def segment_places(path: Path) -> dict[int, np.ndarray]:
    """Patient coordinates (n, 3) of all voxels of each segment, from the file's own positions, not from any affine."""
    seg = pydicom.dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    between_rows, between_columns = (float(x) for x in shared.PixelMeasuresSequence[0].PixelSpacing)
    places: dict[int, list[np.ndarray]] = {}
    for frame, groups in zip(np.atleast_3d(seg.pixel_array), seg.PerFrameFunctionalGroupsSequence, strict=True):
        j, i = np.nonzero(frame)
        origin = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        number = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        points = origin + i[:, None] * between_columns * row + j[:, None] * between_rows * column
        places.setdefault(number, []).append(points)
    return {number: np.concatenate(parts) for number, parts in places.items()}


def sorted_rows(points: np.ndarray) -> np.ndarray:
    return points[np.lexsort(np.round(points, 3).T)]


@pytest.mark.parametrize("where", ["joined", "apart"])
def test_every_object_passes_dciodvfy(where, request):
    target = request.getfixturevalue(where)
    files = sorted(target.rglob("*.dcm"))
    assert {file.name for file in files} >= {"segmentation.dcm", "measurements.dcm", "report.dcm"}
    for file in files[:: max(1, len(files) // 6)] + sorted(target.glob("*.dcm")):
        said = program("dciodvfy", "-new", file)
        assert [line for line in said.splitlines() if line.startswith(("Error", "Abort"))] == [], file.name


def test_dcmtk_reads_report_and_pdf(joined, tmp_path):
    tree = program("dsrdump", "+Pc", joined / "measurements.dcm")
    assert "Comprehensive 3D SR Document" in tree and "error" not in tree.lower()
    program("dcm2pdf", joined / "report.dcm", tmp_path / "out.pdf")
    assert (tmp_path / "out.pdf").read_bytes().startswith(b"%PDF-1.4\n%%EOF")


def test_segments_lie_where_the_labels_of_the_case_do(case, joined, tmp_path):
    export_labels(case.path, tmp_path / "labels.nii.gz")
    import nibabel as nib

    image = nib.load(tmp_path / "labels.nii.gz")
    labels, affine = np.asarray(image.dataobj), np.diag([-1.0, -1, 1, 1]) @ image.affine
    places = segment_places(joined / "segmentation.dcm")
    for label in (1, 2):
        here = np.argwhere(labels == label) @ affine[:3, :3].T + affine[:3, 3]
        assert len(here) == len(places[label]) > 500
        assert np.abs(sorted_rows(places[label]) - sorted_rows(here)).max() < 1e-4
    # The made-up vessel: 1 the tube, 2 the sac above the neck.
    assert places[2][:, 2].min() > 1.9 and np.hypot(*places[1][:, 1:].T).max() < 3.2


@pytest.mark.parametrize("grid", ["oblique", "tilted", "mirrored"])
def test_oblique_tilted_and_mirrored_grids_keep_their_geometry(grid, tmp_path):
    affine = {
        "oblique": OBLIQUE @ np.diag([1.0, 1.0, 1.3, 1.0]),
        "tilted": np.array([[0.4, 0, 0, -12], [0, 0.38, 0.0, -4], [0, -0.12, 0.5, -3], [0, 0, 0, 1.0]]),
        "mirrored": np.array([[-0.4, 0, 0, 12.4], [0, 0.4, 0, -4], [0, 0, 0.4, -3], [0, 0, 0, 1.0]]),
    }[grid]
    if grid == "oblique":  # exactly orthonormal, through the vessel's middle
        axes = np.linalg.qr(OBLIQUE[:3, :3])[0]
        affine = np.eye(4)
        affine[:3, :3] = axes * [0.4, 0.45, 0.5]
        affine[:3, 3] = [0, 0, 2.5] - affine[:3, :3] @ [30, 10, 14]
    original_series(tmp_path / "series", affine)
    volume = read_image(tmp_path / "series")
    case = write_case(tmp_path / "case", volume)
    export_dicom(case.path, tmp_path / "joined", tmp_path / "series")
    export_dicom(case.path, tmp_path / "apart")
    again = read_image(tmp_path / "apart/images")
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-4)
    np.testing.assert_array_equal(again.values, volume.values)
    joined, apart = (segment_places(tmp_path / name / "segmentation.dcm") for name in ("joined", "apart"))
    for number in joined:
        assert np.abs(sorted_rows(joined[number]) - sorted_rows(apart[number])).max() < 1e-4
        indices = np.linalg.solve(volume.affine[:3, :3], (joined[number] - volume.affine[:3, 3]).T)
        assert np.abs(indices - np.round(indices)).max() < 1e-4
    tube = joined[1][np.hypot(*joined[1][:, 1:].T) < 1.5]
    assert len(tube) > 200


def test_results_with_a_source_join_its_study_and_name_its_images(folder, joined):
    source = {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, (folder / "series").iterdir())}
    first = next(iter(source.values()))
    for name in ("segmentation", "measurements", "report"):
        result = pydicom.dcmread(joined / f"{name}.dcm")
        assert {key: str(result.get(key)) for key in PERSON} == PERSON, name
        assert result.StudyInstanceUID == first.StudyInstanceUID
        assert "PatientIdentityRemoved" not in result
    seg = pydicom.dcmread(joined / "segmentation.dcm")
    assert seg.FrameOfReferenceUID == first.FrameOfReferenceUID
    for groups in seg.PerFrameFunctionalGroupsSequence:
        uid = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert source[uid].ImagePositionPatient == groups.PlanePositionSequence[0].ImagePositionPatient
    report = pydicom.dcmread(joined / "report.dcm")
    assert {item.ReferencedSOPInstanceUID for item in report.SourceInstanceSequence} == source.keys()
    assert not (joined / "images").exists()


def test_without_a_source_nothing_of_the_patient_is_in_any_file(folder, case, apart):
    export = [file for file in [*apart.rglob("*"), *case.path.rglob("*")] if file.is_file()]
    assert len(export) > 20
    for file in export:
        content = file.read_bytes() + file.name.encode()
        for secret in (SECRET, "Живаго", "19170101", "A4711"):
            assert secret.encode() not in content, file.name
    originals = [pydicom.dcmread(file) for file in (folder / "series").iterdir()]
    for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
        uids = {str(image[name].value).encode() for image in originals}
        assert not any(uid in file.read_bytes() for uid in uids for file in export), name
    seg = pydicom.dcmread(apart / "segmentation.dcm")
    assert (seg.PatientIdentityRemoved, seg.StudyDate, seg.PatientID) == ("YES", "", "ANF-abababababab")
    image = pydicom.dcmread(apart / "images/0001.dcm")
    assert image.StudyInstanceUID == seg.StudyInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == image.SeriesInstanceUID


def test_libraries_do_not_tell_the_name(folder, case, capfd, tmp_path):
    series = shutil.copytree(folder / "series", tmp_path / "series")
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        dataset.PatientName = SECRET  # highdicom warns of names of one component, and prints them
        dataset.save_as(file)
    export_dicom(case.path, tmp_path / "out", series)
    out, err = capfd.readouterr()
    assert SECRET not in out + err
    assert pydicom.dcmread(tmp_path / "out/segmentation.dcm").PatientName == SECRET


def test_report_holds_every_measure_with_code_unit_and_interval(joined):
    report = hd.sr.srread(joined / "measurements.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [group.finding_type.meaning for group in groups] == ["Aneurysm", "Artery"]
    found = {m.name.meaning: m for group in groups for m in group.get_measurements()}
    for measure in sample_morphology().measures:
        entry = quantity(measure.id)
        item = found[entry.code[2] if entry.code else entry.name_en[:64]]
        assert item.value == pytest.approx(measure.value)
        assert item.name.scheme_designator == (entry.code[0] if entry.code else "99ANEUFLOW")
        assert item.unit.scheme_designator == "UCUM"
        sides = {side.ConceptNameCodeSequence[0].CodeMeaning[0]: side for side in item[0].ContentSequence}
        assert sides["+"].MeasuredValueSequence[0].NumericValue == pytest.approx(measure.high - measure.value)
        assert sides["-"].MeasuredValueSequence[0].NumericValue == pytest.approx(measure.value - measure.low)
        assert sides["-"].MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue == item.unit.value
    assert found["Volume"].unit.value == "mm3"
    content = (joined / "measurements.dcm").read_bytes()
    assert b"Research use only" in content and b"plug profile" in content
    segments = pydicom.dcmread(joined / "segmentation.dcm")
    for group, number in zip(groups, (2, 1), strict=True):
        reference = group.referenced_segment
        assert reference.referenced_sop_instance_uid == segments.SOPInstanceUID
        assert list(reference.referenced_segment_numbers) == [number]
        assert segments.SegmentSequence[number - 1].TrackingUID == group.tracking_uid


def test_every_quantity_has_its_own_short_code():
    from aneuflow.report.dicom.codes import quantity_code, unit_code

    for groups in ({"sac", "flow-sac"}, {entry.group for entry in registry().values()} - {"sac", "flow-sac"}):
        codes = [quantity_code(entry) for entry in registry().values() if entry.group in groups]
        assert len({(scheme, value) for scheme, value, _ in codes}) == len(codes)
        assert max(len(value) for _, value, _ in codes) <= 16
    # UCUM's own atoms, with powers and one division.
    atom = r"(mm\[Hg\]|mm|cm|m|s|ms|Pa|J|N|kg|g|mL|L|deg|%|1|min|a)\d?"
    units = {unit_code(entry.unit)[1] for entry in registry().values()}
    assert [unit for unit in units if not re.fullmatch(rf"({atom})?(/{atom})?(\.{atom})?", unit)] == []


def test_other_images_as_source_are_refused(case, tmp_path):
    original_series(tmp_path / "other", np.diag([0.4, 0.4, 0.41, 1.0]))
    with pytest.raises(InputError, match="not those the case was assessed from"):
        export_dicom(case.path, tmp_path / "out", tmp_path / "other")
    assert not (tmp_path / "out").exists()


def test_a_mask_goes_out_on_the_series_it_was_drawn_on_or_without_images(folder, case, tmp_path):
    mask = write_case(tmp_path / "mask", None, "mask", pdf=None)
    exported = export_dicom(mask.path, tmp_path / "alone")
    assert [note.code for note in exported.notes] == ["dicom_without_images", "dicom_without_pdf"]
    assert [file.name for file in exported.files] == ["measurements.dcm"]
    said = program("dciodvfy", "-new", tmp_path / "alone/measurements.dcm")
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]
    exported = export_dicom(mask.path, tmp_path / "joined", folder / "series")
    assert [file.name for file in exported.files] == ["segmentation.dcm", "measurements.dcm"]
    original_series(tmp_path / "elsewhere", np.diag([0.4, 0.4, 0.4, 1.0]) + np.eye(4, k=3) * 500)
    with pytest.raises(MethodError, match="Only 0 % of the lumen lies within"):
        export_dicom(mask.path, tmp_path / "none", tmp_path / "elsewhere")


def test_where_to_is_checked(case, tmp_path):
    with pytest.raises(InputError, match="lies within the case"):
        export_dicom(case.path, case.path / "dicom")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/letter.txt").write_text("Dear colleague")
    with pytest.raises(InputError, match="not an empty folder"):
        export_dicom(case.path, tmp_path / "full")
    with pytest.raises(InputError, match="no name of a label map"):
        export_labels(case.path, tmp_path / "labels.png")


def test_nrrd_and_nifti_hold_the_same_labels_in_the_same_place(case, tmp_path):
    import SimpleITK as sitk

    grids = []
    for name in ("labels.nii.gz", "labels.seg.nrrd"):
        export_labels(case.path, tmp_path / name)
        image = sitk.ReadImage(str(tmp_path / name))
        grids.append((sitk.GetArrayFromImage(image), image.TransformIndexToPhysicalPoint((3, 5, 7)), image.GetSpacing()))
    np.testing.assert_array_equal(grids[0][0], grids[1][0])
    np.testing.assert_allclose(grids[0][1], grids[1][1], atol=1e-4)
    np.testing.assert_allclose(grids[0][2], [0.4] * 3, atol=1e-6)
    affine = sample_image()[0].affine
    np.testing.assert_allclose(grids[1][1], (affine @ [3, 5, 7, 1])[:3], atol=1e-4)


def test_an_enhanced_multi_frame_source_is_referred_to_frame_by_frame(tmp_path):
    """Its frames lie in another order than its slices."""
    order = [5, 0, 3, 7, 1, 6, 2, 4]
    positions = np.array([-11.5, -5.0, -1.9]) + np.arange(8)[:, None] * [0, 0, 1.2]
    file = write_enhanced(tmp_path / "a.dcm", "CT", order, positions, [1, 0, 0, 0, 1, 0], spacing=[0.5, 1.5])
    case = write_case(tmp_path / "case", read_image(file))
    export_dicom(case.path, tmp_path / "out", file)
    said = program("dciodvfy", "-new", tmp_path / "out/segmentation.dcm")
    assert not [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]
    seg, source = pydicom.dcmread(tmp_path / "out/segmentation.dcm"), pydicom.dcmread(file)
    heights = [float(p[2]) for p in positions[order]]
    for groups in seg.PerFrameFunctionalGroupsSequence:
        image = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID
        height = float(groups.PlanePositionSequence[0].ImagePositionPatient[2])
        assert height == pytest.approx(heights[int(image.ReferencedFrameNumber) - 1], abs=1e-4)
    export_dicom(case.path, tmp_path / "apart")
    joined, apart = (segment_places(tmp_path / name / "segmentation.dcm") for name in ("out", "apart"))
    assert joined.keys() == apart.keys() == {1, 2}
    for number in joined:
        assert np.abs(sorted_rows(joined[number]) - sorted_rows(apart[number])).max() < 1e-4


def test_only_what_is_current_is_exported(case, tmp_path):
    """A flow and a report that belong to another model must not reach an archive beside the new measures."""
    own = CaseFolder(shutil.copytree(case.path, tmp_path / "case"))
    record = own.manifest().stages["simulate"]
    own.record("simulate", replace(record, key="made from another model"))
    exported = export_dicom(own.path, tmp_path / "out")
    assert [note.code for note in exported.notes] == ["dicom_without_flow", "dicom_without_pdf"]
    assert "wall shear" not in str(pydicom.dcmread(tmp_path / "out/measurements.dcm")).lower()
    export_dicom(case.path, tmp_path / "whole")
    assert "wall shear" in str(pydicom.dcmread(tmp_path / "whole/measurements.dcm")).lower()


@pytest.mark.parametrize(
    ("file", "sentence"), [("model/lumen.vtp", "no finished stage model"), ("image/volume.nii.gz", "damaged")]
)
def test_a_damaged_case_is_refused(case, tmp_path, file, sentence):
    own = shutil.copytree(case.path, tmp_path / "case")
    (own / file).write_bytes((own / file).read_bytes()[:200])
    with pytest.raises(InputError, match=sentence):
        export_dicom(own, tmp_path / "out")
    with pytest.raises(InputError, match=sentence):
        export_labels(own, tmp_path / "labels.nrrd")
    assert not (tmp_path / "out").exists()


def test_without_the_extra_the_command_says_which_to_install(case, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ResourceError, match=r'pip install "aneuflow\[dicom\]"'):
        export_dicom(case.path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(folder, case, tmp_path, capsys):
    code, out, err = run(capsys, "export", str(case.path), "--dicom", str(tmp_path / "a"), "--nrrd", str(tmp_path / "l.nrrd"))
    assert (code, err) == (0, "") and out.startswith("Written: 31 files in ") and (tmp_path / "l.nrrd").exists()
    assert run(capsys, "export", str(case.path))[0] == 2
    assert run(capsys, "export", str(case.path), "--nifti", str(tmp_path / "l.nii"), "--source", "x")[0] == 2
    code, _, err = run(capsys, "export", str(tmp_path), "--nifti", str(tmp_path / "m.nii"))
    assert code == 2 and "no aneuflow case" in err


def test_text_in_the_pixels_is_said_of_the_series_written(apart, tmp_path):
    original_series(tmp_path / "series")
    for file in (tmp_path / "series").iterdir():
        dataset = pydicom.dcmread(file)
        dataset.BurnedInAnnotation = "YES"
        dataset.save_as(file)
    case = write_case(tmp_path / "case", read_image(tmp_path / "series"))
    export_dicom(case.path, tmp_path / "out")
    assert pydicom.dcmread(tmp_path / "out/images/0001.dcm").BurnedInAnnotation == "YES"
    assert pydicom.dcmread(apart / "images/0001.dcm").BurnedInAnnotation == "NO"


def test_a_real_tilted_series_as_source(tmp_path):
    """Its header is as scanners and de-identifiers leave it: no study date, an empty method, names of an old form."""
    with zipfile.ZipFile(shared_data("imaging/dicom/ge_head_ct_gantry_tilt.zip")) as archive:
        for k in range(1, 15):
            archive.extract(f"{k:02}.dcm", tmp_path / "series")
    volume = read_image(tmp_path / "series")
    model = sample_model()
    middle = volume.affine[:3] @ [256, 256, 7, 1]
    surface = Surface(4 * model.lumen.surface.points + middle, model.lumen.surface.triangles)
    moved = replace(model, lumen=replace(model.lumen, surface=surface))
    case = write_case(tmp_path / "case", volume, model=moved)
    export_dicom(case.path, tmp_path / "out", tmp_path / "series")
    places = segment_places(tmp_path / "out/segmentation.dcm")
    indices = np.linalg.solve(volume.affine[:3, :3], (np.concatenate(list(places.values())) - volume.affine[:3, 3]).T)
    assert (
        np.abs(volume.affine[:3, :3] @ (indices - np.round(indices))).max() < 1e-3
    )  # its positions have rounding of their own
    for name in ("segmentation", "measurements", "report"):
        said = program("dciodvfy", "-new", tmp_path / f"out/{name}.dcm")
        assert [line for line in said.splitlines() if line.startswith(("Error", "Abort"))] == [], name
