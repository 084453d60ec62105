"""Which features are found reliable: those by which made-up cases differ, not those that noise or the grid decides."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from aneuflow.errors import InputError
from aneuflow.radiomics.processing import sample
from aneuflow.radiomics.retest import JITTER_LENGTH_MM, JITTER_MM, LEAST_CASES, jittered, noise_level, retest
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import LABEL_ANEURYSM, ByteArray, Volume

SETTINGS = RadiomicsSettings(spacing_mm=0.5, bins=16)
COUNT = 10
NOISE = 6.0


def made_cases() -> list[tuple[Volume, ByteArray]]:
    """Balls of nearly one size in a darker surrounding; their brightness differs far more than the noise, which is alike."""
    cases = []
    for number in range(COUNT):
        generator = np.random.default_rng(number)
        away = (
            np.linalg.norm((np.indices((30, 30, 30)) - 14.5) * 0.4 - generator.uniform(-0.2, 0.2, (3, 1, 1, 1)), axis=0) * 1.0
        )
        ball = away.reshape(30, 30, 30) < 3.0 + 0.02 * number
        smooth = gaussian_filter(ball.astype(float), 0.7)
        values = 60.0 + (200.0 + 25.0 * number) * smooth + generator.normal(0.0, NOISE, smooth.shape)
        affine = np.diag([0.4, 0.4, 0.4, 1.0])
        cases.append((Volume(values.astype(np.float32), affine, "CTA", "made"), (LABEL_ANEURYSM * ball).astype(np.uint8)))
    return cases


def test_brightness_is_reliable_and_what_noise_decides_is_not() -> None:
    found = {row.id: row for row in retest(made_cases(), COUNT, SETTINGS, 1)}
    assert len(found) == 182
    for id in ("radiomics_sac_median", "radiomics_sac_mean", "radiomics_wall_percentile_90"):
        assert found[id].icc is not None and found[id].icc > 0.95, id
        assert found[id].low is not None and found[id].low < found[id].icc
    # Alike in all cases but for chance: where the steepest step of the histogram lies.
    assert found["radiomics_wall_histogram_maximum_gradient_level"].icc < 0.75
    # Always 1 and 16: no case differs from another.
    for id in ("radiomics_sac_histogram_minimum", "radiomics_sac_histogram_maximum"):
        assert found[id].icc is None and set(found[id].kinds.values()) == {None}
    assert all(row.icc == min(row.kinds.values()) for row in found.values() if row.icc is not None)


def test_the_same_seed_gives_the_same_table() -> None:
    cases, coarse = made_cases(), RadiomicsSettings(spacing_mm=0.8, bins=8)
    first, again, other = (retest(cases, COUNT, coarse, seed) for seed in (5, 5, 6))
    assert first == again != other


def test_few_cases_are_refused() -> None:
    with pytest.raises(InputError, match=f"give at least {LEAST_CASES}"):
        retest(made_cases()[:9], 9, SETTINGS, 1)


def test_the_noise_of_an_image_is_found_beside_its_edges() -> None:
    generator = np.random.default_rng(0)
    image = np.zeros((40, 40, 40))
    image[12:28, 10:30, 15:25] = 300.0
    image += generator.normal(0.0, NOISE, image.shape)
    assert noise_level(image) == pytest.approx(NOISE, rel=0.05)
    # The seam between image and padding counts as changing, with half of the noise.
    assert noise_level(np.pad(image, 20)) == pytest.approx(NOISE, rel=0.15)


def test_a_jittered_mask_moves_by_what_was_asked_for() -> None:
    volume, labels = made_cases()[0]
    plain = sample(volume, labels, SETTINGS)
    moved = []
    for seed in range(40):
        found = jittered(volume, labels, SETTINGS, np.random.default_rng(seed))
        moved.append((found.sac.sum() - plain.sac.sum()) / plain.sac.sum())
        assert (found.sac <= found.lumen).all() and (found.sac != plain.sac).any()
    # The mean over a sphere of radius R of a field whose correlation is exp(-d^2 / 2 L^2) has the variance (1 - exp(-2a)) / 2a,
    # a = (R / L)^2, of the field's; the volume goes with three times that shift over R.
    a = (3.0 / JITTER_LENGTH_MM) ** 2
    expected = 3.0 * JITTER_MM * np.sqrt((1.0 - np.exp(-2.0 * a)) / (2.0 * a)) / 3.0
    assert np.std(moved) == pytest.approx(expected, rel=0.25)
    assert abs(float(np.mean(moved))) < 0.03
