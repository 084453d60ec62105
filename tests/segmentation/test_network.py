"""What surrounds a network: tiles, the cheap first pass, its file, and the wall; the network here is a known function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.segmentation.intensity import HIGHEST, USUAL_LEVEL, artery_level, at_level, normalized
from aneuflow.segmentation.network import load_network, network_maps
from aneuflow.segmentation.segment import segment
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.sliding import Tiling, lumen_and_aneurysm
from aneuflow.types import Volume, no_progress
from tests.segmentation.test_threshold import angiogram, tube, turned, wall_errors

# Lumen sigmoid(6 (image - 1)), aneurysm nowhere: made by tests/training/make_bright.py.
BRIGHT = Path(__file__).parent / "bright.onnx"


def identity(tile: np.ndarray) -> np.ndarray:
    """Three classes: the lumen's probability is the image itself, a fifth of it aneurysm."""
    return np.stack([1 - tile, 0.8 * tile, 0.2 * tile])


@pytest.mark.parametrize("shape", [(16, 16, 16), (10, 40, 23), (65, 33, 50)])
def test_blended_tiles_of_a_pointwise_network_are_its_answer(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).random(shape).astype(np.float32) * 0.5 + 0.5
    lumen, aneurysm, _ = lumen_and_aneurysm(Tiling(16, identity), image, False, no_progress)
    np.testing.assert_allclose(lumen, image, atol=1e-5)
    np.testing.assert_allclose(aneurysm, 0.2 * image, atol=1e-5)


def test_the_network_runs_only_where_the_first_pass_saw_something() -> None:
    image = np.zeros((96, 96, 96), np.float32)
    image[40:44, 40:44, 10:90] = 0.9
    calls: list[int] = []

    def counted(tile: np.ndarray) -> np.ndarray:
        calls.append(1)
        return identity(tile)

    told: list[float] = []
    lumen, _, _ = lumen_and_aneurysm(Tiling(16, counted), image, False, lambda fraction, message: told.append(fraction))
    np.testing.assert_allclose(lumen, image, atol=1e-5)
    every = len(np.arange(0, 81, 10)) ** 3
    assert len(calls) < 0.6 * every
    assert told == sorted(told) and told[0] >= 0 and told[-1] < 1


def test_a_leveled_network_sees_large_arteries_at_one_however_bright_they_were() -> None:
    image = np.random.default_rng(0).normal(0, 0.02, (64, 64, 64)).astype(np.float32)
    image[20:30, 20:30] += 1.3
    image[40:43, 40:43] += 0.7  # a vein
    seen: list[np.ndarray] = []

    def watched(tile: np.ndarray) -> np.ndarray:
        seen.append(tile)
        return np.stack([1 - tile, tile, 0 * tile])

    for factor in (0.6, 1.0, 1.5):
        *_, level = lumen_and_aneurysm(Tiling(64, watched), factor * image, True, no_progress)
        assert level == pytest.approx(1.3 * factor, rel=0.03)
        assert np.median(seen[-1][22:28, 22:28]) == pytest.approx(1, abs=0.03)
        assert np.median(seen[-1][41:42, 41:42]) == pytest.approx(0.7 / 1.3, abs=0.03)
    share = (image > 0.4).astype(np.float32)
    assert artery_level(image, share) == pytest.approx(1.3, abs=0.03)
    assert artery_level(image, 0 * share) == USUAL_LEVEL and at_level(image, 1e-3).max() == HIGHEST


def test_grey_values_are_brought_to_one_scale() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(100, 5, (60, 60, 60)).astype(np.float32)
    values[28:33, 28:33] = 300
    one, other = normalized(values, False), normalized(7 * values + 900, False)
    assert np.median(one) == pytest.approx(0, abs=0.02) and one[30, 30, 30] == pytest.approx(2, abs=0.05)
    np.testing.assert_allclose(one, other, atol=0.02)
    removed = np.where(values > 200, values, 0).astype(np.float32)
    assert normalized(removed, False)[0, 0, 0] == 0 and normalized(removed, False)[30, 30, 30] == pytest.approx(2, abs=0.01)
    assert normalized(np.array([[[40.0, 290.0, 5000.0, -1000.0]]], np.float32), True).ravel() == pytest.approx([0, 1, 4, -1.5])


@pytest.mark.parametrize("shear", [0.0, -0.3], ids=["oblique", "sheared"])
@pytest.mark.parametrize("radius_mm", [0.9, 1.8])
def test_the_wall_stands_where_it_is(radius_mm: float, shear: float) -> None:
    affine = turned(shear)
    result = segment(angiogram(tube(affine, radius_mm), affine), SegmentSettings(segmenter="network", model=str(BRIGHT)))
    errors = wall_errors(result, tube(affine, radius_mm))
    assert len(errors) > 500
    assert abs(errors.mean()) < 0.06
    assert np.percentile(np.abs(errors), 95) < 0.2
    assert "network bright" in result.method and set(np.unique(result.labels)) == {0, 1}


def test_the_maps_lie_where_the_image_does() -> None:
    affine = turned()
    volume = angiogram(tube(affine, 1.8), affine, noise=0.0)
    lumen, _, found = network_maps(load_network(BRIGHT), volume)
    places = np.argwhere(lumen > 0.5) @ found[:3, :3].T + found[:3, 3]
    assert len(places) > 200 and np.percentile(tube(affine, 1.8)(places), 95) < 0.4


@pytest.mark.parametrize("shear", [0.0, -0.3], ids=["oblique", "sheared"])
def test_what_is_far_from_vessels_costs_no_memory_and_moves_no_wall(shear: float) -> None:
    affine, rng = turned(shear), np.random.default_rng(1)
    small = angiogram(tube(affine, 1.8), affine)
    before, after = np.array([5, 40, 20]), np.array([5, 20, 50])
    large = rng.normal(100, 10, small.values.shape + before + after).astype(np.float32)
    large[tuple(slice(a, a + n) for a, n in zip(before, small.values.shape, strict=True))] = small.values
    moved = affine.copy()
    moved[:3, 3] -= affine[:3, :3] @ before
    result = segment(Volume(large, moved, "MRA", ""), SegmentSettings(segmenter="network", model=str(BRIGHT)))
    assert result.labels.size < 0.4 * large.size * abs(np.linalg.det(affine[:3, :3])) / abs(
        np.linalg.det(result.affine[:3, :3])
    )
    errors = wall_errors(result, tube(affine, 1.8))
    along = errors < 0.5  # not the tube's two ends, which lie inside this image
    assert along.mean() > 0.9 and abs(errors[along].mean()) < 0.06


def test_a_rotational_angiogram_or_a_threshold_takes_the_wall_from_the_image() -> None:
    affine = turned()
    volume = angiogram(tube(affine, 1.8), affine, noise=0.0)
    by_network = SegmentSettings(segmenter="network", model=str(BRIGHT))
    rotational = Volume(volume.values, volume.affine, "3DRA", "")
    given = by_network.model_copy(update={"threshold": 250.0})
    assert "half of the network's lumen" in segment(volume, by_network).method
    for image, settings in ((rotational, by_network), (volume, given)):
        result = segment(image, settings)
        assert "half maximum" in result.method
        assert abs(wall_errors(result, tube(affine, 1.8)).mean()) < 0.06


def test_a_missing_or_foreign_network_is_named() -> None:
    image = Volume(np.zeros((20, 20, 20), np.float32), np.eye(4), "MRA", "")
    with pytest.raises(InputError, match="is no file"):
        load_network(Path("no-such.onnx"))
    with pytest.raises(InputError, match="no ONNX file that can be run"):
        load_network(Path(__file__))
    with pytest.raises(InputError, match="No vessel was found"):
        segment(image, SegmentSettings(segmenter="network", model=str(BRIGHT)))
