"""A lumen whose wall is moved is that of the other size, with its ends in their planes."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.errors import MethodError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.offset import moved_wall
from aneuflow.geometry.settings import ModelSettings
from aneuflow.numerics import surface as sf
from aneuflow.types import LumenModel
from tests import shapes


@pytest.fixture(scope="module")
def tube() -> LumenModel:
    return build_model(shapes.tube(radius=1.5, length=12.0, edge=0.3), ModelSettings(aneurysm="none"))


@pytest.mark.parametrize("outward", [0.13, -0.13])
def test_a_tube_is_that_of_the_other_radius(outward: float, tube: LumenModel) -> None:
    made, wanted = moved_wall(tube, outward, ModelSettings()), 1.5 + outward
    scale = (wanted / 1.5) ** 2
    for before, after, end in zip(tube.caps, made.caps, made.extended_caps, strict=True):
        assert after.area_mm2 == pytest.approx(scale * before.area_mm2, rel=3e-3)
        assert after.radius_mm == pytest.approx(wanted, rel=5e-3)
        rim = made.lumen.surface.points[np.unique(made.lumen.surface.triangles[made.lumen.patch == after.id])]
        assert np.abs((rim - after.center_mm) @ after.normal).max() < 1e-6
        length = (5 if after.role == "inlet" else 3) * 2 * after.radius_mm
        assert float((end.center_mm - after.center_mm) @ after.normal) == pytest.approx(length, rel=1e-6)
    volumes = [sf.signed_volume(one.lumen.surface.points, one.lumen.surface.triangles) for one in (made, tube)]
    assert volumes[0] / volumes[1] == pytest.approx(scale, rel=5e-3)
    assert sf.is_closed(made.extended.surface.triangles)
    assert made.centerlines[0].radius_mm == pytest.approx(tube.centerlines[0].radius_mm + outward)


def test_no_move_changes_nothing(tube: LumenModel) -> None:
    made = moved_wall(tube, 0.0, ModelSettings())
    np.testing.assert_allclose(made.extended.surface.points, tube.extended.surface.points, atol=1e-9)


def test_a_wall_that_would_close_the_lumen_is_refused(tube: LumenModel) -> None:
    with pytest.raises(MethodError, match="closes the lumen"):
        moved_wall(tube, -2.0, ModelSettings())
