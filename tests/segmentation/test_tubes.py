"""Tubes are round, sheets are not, and both are found at their scale."""

from __future__ import annotations

import numpy as np

from aneuflow.segmentation.tubes import tubularity


def test_tube_ball_and_sheet():
    x, y, z = (np.indices((40, 40, 40)) - 19.5) * 0.4
    shapes = {"tube": np.hypot(x, y) < 1.2, "ball": np.sqrt(x**2 + y**2 + z**2) < 1.5, "sheet": np.abs(x) < 0.6}
    center = np.zeros((40, 40, 40), bool)
    center[19:21, 19:21, 19:21] = True
    result = {}
    for name, shape in shapes.items():
        strength, roundness = tubularity(100 * shape.astype(np.float32), center, 0.4, (0.6, 1.0))
        result[name] = (float(strength.mean()), float(roundness.mean()))
    assert result["tube"][1] > 0.9
    assert result["ball"][1] > 0.9
    assert result["sheet"][1] < 0.1
    assert result["tube"][0] > 20
    assert result["sheet"][0] < 0.1 * result["tube"][0]


def test_strength_is_largest_at_the_scale_of_the_tube():
    x, y, _ = (np.indices((48, 48, 24)) - 23.5) * 0.25
    center = np.zeros(x.shape, bool)
    center[23:25, 23:25, 12] = True
    tube = (np.hypot(x, y) < 1.4).astype(np.float32)
    strengths = [float(tubularity(tube, center, 0.25, (scale,))[0].mean()) for scale in (0.3, 1.0, 3.0)]
    assert strengths[1] == max(strengths)
