"""Deformations of a tube with a spherical sac, whose volumes and places are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aneuflow.errors import MethodError
from aneuflow.numerics import surface as sf
from aneuflow.numerics.self_crossing import crossing_triangles
from aneuflow.surrogate.deform import Frame, deformed, without_sac
from aneuflow.surrogate.design import AXES, NEUTRAL
from aneuflow.types import Surface
from tests.sac_shapes import straight

RADIUS, MIDDLE, SAC = 1.5, 3.2, 2.2


@pytest.fixture(scope="module")
def frame() -> Frame:
    lumen, _ = straight(RADIUS, sac=(MIDDLE, SAC), step=0.4)
    points, triangles = sf.merge_points(lumen.surface.points, lumen.surface.triangles[lumen.patch == 0])
    a, b, c = triangles.T
    points, triangles, _ = sf.compact(points, triangles[(a != b) & (b != c) & (c != a)])
    axis = points * [0.0, 0.0, 1.0]
    in_sac = np.linalg.norm(points - axis, axis=1) > 1.15 * RADIUS
    return Frame(
        surface=Surface(points, triangles),
        in_sac=in_sac,
        axis_mm=axis,
        axis_radius_mm=np.full(len(points), RADIUS),
        center_mm=np.array([0.0, RADIUS, 0.0]),
        radius_mm=1.4,
        parent_diameter_mm=2 * RADIUS,
        up=np.array([0.0, 1.0, 0.0]),
        along=np.array([0.0, 0.0, 1.0]),
        across=np.array([1.0, 0.0, 0.0]),
    )


def volume(surface: Surface) -> float:
    return sf.signed_volume(*sf.fill_openings(surface.points, surface.triangles))


def changed(frame: Frame, **values: float) -> Surface:
    return deformed(frame, {**NEUTRAL, **values})


def test_neutral_values_change_nothing(frame: Frame) -> None:
    assert np.allclose(deformed(frame, NEUTRAL).points, frame.surface.points, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "value", "grows"),
    [
        ("sac_scale", 1.4, True),
        ("sac_scale", 0.7, False),
        ("sac_stretch", 1.3, True),
        ("sac_stretch", 0.8, False),
        ("lobe", 0.4, True),
        ("neck_width", 1.2, True),
        ("neck_width", 0.85, False),
        ("caliber", 1.15, True),
        ("caliber", 0.9, False),
    ],
)
def test_volume_follows_what_is_asked(frame: Frame, name: str, value: float, grows: bool) -> None:
    change = volume(changed(frame, **{name: value})) - volume(frame.surface)
    assert (change > 0.0) == grows
    assert abs(change) > 0.1


def test_a_sac_grows_about_as_its_scale_cubed(frame: Frame) -> None:
    sphere = 4 / 3 * np.pi * SAC**3
    grown = volume(changed(frame, sac_scale=1.3)) - volume(frame.surface)
    assert grown == pytest.approx(sphere * (1.3**3 - 1), rel=0.25)


@pytest.mark.parametrize("name", ["sac_scale", "sac_stretch", "tilt_along", "lobe", "neck_width"])
def test_the_artery_away_from_the_neck_is_untouched(frame: Frame, name: str) -> None:
    away = ~frame.in_sac & (np.linalg.norm(frame.surface.points - frame.center_mm, axis=1) > 5.0)
    values = {"tilt_along": 0.4, "lobe": 0.5}
    points = changed(frame, **{name: values.get(name, 1.2)}).points
    assert away.sum() > 100
    assert np.abs(points - frame.surface.points)[away].max() < 1e-3


def test_caliber_is_that_of_the_far_artery(frame: Frame) -> None:
    points = changed(frame, caliber=1.2).points
    far = np.abs(frame.surface.points[:, 2]) > 5.0
    assert np.linalg.norm(points[far, :2], axis=1).mean() == pytest.approx(1.2 * RADIUS, rel=0.03)
    sac = frame.in_sac & (frame.surface.points[:, 1] > MIDDLE)
    assert np.ptp(points[sac], axis=0) == pytest.approx(np.ptp(frame.surface.points[sac], axis=0), rel=0.03)


def test_a_tilted_sac_leans_downstream_and_keeps_its_height(frame: Frame) -> None:
    points = changed(frame, tilt_along=0.4).points
    top = np.argmax(frame.surface.points[:, 1])
    height = frame.surface.points[top, 1] - RADIUS
    assert points[top] - frame.surface.points[top] == pytest.approx([0.0, 0.0, 0.4 * height], abs=0.05)


def test_a_bend_keeps_the_volume(frame: Frame) -> None:
    bent = changed(frame, bend_up=0.12, bend_across=-0.12)
    assert volume(bent) == pytest.approx(volume(frame.surface), rel=1e-6)
    ends = np.abs(frame.surface.points[:, 2]) > 7.5
    assert (bent.points - frame.surface.points)[ends, 1].min() > 0.2


def test_corners_of_the_design_give_sound_walls_or_say_why(frame: Frame) -> None:
    sound = 0
    for part in np.random.default_rng(3).random((6, len(AXES))):
        values = {axis.name: axis.value(float(p)) for axis, p in zip(AXES, part, strict=True)}
        try:
            made = deformed(frame, values)
        except MethodError:
            continue
        sound += 1
        assert not crossing_triangles(made.points, made.triangles).any()
        assert volume(made) > 0.0
    assert sound >= 4


def test_a_wall_through_itself_is_refused(frame: Frame) -> None:
    with pytest.raises(MethodError, match="passes through itself"):
        changed(frame, sac_stretch=-1.2)


def test_without_its_sac_the_artery_is_a_tube_again(frame: Frame) -> None:
    artery = without_sac(frame, NEUTRAL)
    assert len(sf.boundary_loops(artery.triangles)) == 2
    assert volume(artery) == pytest.approx(np.pi * RADIUS**2 * 16.0, rel=0.03)
    radius = np.linalg.norm(artery.points[np.abs(artery.points[:, 2]) < 7.5, :2], axis=1)
    assert radius.min() > 0.85 * RADIUS and radius.max() < 1.1 * RADIUS


def test_a_sac_with_a_branch_does_not_come_off(frame: Frame) -> None:
    points, triangles = frame.surface.points, frame.surface.triangles
    opened = triangles[~(points[triangles, 1] > MIDDLE + 0.8 * SAC).any(axis=1)]
    used, opened, kept = sf.compact(points, opened)
    of_points = {name: getattr(frame, name)[kept] for name in ("in_sac", "axis_mm", "axis_radius_mm")}
    with pytest.raises(MethodError, match="no branch"):
        without_sac(replace(frame, surface=Surface(used, opened), **of_points), NEUTRAL)
