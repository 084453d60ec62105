"""Grids from NIfTI, MetaImage and NRRD, label maps, and one sentence for each kind of bad file."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aneuflow.errors import AneuflowError, InputError
from aneuflow.imaging import read_image, read_label_map
from tests.conftest import shared_data
from tests.imaging.dicom_series import slice_writer

FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
OBLIQUE = np.array([[0.4, -0.1, 0.02, -31.0], [0.12, 0.45, -0.05, 12.5], [0.0, 0.06, 0.7, 80.0], [0, 0, 0, 1.0]])


def grid(shape=(7, 6, 5)) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def nifti(path: Path, values: np.ndarray, affine: np.ndarray = FLIP @ OBLIQUE) -> Path:
    nib.save(nib.Nifti1Image(values, affine), path)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_sheared_nifti_keeps_every_position(tmp_path, suffix):
    volume = read_image(nifti(tmp_path / f"a{suffix}", grid()), "MRA")
    np.testing.assert_array_equal(volume.values, grid())
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-6)
    assert (volume.values.dtype, volume.affine.dtype, volume.modality) == (np.float32, np.float64, "MRA")


@pytest.mark.parametrize("suffix", [".mha", ".mhd", ".nrrd"])
def test_itk_formats_keep_every_position(tmp_path, suffix):
    image = sitk.GetImageFromArray(grid().transpose())
    image.SetSpacing((0.3, 0.4, 0.7))
    image.SetOrigin((-31.0, 12.5, 80.0))
    image.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    sitk.WriteImage(image, str(tmp_path / f"a{suffix}"))
    volume = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.values, grid())
    for index in [(0, 0, 0), (6, 5, 4), (2, 3, 1)]:
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-6)


def test_the_same_image_lies_in_the_same_place_in_every_format(tmp_path):
    nifti(tmp_path / "a.nii", grid(), FLIP @ np.array([[0.3, 0, 0, 1], [0, 0.4, 0, 2], [0, 0, 0.7, 3], [0, 0, 0, 1.0]]))
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.nii")), str(tmp_path / "b.nrrd"))
    one, other = read_image(tmp_path / "a.nii"), read_image(tmp_path / "b.nrrd")
    np.testing.assert_allclose(one.affine, other.affine, atol=1e-5)
    np.testing.assert_array_equal(one.values, other.values)


def test_meters_become_millimeters(tmp_path):
    image = nib.Nifti1Image(grid(), np.diag([-5e-4, -5e-4, 5e-4, 1]))
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(np.diag(read_image(tmp_path / "a.nii").affine), [0.5, 0.5, 0.5, 1], rtol=1e-6)


def test_modality_is_guessed_from_the_values_and_said_so(tmp_path):
    for values, modality in [(grid(), "MRA"), (grid() - 1024, "CTA")]:
        volume = read_image(nifti(tmp_path / "a.nii", values))
        assert volume.modality == modality
        assert [n.values["modality"] for n in volume.notes if n.code == "modality_assumed"] == [modality]
    assert not [n for n in read_image(tmp_path / "a.nii", "3DRA").notes if n.code == "modality_assumed"]


def write_bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "bad.nii"
    values = grid()
    if kind == "nan":
        values[1:3, 2, 2] = np.nan
    elif kind == "inf":
        values[0, 0, 0] = np.inf
    elif kind == "all nan":
        values[:] = np.nan
    elif kind == "4-D":
        values = np.stack([values] * 3, axis=3)
    elif kind == "2-D":
        values = values[:, :, 0]
    elif kind == "slice":
        values = values[:, :, :1]
    elif kind == "constant":
        values[:] = 3
    elif kind == "color":
        values = np.zeros((7, 6, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    elif kind == "complex":
        values = values.astype(np.complex64)
    nifti(path, values)
    content = bytearray(path.read_bytes())
    if kind == "zero spacing":
        content[80:92] = bytes(12)
    elif kind == "huge":
        content[42:48] = np.array([30000] * 3, "<i2").tobytes()
    elif kind == "truncated":
        del content[-100:]
    elif kind == "short header":
        del content[200:]
    elif kind == "text":
        content = bytearray(b"These are not the voxels you are looking for.\n")
    elif kind == "empty":
        content = bytearray()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("nan", r"not finite numbers \(2 of 210\)"),
        ("inf", r"not finite numbers \(1 of 210\)"),
        ("all nan", r"not finite numbers \(all\)"),
        ("4-D", r"4 dimensions \(7 x 6 x 5 x 3\)"),
        ("2-D", "2 dimensions"),
        ("slice", "7 x 6 x 1 voxels, at least 4"),
        ("constant", "same value 3 in every voxel"),
        ("color", "stores colors"),
        ("complex", "complex numbers"),
        ("zero spacing", "spacing of zero"),
        ("huge", "over the limit"),
        ("truncated", "cut off or damaged"),
        ("short header", "not a readable NIfTI"),
        ("text", "not a readable NIfTI"),
        ("empty", "empty file"),
    ],
)
def test_bad_file_is_refused_by_one_sentence_that_names_it(tmp_path, kind, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_image(write_bad(tmp_path, kind))
    assert str(caught.value).startswith("Image bad.nii ")
    assert str(caught.value).count(". ") == 0


def test_zero_spacing_in_a_metaimage_is_not_taken_as_one(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(grid()), str(tmp_path / "a.mha"))
    content = (tmp_path / "a.mha").read_bytes().replace(b"ElementSpacing = 1 1 1", b"ElementSpacing = 1 0 1")
    (tmp_path / "a.mha").write_bytes(content)
    with pytest.raises(InputError, match="spacing of 1 0 1"):
        read_image(tmp_path / "a.mha")


def test_missing_path_unknown_kind_and_modality(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_image(tmp_path / "none.nii")
    (tmp_path / "letter.txt").write_text("Dear colleague")
    with pytest.raises(InputError, match="not an image this program reads"):
        read_image(tmp_path / "letter.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="holds no files"):
        read_image(tmp_path / "folder")
    with pytest.raises(InputError, match="Modality PET is not known"):
        read_image(nifti(tmp_path / "a.nii", grid()), "PET")


def test_label_map_takes_one_and_two(tmp_path):
    labels = np.zeros((7, 6, 5), np.uint8)
    labels[2:5, 2:4], labels[4, 3, 2] = 1, 2
    result = read_label_map(nifti(tmp_path / "a.nii", labels))
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_allclose(result.affine, OBLIQUE, atol=1e-6)
    assert result.labels.dtype == np.uint8
    assert not result.notes


def test_lumen_only_label_map_says_so(tmp_path):
    labels = np.zeros((7, 6, 5), np.float32)
    labels[2:5, 2:4] = 1
    assert [note.code for note in read_label_map(nifti(tmp_path / "a.nii", labels)).notes] == ["lumen_only_mask"]


def test_label_map_refusals(tmp_path):
    labels = np.zeros((7, 6, 5), np.float32)
    labels[2:5] = 2
    with pytest.raises(InputError, match="no voxel of the label 1"):
        read_label_map(nifti(tmp_path / "a.nii", labels))
    labels[2] = 0.5
    with pytest.raises(InputError, match="not whole numbers"):
        read_label_map(nifti(tmp_path / "b.nii", labels))


def test_multi_artery_label_map_names_its_values_and_is_read_when_told_which():
    path = shared_data("imaging/topcow/topcow_mr_roi_023.nii.gz")
    with pytest.raises(InputError, match="label values 3, 4, 5, 6, 7, 8, 10, 11, 12 beside 0, 1, 2"):
        read_label_map(path)
    result = read_label_map(path, artery=range(1, 16), aneurysm=())
    assert np.count_nonzero(result.labels) == np.count_nonzero(nib.load(path).get_fdata())


def test_real_sheared_head_keeps_its_shear():
    volume = read_image(shared_data("imaging/niivue/shear.nii.gz"))
    assert volume.modality == "CTA"
    axes = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    assert abs(axes[:, 1] @ axes[:, 2]) == pytest.approx(0.3173, abs=1e-3)


def test_real_color_map_is_refused():
    with pytest.raises(InputError, match="stores colors"):
        read_image(shared_data("imaging/niivue/ct_perfusion.nii.gz"))


@pytest.mark.parametrize(
    ("name", "shape", "modality", "codes"),
    [
        ("niivue/chris_MRA.nii.gz", (200, 256, 120), "MRA", {"background_removed", "modality_assumed", "coarse_voxels"}),
        ("niivue/CT_AVM.nii.gz", (256, 242, 154), "MRA", {"background_removed", "modality_assumed", "coarse_voxels"}),
        ("topcow/dummy_mra.mha", (140, 123, 34), "MRA", {"modality_assumed", "small_field_of_view"}),
        ("topcow/dummy_cta.mha", (94, 81, 32), "CTA", {"modality_assumed", "small_field_of_view", "coarse_voxels"}),
    ],
)
def test_real_volumes(name, shape, modality, codes):
    volume = read_image(shared_data(f"imaging/{name}"))
    assert (volume.values.shape, volume.modality, {note.code for note in volume.notes}) == (shape, modality, codes)


def make_files(folder: Path) -> dict[str, bytes]:
    nifti(folder / "a.nii", grid())
    sitk.WriteImage(sitk.GetImageFromArray(grid()), str(folder / "a.mha"))
    sitk.WriteImage(sitk.GetImageFromArray(grid()), str(folder / "a.nrrd"), useCompression=True)
    write = slice_writer(folder)
    dicom = write("a.dcm", 0, (0.0, 0.0, 0.0))
    files = {path.name: path.read_bytes() for path in (folder / "a.nii", folder / "a.mha", folder / "a.nrrd", dicom)}
    return {**files, "a.nii.gz": gzip.compress(files["a.nii"])}


@pytest.mark.parametrize(
    ("header", "key"), [("a.mhd", "ElementDataFile = "), ("a.nhdr", "data file: ")], ids=["MetaImage", "NRRD"]
)
@pytest.mark.parametrize("elsewhere", ["{folder}/secret.raw", "../secret.raw", "sub/../../secret.raw", "LIST\n../secret.raw"])
def test_a_header_reads_voxels_from_its_own_folder_alone(tmp_path: Path, header: str, key: str, elsewhere: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    sitk.WriteImage(sitk.GetImageFromArray(grid()), str(folder / header))
    assert read_image(folder / header).values.shape == grid().shape[::-1]
    data = next(path for path in folder.iterdir() if path.suffix not in (".mhd", ".nhdr"))
    data.rename(tmp_path / "secret.raw")
    text = (folder / header).read_text()
    assert key + data.name in text
    (folder / header).write_text(text.replace(data.name, elsewhere.format(folder=tmp_path)))
    with pytest.raises(InputError, match="outside its own folder"):
        read_image(folder / header)


def test_a_header_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mhd").write_text("Comment = " + 200_000 * "x" + "\nElementDataFile = /dev/zero\n")
    with pytest.raises(InputError, match="header has no end"):
        read_image(tmp_path / "a.mhd")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "a.nrrd", "a.dcm"])
def test_damaged_files_never_end_in_another_error(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("damaged")
    whole = make_files(folder)[name]
    head = min(len(whole), 900)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.tuples(st.integers(0, head - 1), st.integers(0, 255)), max_size=6), st.integers(0, len(whole)))
    def damage(changes, length):
        content = bytearray(whole)
        for place, byte in changes:
            content[place] = byte
        (folder / name).write_bytes(content[: length if length % 3 == 0 else None])
        for read in (read_image, read_label_map):
            try:
                result = read(folder / name)
            except AneuflowError as error:
                assert str(error).endswith(".")
            else:
                assert np.isfinite(result.affine).all()

    damage()
