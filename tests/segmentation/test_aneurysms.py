"""A ball on a tube is called; a bend, the tube's blunt end and a lump on no artery, which are no wider than it, are not."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.segmentation.aneurysms import called, places

SPACING_MM = 0.5
X, Y, Z = np.indices((80, 60, 60)) * SPACING_MM


def near(x: float, y: float, z: float, radius_mm: float) -> np.ndarray:
    return np.sqrt((X - x) ** 2 + (Y - y) ** 2 + (Z - z) ** 2) < radius_mm


# Along x to 30 mm, where it ends bluntly; from x = 8 another one goes off at a right angle, as at a bend.
TUBE = (np.hypot(Y - 12, Z - 12) < 2.0) & (X < 30)
BEND = (np.hypot(X - 8, Z - 12) < 2.0) & (Y >= 12)
SAC = near(20, 12 + 3.5, 12, 3.0)


def calls(lumen: np.ndarray, taken: np.ndarray, leveled: bool = False) -> np.ndarray:
    return called(lumen.astype(np.float32), 0.9 * (lumen & taken), SPACING_MM, leveled)


def test_a_ball_on_a_tube_is_as_many_times_wider_as_it_was_made() -> None:
    lumen, taken = TUBE | SAC, SAC & ~TUBE
    (place,) = places(lumen.astype(np.float32), (0.9 * taken).astype(np.float32), SPACING_MM)
    assert place.radius_mm == pytest.approx(3.0, abs=0.3)
    assert place.artery_mm == pytest.approx(2.0, abs=0.3)
    assert place.wider == pytest.approx(1.5, abs=0.15)
    assert place.length_mm == pytest.approx(6.0, abs=0.5)
    assert place.volume_mm3 == pytest.approx(np.count_nonzero(taken) * SPACING_MM**3)
    assert place.probability == pytest.approx(0.9, abs=1e-6)
    np.testing.assert_array_equal(calls(lumen, taken), taken)
    small = near(20, 12 + 2.5, 12, 2.4)  # 1.2 times as wide as the tube
    assert calls(TUBE | small, small & ~TUBE).any() and not calls(TUBE | small, small & ~TUBE, leveled=True).any()


def test_a_wide_piece_of_artery_is_not_called() -> None:
    wide = np.hypot(Y - 12, Z - 12) < 3.0
    long, short = wide & (X > 8) & (X < 26), wide & (X > 12) & (X < 22)
    assert not calls(TUBE | long, long).any() and calls(TUBE | short, short).any()


@pytest.mark.parametrize(
    ("lumen", "taken"),
    [(TUBE | BEND, near(8, 12, 12, 4.0)), (TUBE, X > 25), (TUBE | BEND, near(8, 22, 12, 3.0))],
    ids=["bend", "blunt end", "straight"],
)
def test_what_is_no_wider_than_its_artery_is_not_called(lumen: np.ndarray, taken: np.ndarray) -> None:
    assert (lumen & taken).any() and not calls(lumen, taken).any()


def test_a_lump_on_no_artery_and_one_on_a_thread_are_not_called() -> None:
    ball, thread = near(20, 12, 12, 3.0), (np.hypot(Y - 12, Z - 12) < 0.6) & (X < 30)
    assert not calls(ball, ball).any()
    assert not calls(ball | thread, ball).any()


def test_a_sac_keeps_its_call_beside_a_vessel_it_does_not_touch() -> None:
    wide = np.hypot(Y - 24, Z - 12) < 4.0  # 1.5 mm away from the sac
    assert calls(TUBE | SAC | wide, SAC & ~TUBE).any()
