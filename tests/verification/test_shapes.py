"""The vessels of the verification: closed, and of the volume they should have."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.surface import is_closed, signed_volume
from aneuflow.types import LumenModel
from aneuflow.verification.shapes import bend_model, frame_along, profile_model, tube_model

TUBE = tube_model(1.5, 8.0, np.array([1.0, 2.0, 3.0]), extension_mm=2.0)
BEND = bend_model(2.0, 16.0, 1.2 * np.pi, 4.0)
NOZZLE = profile_model(np.array([0.0, 5.0, 5.0, 9.0]), np.array([2.0, 2.0, 1.0, 1.0]))
VOLUMES = [
    (TUBE, np.pi * 1.5**2 * 12.0),
    (BEND, np.pi * 2.0**2 * (1.2 * np.pi * 16.0 + 8.0)),
    (NOZZLE, np.pi * (4.0 * 5.0 + 1.0 * 4.0)),
]


@pytest.mark.parametrize(("model", "volume"), VOLUMES, ids=["tube", "bend", "nozzle"])
def test_closed_outward_and_of_the_right_volume(model: LumenModel, volume: float) -> None:
    surface = model.extended.surface
    assert is_closed(surface.triangles)
    assert signed_volume(surface.points, surface.triangles) == pytest.approx(volume, rel=2e-3)


@pytest.mark.parametrize("model", [TUBE, BEND, NOZZLE], ids=["tube", "bend", "nozzle"])
def test_caps_lie_on_their_patches_and_look_outward(model: LumenModel) -> None:
    surface, patch = model.extended.surface, model.extended.patch
    for cap in model.extended_caps:
        corners = surface.points[surface.triangles[patch == cap.id]]
        assert abs((corners - cap.center_mm) @ cap.normal).max() < 1e-9
        vectors = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert vectors.sum(axis=0) @ cap.normal == pytest.approx(cap.area_mm2, rel=1e-6)


def test_the_frame_is_orthonormal_and_right_handed() -> None:
    frame = np.stack(frame_along(np.array([1.0, 2.0, 3.0])))
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)
