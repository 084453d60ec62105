"""Vessels as bright as an artery of their radius are kept; dimmer ones, and in CTA much brighter ones, are not."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.segmentation.brightness import without_veins

SPACING_MM = 0.5
_, Y, Z = np.indices((60, 100, 40)) * SPACING_MM
LEVEL = 2.0


def tube(y: float, radius_mm: float) -> np.ndarray:
    return np.hypot(Y - y, Z - 10) < radius_mm


LARGE, OTHER, THIN = tube(6, 2.5), tube(20, 1.6), tube(40, 0.6)


def kept(modality: str, other: float, thin: float, background: float = 0.0) -> tuple[bool, bool]:
    """Whether the other and the thin tube are kept, which are as bright, over the large one, as is said; all was lumen."""
    image = background + LEVEL * (1.0 * LARGE + other * OTHER + thin * THIN) + np.random.default_rng(0).normal(0, 0.02, Y.shape)
    lumen = 0.9 * (LARGE | OTHER | THIN).astype(np.float32)
    result = without_veins(lumen, image.astype(np.float32), modality, SPACING_MM)
    assert np.array_equal(result[LARGE], lumen[LARGE]) and lumen[OTHER].all()
    parts = [result[part] > 0 for part in (OTHER, THIN)]
    assert all(part.all() or not part.any() for part in parts)
    return bool(parts[0].all()), bool(parts[1].all())


@pytest.mark.parametrize(
    ("modality", "other", "thin", "expected"),
    [
        ("CTA", 0.9, 0.9, (True, True)),
        ("CTA", 0.5, 0.9, (False, True)),  # a vein
        ("CTA", 0.9, 0.3, (True, False)),
        ("CTA", 0.9, 1.8, (True, False)),  # bone
        ("MRA", 0.6, 0.6, (True, True)),  # blood that has lost signal
        ("MRA", 1.8, 0.6, (True, True)),  # and blood that has just entered
        ("MRA", 0.3, 0.6, (False, True)),
        ("3DRA", 0.3, 0.3, (False, False)),
    ],
)
def test_what_is_not_as_bright_as_arteries_are_is_left_out(
    modality: str, other: float, thin: float, expected: tuple[bool, bool]
) -> None:
    assert kept(modality, other, thin) == expected


def test_a_rim_goes_with_its_vessel() -> None:
    rim = tube(20, 2.2) & ~OTHER
    lumen = (0.9 * (LARGE | OTHER) + 0.3 * rim).astype(np.float32)
    for share, left in ((0.9, 0.3), (0.4, 0.0)):
        image = (LEVEL * (LARGE + share * OTHER)).astype(np.float32)
        assert without_veins(lumen, image, "CTA", SPACING_MM)[rim] == pytest.approx(left)


@pytest.mark.parametrize("other", [0.65, 0.9], ids=["vein", "artery"])
def test_a_branch_goes_with_the_vein_it_hangs_on(other: float) -> None:
    x = np.indices(Y.shape)[0] * SPACING_MM
    of_other = (np.hypot(x - 15, Z - 10) < 0.6) & (Y > 20) & (Y < 34) & ~OTHER
    of_large = (np.hypot(x - 15, Z - 10) < 0.6) & (Y > 6) & (Y < 16) & ~LARGE
    image = LEVEL * (1.0 * LARGE + other * OTHER + 0.65 * (of_other | of_large))
    lumen = 0.9 * (LARGE | OTHER | of_other | of_large).astype(np.float32)
    result = without_veins(lumen, image.astype(np.float32), "CTA", SPACING_MM, LEVEL)
    assert (result[LARGE] > 0).all() and (result[of_large] > 0).mean() > 0.9
    for part in (OTHER, of_other):
        assert (result[part] > 0).mean() == pytest.approx(float(other > 0.7), abs=0.1)


def test_hardly_any_lumen_is_left_as_it_is() -> None:
    lumen = np.zeros((20, 20, 20), np.float32)
    assert not without_veins(lumen, lumen, "CTA", SPACING_MM).any()
    lumen[10, 10, 10] = 1
    np.testing.assert_array_equal(without_veins(lumen, np.zeros_like(lumen), "CTA", SPACING_MM), lumen)
    full = np.ones_like(lumen)
    np.testing.assert_array_equal(without_veins(full, full, "CTA", SPACING_MM), full)
