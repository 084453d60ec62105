"""Simulated angiograms obey the physics they name, and hold the lumen they were made of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from aneuflow.errors import InputError, ResourceError
from aneuflow.imaging.simulated import SimulationSettings, TrueLumen, simulate_angiogram
from aneuflow.imaging.simulated.grid import Grid, random_field
from aneuflow.imaging.simulated.ranges import BY_MODALITY
from aneuflow.imaging.simulated.scanner import ct_noise, ct_voxels, mr_voxels, steady_state
from aneuflow.imaging.simulated.simulate import LABEL_BONE
from aneuflow.types import LABEL_ANEURYSM, LABEL_ARTERY, Surface
from tests.shapes import sphere, tube


def grid(shape=(48, 48, 24), spacing=(0.4, 0.4, 0.6), factor=2) -> Grid:
    return Grid(np.zeros(3), np.array(spacing), shape, factor)


def ball(g: Grid, radius_mm: float) -> np.ndarray:
    center = np.array(g.shape) * g.spacing_mm / 2 - g.spacing_mm / 2
    return sum((g.fine_axis(k) - center[k]) ** 2 for k in range(3)) < radius_mm**2


def with_sac() -> TrueLumen:
    """A tube along z and a ball that overlaps it, as two closed shells."""
    vessel, sac = tube(1.5, 12.0, 0.3), sphere(3.0)
    points = np.concatenate([vessel.points, sac.points + np.array([4.0, 0, 6])])
    triangles = np.concatenate([vessel.triangles, sac.triangles + len(vessel.points)])
    return TrueLumen(Surface(points, triangles.astype(np.int32)), np.arange(len(points)) >= len(vessel.points))


def settings(**given) -> SimulationSettings:
    return SimulationSettings(**{"margin_mm": 4.0, **given})


@pytest.fixture(scope="module", params=sorted(BY_MODALITY))
def made(request):
    return simulate_angiogram(with_sac(), settings(modality=request.param, seed=5))


def test_a_random_field_has_mean_zero_variance_one_and_its_length():
    rng = np.random.default_rng(0)
    g = grid((60, 60, 60), (1.0, 1.0, 1.0), 1)
    fields = np.stack([random_field(g, 4.0, rng) for _ in range(6)])
    assert abs(fields.mean()) < 0.05
    assert fields.var() == pytest.approx(1, abs=0.08)
    # The overlap of two cubic B-splines one knot apart, over that of a spline with itself.
    assert np.mean(fields[:, 4:] * fields[:, :-4]) == pytest.approx(1191 / 2416, abs=0.06)


def test_partial_volume_keeps_the_volume_of_a_ball():
    g = grid(factor=3)
    share = ct_voxels(g, ball(g, 3.0).astype(np.float32), (0.6, 0.6, 0.9))
    volume = share.sum() * np.prod(g.spacing_mm)
    assert volume == pytest.approx(4 / 3 * np.pi * 27, rel=0.01)


def test_noise_of_ct_has_the_spectrum_of_the_filtered_ramp():
    g, cutoff = grid((128, 128, 32), (0.4, 0.4, 0.4), 1), 0.6
    noise = ct_noise(g, 12.0, cutoff, np.random.default_rng(1))
    assert noise.std() == pytest.approx(12.0, rel=1e-3)
    power = (np.abs(np.fft.fft2(noise, axes=(0, 1))) ** 2).mean(axis=2)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128, 0.4), np.fft.fftfreq(128, 0.4), indexing="ij"))
    edges = np.linspace(0.05, 1.1, 12)
    ring = np.digitize(frequency, edges)
    measured = np.array([power[ring == k].mean() for k in range(1, len(edges))])
    model = np.array([(frequency * np.exp(-((frequency / cutoff) ** 2)))[ring == k].mean() for k in range(1, len(edges))])
    np.testing.assert_allclose(measured / measured.sum(), model / model.sum(), rtol=0.1)


def test_noise_of_mr_is_rician():
    g, sigma = grid((48, 48, 48), (0.5, 0.5, 0.5), 1), 0.05
    for signal in (0.0, 0.05, 0.5):
        values = mr_voxels(g, np.full(g.shape, signal, np.float32), (0.5, 0.5, 0.5), sigma, np.random.default_rng(2))
        # The second moment of Rice's distribution is exact; the mean without signal is Rayleigh's.
        assert np.mean(values.astype(float) ** 2) == pytest.approx(signal**2 + 2 * sigma**2, rel=0.02)
        if signal == 0:
            assert values.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.01)


def test_zero_filling_keeps_noise_level_and_correlates_it():
    g = grid((64, 64, 64), (0.4, 0.4, 0.4), 1)
    values = mr_voxels(g, np.full(g.shape, 10, np.float32), (0.8, 0.8, 0.8), 0.1, np.random.default_rng(3)) - 10
    assert values.std() == pytest.approx(0.1, rel=0.05)
    assert np.mean(values[1:] * values[:-1]) / values.var() > 0.5


def test_k_space_leaves_a_ball_where_it_is_with_its_volume():
    g = grid((40, 40, 40), (0.5, 0.5, 0.5), 3)
    # Over a background of one the magnitude is nowhere folded.
    share = mr_voxels(g, 1 + ball(g, 4.0).astype(np.float32), (0.7, 0.7, 0.9), 0.0, np.random.default_rng(0)) - 1
    assert share.sum() * 0.5**3 == pytest.approx(4 / 3 * np.pi * 64, rel=0.01)
    inside = ball(g, 6.0).reshape(40, 3, 40, 3, 40, 3).any(axis=(1, 3, 5))
    assert np.abs(np.array(ndimage.center_of_mass(share * inside)) - 19.5).max() < 0.02


def test_steady_state_is_largest_at_the_ernst_angle():
    flips = np.radians(np.arange(1, 60, 0.1))
    signal = [np.sin(flip) * steady_state(flip, 25.0, 1000.0) for flip in flips]
    assert np.degrees(flips[np.argmax(signal)]) == pytest.approx(np.degrees(np.arccos(np.exp(-0.025))), abs=0.1)


def test_the_labels_hold_the_lumen(made):
    voxel = 0.5**3
    lumen = np.isin(made.labels, (LABEL_ARTERY, LABEL_ANEURYSM))
    # What the two shells share counts once or not at all, by the votes of the scan lines.
    whole = np.pi * 1.5**2 * 12 + 4 / 3 * np.pi * 27
    assert 0.9 * whole < lumen.sum() * voxel < 1.01 * whole
    assert 0.6 < (made.labels == LABEL_ANEURYSM).sum() * voxel / (4 / 3 * np.pi * 27) < 1.1


def test_arteries_stand_out_of_what_is_no_bone(made):
    lumen = ndimage.binary_erosion(np.isin(made.labels, (LABEL_ARTERY, LABEL_ANEURYSM)))
    rest = ~ndimage.binary_dilation(np.isin(made.labels, (LABEL_ARTERY, LABEL_ANEURYSM, LABEL_BONE)), iterations=2)
    assert np.median(made.image.values[lumen]) > np.percentile(made.image.values[rest & (made.labels == 0)], 95)


def test_every_drawn_value_lies_in_its_range(made):
    from aneuflow.imaging.simulated.ranges import ANATOMY

    for name, range_ in {**ANATOMY, **BY_MODALITY[made.image.modality]}.items():
        assert range_.low <= made.drawn[name] <= range_.high


def test_a_seed_is_an_image_and_another_seed_another():
    first, again, other = (simulate_angiogram(with_sac(), settings(seed=seed)).image.values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_contrast_column_is_what_was_asked_for():
    fixed = {"lumen_hu": 400.0, "noise_hu": 0.0, "mixing": 0.0, "distal_loss": 0.0, "plaques": 0.0}
    made = simulate_angiogram(with_sac(), settings(fixed=fixed))
    core = ndimage.binary_erosion(made.labels == LABEL_ANEURYSM, iterations=2)
    assert core.sum() > 50
    np.testing.assert_allclose(made.image.values[core], 400, atol=6)


def test_slow_and_stale_blood_of_an_mra_is_darker():
    fixed = {"noise_share": 0.0, "mixing": 0.0, "distal_loss": 0.0, "shading": 0.0, "gain": 1000.0}
    fast, slow = (
        simulate_angiogram(with_sac(), settings(modality="MRA", fixed={**fixed, "speed_mm_s": speed}))
        for speed in (450.0, 120.0)
    )
    core = ndimage.binary_erosion(fast.labels == LABEL_ARTERY)
    assert slow.image.values[core].mean() < 0.9 * fast.image.values[core].mean()


def test_overlapping_shells_are_united_where_their_triangles_say_so():
    vessel = with_sac()
    points, triangles = vessel.surface.points, vessel.surface.triangles
    twice = Surface(np.concatenate([points, points]), np.concatenate([triangles, triangles + len(points)]))
    in_sac = np.concatenate([vessel.in_sac, vessel.in_sac])
    shell = np.repeat(np.arange(2, dtype=np.int32), len(triangles))
    alone, united = (simulate_angiogram(lumen, settings()) for lumen in (vessel, TrueLumen(twice, in_sac, shell)))
    assert np.array_equal(alone.image.values, united.image.values)
    assert np.array_equal(alone.labels, united.labels) and np.array_equal(alone.share, united.share)
    lumen = np.isin(alone.labels, (LABEL_ARTERY, LABEL_ANEURYSM))
    assert lumen[alone.share > 0.6].all() and not lumen[alone.share < 0.4].any()


def test_unknown_parameters_empty_boxes_and_huge_images_are_refused():
    with pytest.raises(InputError, match="no parameter of a simulated CTA"):
        simulate_angiogram(with_sac(), SimulationSettings(fixed={"flip_degrees": 20.0}))
    with pytest.raises(InputError, match=r"slab_mm = 0 is outside .* 25 to 70 mm"):
        simulate_angiogram(with_sac(), SimulationSettings(modality="MRA", fixed={"slab_mm": 0.0}))
    with pytest.raises(InputError, match="no part of the lumen"):
        simulate_angiogram(with_sac(), SimulationSettings(), (np.full(3, 100.0), np.full(3, 110.0)))
    with pytest.raises(ResourceError, match="larger voxels"):
        simulate_angiogram(with_sac(), SimulationSettings(spacing_mm=0.1, supersampling=6))
