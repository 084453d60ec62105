"""Centerlines: the axis of a tube and of a bend, with their radius; and the geometry of lines."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics import centerline as cl
from tests import shapes


def test_the_line_of_a_tube_is_its_axis() -> None:
    pipe = shapes.closed(shapes.tube(radius=1.5, length=12))
    ((points, radius),) = cl.centerlines(pipe.points, pipe.triangles, np.zeros((1, 3)), np.array([[0, 0, 12.0]]), 0.2)
    assert np.hypot(points[:, 0], points[:, 1]).max() < 0.15
    assert radius[len(radius) // 3 : -len(radius) // 3] == pytest.approx(1.5, rel=0.1)
    assert points[0] == pytest.approx([0, 0, 0], abs=0.05)
    assert points[-1] == pytest.approx([0, 0, 12], abs=0.05)


def test_the_line_of_a_bend_is_its_arc_and_the_grid_agrees() -> None:
    angle = np.radians(120.0)
    pipe = shapes.closed(shapes.bend(radius=1.5, bend_radius=6.0))
    start, end = np.array([6.0, 0, 0]), 6 * np.array([np.cos(angle), np.sin(angle), 0])
    ((points, _),) = cl.centerlines(pipe.points, pipe.triangles, start, end, 0.1)
    inner = points[15:-15]
    assert np.abs(np.hypot(inner[:, 0], inner[:, 1]) - 6).max() < 0.15
    assert np.median(cl.curvature(cl.smooth_line(points, 0.5))) == pytest.approx(1 / 6, rel=0.05)
    rough, radius = cl.grid_line(pipe.points, pipe.triangles, start, end)
    assert np.abs(np.hypot(rough[:, 0], rough[:, 1])[8:-8] - 6).max() < 0.3
    assert np.median(radius) == pytest.approx(1.5, abs=0.2)


def test_every_start_meets_every_end() -> None:
    fork = shapes.closed(shapes.Bifurcation().surface(0.3))
    tips = fork.points[-3:]
    root = tips[np.argmin(tips[:, 2])]
    ends = tips[tips[:, 2] > root[2] + 1]
    lines = cl.centerlines(fork.points, fork.triangles, root, ends, 0.2)
    for (points, _), end in zip(lines, ends, strict=True):
        assert np.linalg.norm(points[0] - root) < 0.2
        assert np.linalg.norm(points[-1] - end) < 0.2
    assert len(cl.centerlines(fork.points, fork.triangles, ends, root, 0.2)) == 2


def test_two_parts_that_do_not_touch_are_not_joined() -> None:
    pipe = shapes.closed(shapes.tube(length=4))
    points = np.concatenate([pipe.points, pipe.points + np.array([10.0, 0, 0])])
    triangles = np.concatenate([pipe.triangles, pipe.triangles + len(pipe.points)])
    with pytest.raises(cl.CenterlineError):
        cl.centerlines(points, triangles, np.zeros(3), np.array([10.0, 0, 4]), 0.2)


def test_length_curvature_and_frames_of_a_helix() -> None:
    turn = np.linspace(0, 4 * np.pi, 800)
    helix = np.stack([2 * np.cos(turn), 2 * np.sin(turn), turn], axis=1)
    assert cl.arc_length(helix)[-1] == pytest.approx(4 * np.pi * np.sqrt(5), rel=1e-4)
    assert np.allclose(cl.curvature(helix)[5:-5], 2 / 5, rtol=1e-3)
    tangent, first, second = cl.parallel_frames(helix)
    assert np.allclose(np.einsum("ij,ij->i", tangent, first), 0, atol=1e-9)
    assert np.allclose(np.linalg.norm(second, axis=1), 1)
    twist = np.einsum("ij,ij->i", np.diff(first, axis=0), second[:-1])
    assert np.abs(twist).max() < 1e-4


def test_resampling_keeps_the_ends_and_equalizes_the_steps() -> None:
    line = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 5.0]])
    points, radius = cl.resample(line, np.array([1.0, 1.0, 3.0]), 0.5)
    assert np.allclose(np.diff(points[:, 2]), 0.5)
    assert np.allclose(radius, np.interp(points[:, 2], [0, 1, 5], [1, 1, 3]))


def test_smoothing_leaves_a_straight_line_alone() -> None:
    line = np.linspace([0, 0, 0], [3, 4, 0], 51)
    assert np.allclose(cl.smooth_line(line, 0.5), line, atol=1e-6)
