"""Geometry and values against other readers: SimpleITK and dcm2niix."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from aneuflow.imaging import read_image
from aneuflow.types import Volume
from tests.conftest import shared_data
from tests.imaging.dicom_series import slice_pixels, slice_writer, write_enhanced

ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
NORMAL = np.cross(ROW, COLUMN)
TILT = np.radians(18.5)
GRIDS = {
    "axial": ([1, 0, 0, 0, 1, 0], [0, 0, 0.7]),
    "feet first": ([-1, 0, 0, 0, 1, 0], [0, 0, -0.7]),
    "sagittal": ([0, 1, 0, 0, 0, -1], [-0.7, 0, 0]),
    "oblique": ([*ROW, *COLUMN], 0.7 * NORMAL),
    "oblique, reversed": ([*ROW, *COLUMN], -0.7 * NORMAL),
}
TOLERANCE_MM = 1e-4


def dicom_series(folder: Path, orientation, step, **header) -> Path:
    write = slice_writer(folder)
    orientation = [float(f"{x:.9f}") for x in orientation]
    for k in range(8):
        position = np.add([-10.0, 5.0, 30.0], np.multiply(k, step))
        values = {"StudyInstanceUID": "1.2.3", "SeriesNumber": "1", "PatientPosition": "HFS", **header}
        write(f"{k}.dcm", k, position, pixels=slice_pixels(k), ImageOrientationPatient=orientation, **values)
    return folder


def with_dcm2niix(source: Path, target: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values and affine to LPS mm of the one volume that dcm2niix makes of a folder."""
    program = shutil.which("dcm2niix") or shutil.which("dcm2niix", path=Path(nib.__file__).parents[4] / "bin")
    if program is None:
        pytest.skip('dcm2niix is not installed (pip install "aneuflow[dev]")')
    target.mkdir()
    subprocess.run([program, "-f", "out", "-z", "n", "-o", str(target), str(source)], capture_output=True, check=True)
    [file] = [file for file in target.glob("*.nii") if "_Tilt_" not in file.name and "_Eq" not in file.name]
    image = nib.load(file)
    return image.get_fdata(), np.diag([-1.0, -1, 1, 1]) @ image.affine


def assert_same_voxels(volume: Volume, values: np.ndarray, affine: np.ndarray) -> None:
    """Every voxel of one lies in a voxel of the other with the same value, whatever the order of the axes."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in values.shape], indexing="ij")).reshape(3, -1)
    steps = np.linalg.solve(volume.affine[:3, :3], affine[:3, :3])
    start = np.linalg.solve(volume.affine[:3, :3], affine[:3, 3] - volume.affine[:3, 3])
    indices = steps @ corners + start[:, None]
    off_mm = np.linalg.norm(volume.affine[:3, :3] @ (indices - np.round(indices)), axis=0).max()
    assert off_mm < TOLERANCE_MM
    everywhere = np.indices(values.shape).reshape(3, -1)
    i, j, k = np.round(steps @ everywhere + start[:, None]).astype(int)
    np.testing.assert_allclose(volume.values[i, j, k], values.ravel(), atol=1e-3)


def with_simpleitk(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = sitk.ReadImage(names)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image).transpose(2, 1, 0).astype(float), affine


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("reader", [with_simpleitk, with_dcm2niix])
def test_series_agree_with_other_readers(grid, reader, tmp_path):
    folder = dicom_series(tmp_path / "series", *GRIDS[grid])
    values, affine = reader(folder) if reader is with_simpleitk else reader(folder, tmp_path / "out")
    assert_same_voxels(read_image(folder), values, affine)


def test_tilted_series_agrees_with_dcm2niix(tmp_path):
    """SimpleITK knows no shear; dcm2niix keeps it in the matrix of the volume it leaves uncorrected."""
    orientation = [1, 0, 0, 0, np.cos(TILT), -np.sin(TILT)]
    folder = dicom_series(tmp_path / "series", orientation, [0, 0, 0.7], GantryDetectorTilt="18.5", Manufacturer="GE")
    volume = read_image(folder)
    values, _ = with_dcm2niix(folder, tmp_path / "out")
    assert values.size == volume.values.size
    assert sorted(values.ravel()) == sorted(volume.values.ravel().tolist())


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_enhanced_files_agree_with_dcm2niix(modality, tmp_path):
    (tmp_path / "series").mkdir()
    positions = np.array([-10.0, 5.0, 30.0]) + 0.7 * np.arange(8)[:, None] * NORMAL
    write_enhanced(tmp_path / "series/a.dcm", modality, list(range(8)), positions, [*ROW, *COLUMN], Manufacturer="SIEMENS")
    values, affine = with_dcm2niix(tmp_path / "series", tmp_path / "out")
    assert_same_voxels(read_image(tmp_path / "series"), values, affine)


def test_real_tilted_head_agrees_with_both(tmp_path):
    with zipfile.ZipFile(shared_data("imaging/dicom/ge_head_ct_gantry_tilt.zip")) as archive:
        for k in range(1, 15):
            archive.extract(f"{k:02}.dcm", tmp_path / "series")
    volume = read_image(tmp_path / "series")
    values, affine = with_simpleitk(tmp_path / "series")
    np.testing.assert_array_equal(volume.values, values)
    np.testing.assert_allclose(volume.affine[:3, [0, 1, 3]], affine[:3, [0, 1, 3]], atol=TOLERANCE_MM)
    values, _ = with_dcm2niix(tmp_path / "series", tmp_path / "out")
    np.testing.assert_allclose(np.sort(values.ravel()), np.sort(volume.values.ravel()), atol=1e-3)


@pytest.mark.parametrize(
    "name",
    ["niivue/chris_MRA.nii.gz", "niivue/CT_pitch.nii.gz", "topcow/dummy_mra.mha", "topcow/dummy_cta.mha"]
    + [f"topcow/{name}.nii.gz" for name in ("topcow_mr_roi_014", "LPS_ACA_flipped", "LPS_ICA_PCA_flipped")],
)
def test_real_grids_agree_with_simpleitk(name):
    path = shared_data(f"imaging/{name}")
    volume, image = read_image(path), sitk.ReadImage(str(path))
    for index in [(0, 0, 0), tuple(n - 1 for n in volume.values.shape), (5, 17, 3)]:
        np.testing.assert_allclose((volume.affine @ [*index, 1])[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-3)
        assert volume.values[index] == pytest.approx(image[index], rel=1e-5)
