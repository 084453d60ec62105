"""Enhanced multi-frame CT and MR, and 3-D rotational angiograms as X-ray 3D objects."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from aneuflow.errors import InputError
from aneuflow.imaging import read_image, read_original
from tests.imaging.dicom_series import slice_pixels, write_enhanced

ROW, COLUMN = np.array([0.8, 0.6, 0.0]), np.array([-0.36, 0.48, 0.8])
OBLIQUE = np.concatenate([ROW, COLUMN])
POSITIONS = np.array([-10.0, 5.0, 30.0]) + 0.7 * np.arange(8)[:, None] * np.cross(ROW, COLUMN)
SHUFFLED = [5, 0, 3, 7, 1, 6, 2, 4]


@pytest.mark.parametrize(("modality", "angiogram"), [("CT", "CTA"), ("MR", "MRA"), ("XA", "3DRA")])
def test_frames_lie_where_their_own_groups_say(tmp_path, modality, angiogram):
    volume = read_image(write_enhanced(tmp_path / "a.dcm", modality, SHUFFLED, POSITIONS, OBLIQUE))
    assert volume.modality == angiogram
    np.testing.assert_array_equal(volume.values, np.stack([slice_pixels(k).T for k in range(8)], axis=2) - 1024.0)
    k, i, j = 3, 7, 11
    np.testing.assert_allclose((volume.affine @ [i, j, k, 1])[:3], POSITIONS[k] + i * 0.4 * ROW + j * 0.5 * COLUMN, atol=1e-5)


def test_each_frame_has_its_own_scale(tmp_path):
    file = write_enhanced(tmp_path / "a.dcm", "MR", SHUFFLED, POSITIONS, OBLIQUE, rescale=lambda k: (1 + 0.5 * k, 3 * k))
    true = np.stack([slice_pixels(k).T * (1 + 0.5 * k) + 3 * k for k in range(8)], axis=2)
    np.testing.assert_allclose(read_image(file).values, true, rtol=1e-6)


def test_two_phases_in_one_file_are_named(tmp_path):
    order, phases = list(range(8)) * 2, [1] * 8 + [2] * 8
    file = write_enhanced(tmp_path / "a.dcm", "CT", order, POSITIONS, OBLIQUE, phases=phases)
    with pytest.raises(InputError, match=r"mixes 2 stacks of slices.*echo or time"):
        read_image(file)


def test_tilt_in_an_enhanced_file_becomes_a_shear(tmp_path):
    tilt = np.radians(15)
    orientation = [1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)]
    positions = np.array([0.0, 0.0, 5.0]) + np.arange(8)[:, None] * [0, 0, 0.7]
    volume = read_image(write_enhanced(tmp_path / "a.dcm", "CT", SHUFFLED, positions, orientation))
    np.testing.assert_allclose(volume.affine[:3, 2], [0, 0, 0.7], atol=1e-6)
    assert {note.code: note.values for note in volume.notes}["gantry_tilt"]["degrees"] == pytest.approx(15, abs=0.01)


def test_original_knows_which_frame_each_slice_is(tmp_path):
    original = read_original(write_enhanced(tmp_path / "a.dcm", "CT", SHUFFLED, POSITIONS, OBLIQUE))
    assert len(original.headers) == 1
    assert list(original.planes) == [SHUFFLED.index(k) for k in range(8)]
    assert "PixelData" not in original.headers[0]


@pytest.mark.parametrize(
    ("count", "sentence"), [(2_000_000_000, "no readable DICOM image"), (-3, "no readable"), (9, "no readable DICOM image")]
)
def test_a_frame_count_that_lies_is_refused_at_once(tmp_path, count, sentence):
    file = write_enhanced(tmp_path / "a.dcm", "CT", SHUFFLED, POSITIONS, OBLIQUE)
    dataset = pydicom.dcmread(file)
    dataset.NumberOfFrames = count
    dataset.save_as(file)
    with pytest.raises(InputError, match=sentence):
        read_image(file)


def test_the_scanners_own_word_for_angiography_counts(tmp_path):
    """Of two MR series the time-of-flight one is taken, though neither is described."""
    (tmp_path / "study").mkdir()
    write_enhanced(tmp_path / "study/a.dcm", "MR", SHUFFLED, POSITIONS, OBLIQUE, rescale=lambda k: (1, 0))
    write_enhanced(tmp_path / "study/b.dcm", "MR", SHUFFLED, POSITIONS, OBLIQUE, TimeOfFlightContrast="YES")
    volume = read_image(tmp_path / "study")
    assert volume.values.min() == -1024
    [chosen] = [note.values for note in volume.notes if note.code == "series_chosen"]
    assert ["angiographic", 4.0] in chosen["reasons"]
