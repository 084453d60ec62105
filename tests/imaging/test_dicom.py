"""DICOM series end in the right grid or the right sentence."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from pydicom.uid import generate_uid

from aneuflow.errors import InputError
from aneuflow.imaging import read_image
from aneuflow.imaging.codestream import stated_size
from aneuflow.report.text import note_text
from tests.conftest import shared_data
from tests.imaging.dicom_series import WriteSlice, slice_pixels, slice_writer

HU = -1024


@pytest.fixture
def write_slice(tmp_path: Path) -> WriteSlice:
    return slice_writer(tmp_path / "study")


def write_series(write: WriteSlice, count: int = 8, step=(0.0, 0.0, 0.7), origin=(-10.0, 5.0, 30.0), **header) -> Path:
    for k in range(count):
        # Shuffled names: neither the order of files nor InstanceNumber may matter.
        path = write(
            f"f{(k * 5) % count}.dcm", k, np.add(origin, np.multiply(k, step)), InstanceNumber=str(count - k), **header
        )
    return path.parent


def expected(count: int = 8) -> np.ndarray:
    return np.stack([slice_pixels(k).T for k in range(count)], axis=2).astype(np.float32) + HU


def notes(volume) -> dict:
    return {note.code: dict(note.values) for note in volume.notes}


def test_geometry_follows_position_and_orientation(write_slice):
    volume = read_image(write_series(write_slice))
    assert volume.modality == "CTA"
    np.testing.assert_array_equal(volume.values, expected())
    np.testing.assert_allclose(volume.affine, [[0.4, 0, 0, -10], [0, 0.5, 0, 5], [0, 0, 0.7, 30], [0, 0, 0, 1]], atol=1e-9)


def test_every_voxel_lies_where_dicom_says_in_an_oblique_series(write_slice):
    row, column = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
    normal = np.cross(row, column)
    orientation = [float(f"{x:.9f}") for x in (*row, *column)]
    volume = read_image(write_series(write_slice, step=0.7 * normal, ImageOrientationPatient=orientation))
    k, i, j = 3, 7, 11  # slice, column, row
    here = np.array([-10.0, 5.0, 30.0]) + k * 0.7 * normal + i * 0.4 * row + j * 0.5 * column
    np.testing.assert_allclose((volume.affine @ [i, j, k, 1])[:3], here, atol=1e-5)
    assert volume.values[i, j, k] == slice_pixels(k)[j, i] + HU


def test_tilted_gantry_becomes_a_sheared_grid(write_slice):
    tilt = np.radians(18.5)
    orientation = [1, 0, 0, 0, float(f"{np.cos(tilt):.9f}"), float(f"{-np.sin(tilt):.9f}")]
    volume = read_image(write_series(write_slice, ImageOrientationPatient=orientation))
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 0, 0.7], atol=1e-9)
    assert notes(volume)["gantry_tilt"]["degrees"] == pytest.approx(18.5, abs=0.01)
    np.testing.assert_array_equal(volume.values, expected())


def test_exact_doubles_are_left_out_and_named(write_slice):
    folder = write_series(write_slice)
    write_slice("again.dcm", 3, (-10.0, 5.0, 30.0 + 3 * 0.7))
    volume = read_image(folder)
    np.testing.assert_array_equal(volume.values, expected())
    assert notes(volume)["files_left_out"]["doubled"] == 1


def test_two_images_at_every_place_are_a_time_series(write_slice):
    folder = write_series(write_slice)
    for k in range(8):
        write_slice(f"second{k}.dcm", k, (-10.0, 5.0, 30.0 + 0.7 * k), pixels=slice_pixels(k) + 7)
    with pytest.raises(InputError, match=r"16 different images at 8 slice positions.*4-D"):
        read_image(folder)


def test_missing_slice_is_named_by_its_place(write_slice):
    folder = write_series(write_slice)
    (folder / f"f{(4 * 5) % 8}.dcm").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of its slices \(first gap after slice 4, 1.40 mm instead of 0.70 mm\)"):
        read_image(folder)


def test_unequal_distances_are_refused(write_slice):
    folder = write_series(write_slice)
    write_slice("stray.dcm", 9, (-10.0, 5.0, 30.0 + 8 * 0.7 + 0.25))
    with pytest.raises(InputError, match=r"unequal distances, from 0\.70 to 0\.95 mm"):
        read_image(folder)


def test_mixed_stacks_are_refused(write_slice):
    folder = write_series(write_slice)
    for k in range(6):
        write_slice(f"thick{k}.dcm", k, (-10.0, 5.0, 50.0 + 3.0 * k), SliceThickness="3")
    with pytest.raises(InputError, match="mixes 2 stacks of slices"):
        read_image(folder)


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_slices(write_slice, count):
    with pytest.raises(InputError, match=f"only {count} slice"):
        read_image(write_series(write_slice, count))


def test_rescale_and_monochrome1(write_slice):
    volume = read_image(
        write_series(
            write_slice, RescaleSlope="2", RescaleIntercept="10", Modality="MR", PhotometricInterpretation="MONOCHROME1"
        )
    )
    true = np.stack([slice_pixels(k).T for k in range(8)], axis=2) * 2.0 + 10
    assert volume.modality == "MRA"
    np.testing.assert_allclose(volume.values, true.max() + true.min() - true)


def test_angiographic_series_of_a_study_is_chosen(write_slice):
    plain, angiographic, localizer = generate_uid(), generate_uid(), generate_uid()
    for k in range(30):
        write_slice(f"a{k}.dcm", 1, (0, 0, k), SeriesInstanceUID=plain, SliceThickness="1.0", ContrastBolusAgent="")
    for k in range(20):
        description = {"SeriesDescription": "Head CTA 0.6 Smith"}
        write_slice(f"b{k}.dcm", 2, (0, 0, 0.6 * k), SeriesInstanceUID=angiographic, SliceThickness="0.6", **description)
    for k in range(40):
        path = write_slice(
            f"c{k}.dcm", 3, (0, 0, 2 * k), SeriesInstanceUID=localizer, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
        )
    volume = read_image(path.parent)
    assert volume.values.shape[2] == 20
    chosen, other = notes(volume)["series_chosen"], notes(volume)["series_not_taken"]
    assert (chosen["count"], chosen["slices"]) == (2, 20)
    assert chosen["reasons"] == [["angiographic", 4.0], ["contrast", 2.0], ["thin", 2.0], ["very_thin", 1.0]]
    assert (chosen["points"], chosen["next_points"]) == (9.0, 2.0)
    assert (other["slices"], other["reasons"]) == (30, [["thin", 2.0]])
    said = note_text("en", next(note for note in volume.notes if note.code == "series_chosen"))
    assert said == (
        "Of 2 series the one with 20 slices of 0.6 mm was taken as the angiogram: 9 points (words of angiography +4, "
        "contrast agent +2, slices of 1 mm or less +2, slices of 0.7 mm or less +1); the next had 2."
    )


def test_a_picture_without_place_beside_the_slices_does_no_harm(write_slice):
    folder = write_series(write_slice)
    path = write_slice("dose.dcm", 9, (0, 0, 0), ImageType=["DERIVED", "SECONDARY"])
    dataset = pydicom.dcmread(path)
    del dataset.ImagePositionPatient
    dataset.save_as(path)
    np.testing.assert_array_equal(read_image(folder).values, expected())


def test_text_in_the_pixels_is_flagged(write_slice):
    folder = write_series(write_slice, BurnedInAnnotation="YES")
    assert notes(read_image(folder))["burned_in_annotation"]["count"] == 8


def test_files_without_preamble_are_read(write_slice):
    folder = write_series(write_slice)
    for path in folder.iterdir():
        dataset = pydicom.dcmread(path)
        pydicom.dcmwrite(path, pydicom.Dataset(dataset), implicit_vr=True, little_endian=True, enforce_file_format=False)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_image(folder).values, expected())


def test_zip_reads_as_the_folder_does(write_slice, tmp_path):
    folder = write_series(write_slice)
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in folder.iterdir():
            file.write(path, f"../../{path.name}")  # names that point outside must do no harm
    before = set(tmp_path.parent.rglob("*"))
    np.testing.assert_array_equal(read_image(archive).values, read_image(folder).values)
    assert set(tmp_path.parent.rglob("*")) == before


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        file.writestr("a.dcm", bytes(50_000_000))
    with pytest.raises(InputError, match="would unpack to 48 MiB"):
        read_image(archive)


def test_nothing_that_names_the_patient_survives(write_slice):
    secret = "Zhivago"
    person = {
        "PatientName": f"{secret}^Yuri", "PatientID": secret, "PatientBirthDate": "19170101", "InstitutionName": secret,
        "ReferringPhysicianName": secret, "StudyDescription": f"CTA {secret}", "SeriesDescription": f"CTA {secret}",
        "ProtocolName": secret, "PatientComments": secret, "ImageComments": secret, "ConvolutionKernel": secret.upper(),
        "StationName": secret, "ContrastBolusAgent": secret, "DeviceSerialNumber": secret, "AccessionNumber": secret,
    }  # fmt: skip
    folder = write_series(write_slice, **person)
    # The same, as second series of less worth: what is said of the choice must be clean as well.
    for k in range(8):
        write_slice(f"{secret}{k}.dcm", k, (0, 0, k), SeriesInstanceUID=generate_uid() if k == 0 else "1.2.3", **person)
    volume = read_image(folder)
    told = f"{volume.source} {volume.modality} {volume.notes} {volume.affine}".lower()
    assert secret.lower() not in told
    assert "19170101" not in told
    assert "dicom series, ct, 8 slices" in told


def test_real_head_ct_of_two_thicknesses_is_refused():
    with pytest.raises(InputError, match=r"mixes 2 stacks of slices in one series \(14 of 4 mm, 14 of 7 mm"):
        read_image(shared_data("imaging/dicom/ge_head_ct_gantry_tilt.zip"))


def test_real_tilted_stack_agrees_with_simpleitk_and_its_header(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    with zipfile.ZipFile(shared_data("imaging/dicom/ge_head_ct_gantry_tilt.zip")) as archive:
        for k in range(1, 15):
            archive.extract(f"{k:02}.dcm", tmp_path)
    volume = read_image(tmp_path)
    assert notes(volume)["gantry_tilt"]["degrees"] == pytest.approx(18.5, abs=0.05)
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 0, 4.22], atol=1e-3)
    np.testing.assert_allclose(volume.affine[:3, 3], [-125, -123.5404569, 5.8360586], atol=1e-5)
    oracle = sitk.GetArrayFromImage(sitk.ReadImage(sorted(str(path) for path in tmp_path.glob("*.dcm"))))
    np.testing.assert_array_equal(volume.values, oracle.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("CT_small.dcm", "only 1 slice"),
        ("XA1_J2KR.dcm", "2-D X-ray run of 1 frames"),
        ("XA1_JPLL.dcm", "2-D X-ray run of 1 frames"),
        ("xa_cine_96frames_jpeg_0002.dcm", "2-D X-ray run of 96 frames: a projection without depth"),
        ("eCT_Supplemental.dcm", "only 2 slice"),
        ("emri_small.dcm", "gives no position, orientation or spacing"),
        ("emri_small_jpeg_2k_lossless.dcm", "gives no position, orientation or spacing"),
    ],
)
def test_real_files_that_are_no_angiogram_end_in_their_sentence(name, sentence):
    with pytest.raises(InputError, match=sentence):
        read_image(shared_data(f"imaging/dicom/{name}"))


@pytest.mark.parametrize("syntax", ["RLELossless", "JPEGLSLossless", "JPEG2000Lossless", "DeflatedExplicitVRLittleEndian"])
def test_compressed_series_read_as_plain_ones(write_slice, syntax):
    for k in range(8):
        path = write_slice(f"{k}.dcm", k, (0, 0, 0.7 * k), pixels=slice_pixels(k, (64, 48)))
        dataset = pydicom.dcmread(path)
        if syntax.startswith("Deflated"):
            dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
        else:
            dataset.compress(getattr(pydicom.uid, syntax), generate_instance_uid=False)
        dataset.save_as(path)
    true = np.stack([slice_pixels(k, (64, 48)).T for k in range(8)], axis=2).astype(np.float32) + HU
    np.testing.assert_array_equal(read_image(path.parent).values, true)


@pytest.mark.parametrize("syntax", ["JPEGLSLossless", "JPEG2000Lossless"])
def test_a_codestream_larger_than_its_header_is_refused_before_it_is_decoded(write_slice, syntax):
    """The header promises 64 x 48 pixels; the compressed image states 60000 x 60000, which would fill the memory."""
    for k in range(8):
        path = write_slice(f"{k}.dcm", k, (0, 0, 0.7 * k), pixels=slice_pixels(k, (64, 48)))
        dataset = pydicom.dcmread(path)
        dataset.compress(getattr(pydicom.uid, syntax), generate_instance_uid=False)
        size = struct.pack(">II", 48, 64) if syntax == "JPEG2000Lossless" else struct.pack(">HH", 64, 48)
        huge = struct.pack(">II", 60000, 60000) if syntax == "JPEG2000Lossless" else struct.pack(">HH", 60000, 60000)
        assert size in dataset.PixelData
        dataset.PixelData = dataset.PixelData.replace(size, huge, 1)
        dataset.save_as(path)
    with pytest.raises(InputError, match="damaged, cut off"):
        read_image(path.parent)


@pytest.mark.parametrize(
    ("name", "size"),
    [("XA1_J2KR.dcm", (1024, 1024)), ("XA1_JPLL.dcm", (1024, 1024)), ("xa_cine_96frames_jpeg_0002.dcm", (512, 512))],
)
def test_stated_size_of_real_codestreams(name, size):
    dataset = pydicom.dcmread(shared_data(f"imaging/dicom/{name}"))
    count = int(dataset.get("NumberOfFrames") or 1)
    assert {stated_size(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=count)} == {size}


def test_slices_that_wander_off_the_stack_are_refused(write_slice):
    for k in range(8):
        path = write_slice(f"{k}.dcm", k, (0.3 * (k == 4), 0, 0.7 * k))
    with pytest.raises(InputError, match=r"slices that lie up to 0\.3 mm off a straight stack"):
        read_image(path.parent)
