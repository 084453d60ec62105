"""Marks in the interactive view move as the computed flow does, and only within the lumen."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aneuflow.numerics.registration import signed_distance
from aneuflow.report.content import ReportContent
from aneuflow.report.flow_paths import flow_payload

SPEED = 0.25


def _paths(payload: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    points, times = (np.frombuffer(base64.b64decode(payload[name]["data"]), "<f4") for name in ("points", "times"))
    parts = [slice(start, stop) for start, stop in zip(payload["starts"], payload["starts"][1:], strict=False)]
    return [(points.reshape(-1, 3)[part] + payload["center"], times[part].astype(float)) for part in parts]


@pytest.fixture(scope="module")
def uniform(content: ReportContent) -> ReportContent:
    """The same case with blood that moves everywhere at SPEED along a slanted line."""
    velocity = np.zeros_like(content.flow.volume.velocity) + np.array([0.8, 0.0, 0.6], np.float32) * SPEED
    return replace(content, flow=replace(content.flow, volume=replace(content.flow.volume, velocity=velocity)))


def test_marks_pass_each_place_when_the_blood_does(uniform: ReportContent) -> None:
    paths = _paths(flow_payload(uniform))
    assert len(paths) > 100
    for points, times in paths:
        way = points - points[0]
        np.testing.assert_allclose(way, np.outer(times * SPEED, [0.8, 0.0, 0.6]), atol=2e-4)  # mm by m/s is ms
        assert times[0] == 0 and (np.diff(times) > 0).all()


def test_no_mark_leaves_the_lumen(content: ReportContent) -> None:
    surface = content.model.lumen.surface
    places = np.vstack([points for points, _ in _paths(flow_payload(content))])
    assert signed_distance(places, surface.points, surface.triangles).max() < 1e-4


def test_the_pace_is_the_inflow_of_each_moment_by_its_mean(content: ReportContent) -> None:
    assert content.boundary.waveform is not None
    pace = flow_payload(content)["pace"]
    assert pace["period_ms"] == pytest.approx(1000 * content.boundary.waveform.period_s)
    inflow = sum(values for name, values in content.flow.history.items() if name.startswith("inflow_"))
    np.testing.assert_allclose(pace["inflow"], inflow / np.mean(inflow), atol=1e-4)
    steady = replace(content, boundary=replace(content.boundary, waveform=None))
    assert flow_payload(steady)["pace"] is None


def test_the_same_case_has_the_same_paths(content: ReportContent) -> None:
    assert flow_payload(content) == flow_payload(content)
