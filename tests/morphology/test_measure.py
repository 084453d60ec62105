"""The stage on whole models: a sphere on a tube, a vessel without sac, one that lies elsewhere, a real segment."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.errors import MethodError
from aneuflow.geometry.sac import find_aneurysm
from aneuflow.morphology import MorphologySettings, measure
from aneuflow.quantities import quantity
from aneuflow.types import Cap, Centerline, LumenModel, Note, PatchedSurface, Surface
from tests.sac_shapes import straight

TUBE, SPHERE, MIDDLE = 1.5, 2.5, 3.5


@cache
def model(sac: bool = True, scale: float = 1.0, turned: bool = False) -> LumenModel:
    lumen, caps = straight(radius=TUBE, sac=(MIDDLE, SPHERE) if sac else None)
    turn = Rotation.from_euler("xyz", [30, 40, -60], degrees=True).as_matrix() if turned else np.eye(3)
    surface = Surface(scale * lumen.surface.points @ turn.T, lumen.surface.triangles)
    caps = tuple(
        Cap(c.id, c.role, scale * turn @ c.center_mm, turn @ c.normal, scale**2 * c.area_mm2, scale * c.radius_mm) for c in caps
    )
    patched = PatchedSurface(surface, lumen.patch, lumen.region)
    found = find_aneurysm(patched, caps)
    z = np.linspace(-8, 8, 161)
    axis = scale * np.stack([0 * z, 0 * z, z], axis=1) @ turn.T
    line = Centerline(1, 2, axis, np.full(len(z), scale * TUBE))
    return LumenModel(found.lumen, caps, (line,), found.aneurysm, found.lumen, caps)


def values(model: LumenModel, settings: MorphologySettings | None = None) -> dict[str, float]:
    return {entry.id: entry.value for entry in measure(model, settings or MorphologySettings()).measures}


def true_neck() -> np.ndarray:
    """The curve in which sphere and tube meet, (2000, 3)."""
    limit = np.arccos((MIDDLE**2 + TUBE**2 - SPHERE**2) / (2 * TUBE * MIDDLE))
    turn = limit * np.sin(np.linspace(0, 2 * np.pi, 2001)[:-1])
    square = np.maximum(SPHERE**2 - TUBE**2 - MIDDLE**2 + 2 * TUBE * MIDDLE * np.cos(turn), 0)
    side = np.sign(np.cos(np.linspace(0, 2 * np.pi, 2001)[:-1]))
    return np.stack([TUBE * np.sin(turn), TUBE * np.cos(turn), side * np.sqrt(square)], axis=1)


def test_sphere_on_a_tube_has_its_measures() -> None:
    found = values(model())
    neck = true_neck()
    following = np.roll(neck, -1, axis=0)
    # The curve is seen along y; its area's centroid and its mean diameter follow from the polar form about it.
    share = 0.5 * (neck[:, 2] * following[:, 0] - neck[:, 0] * following[:, 2])
    level = float((share * (neck[:, 1] + following[:, 1]) / 2).sum() / share.sum())
    # The longest chord ends on the neck line, which is found to about one edge of the surface (0.2 mm).
    assert found["maximum_diameter"] == pytest.approx(2 * SPHERE, rel=0.04)
    assert found["width"] == pytest.approx(2 * SPHERE, rel=0.02)
    assert found["height"] == pytest.approx(MIDDLE + SPHERE - level, rel=0.02)
    assert found["maximum_height"] == pytest.approx(MIDDLE + SPHERE - level, rel=0.02)
    angle = np.arctan2(neck[:, 2], neck[:, 0])
    order = np.argsort(angle)
    reach = np.interp(np.linspace(-3.1, 3.1, 720), angle[order], np.hypot(neck[:, 0], neck[:, 2])[order])
    # The surface of 0.2 mm edges chamfers the crease, which moves the neck outward by up to an edge.
    assert found["neck_diameter"] == pytest.approx(2 * reach.mean(), abs=0.3)
    assert found["parent_diameter"] == pytest.approx(2 * TUBE, rel=0.02)
    assert found["inflow_angle"] == pytest.approx(90, abs=2)
    assert found["outflow_angle"] == pytest.approx(90, abs=2)
    assert found["undulation_index"] < 0.02


def test_every_value_lies_within_its_interval_and_is_in_the_registry() -> None:
    for entry in measure(model(), MorphologySettings()).measures:
        assert quantity(entry.id).group in ("sac", "vessel")
        if entry.low is not None and entry.high is not None:
            assert entry.low <= entry.value <= entry.high


def test_interval_of_a_sphere_follows_from_its_walls_uncertainty() -> None:
    """A wall of standard deviation s has a diameter of up to 2 s, less where opposite walls move independently."""
    settings = MorphologySettings(surface_uncertainty_mm=0.2, neck_uncertainty_mm=0.0, resampling_pairs=25)
    entry = next(m for m in measure(model(), settings).measures if m.id == "width")
    assert entry.high is not None and entry.low is not None
    assert 1.645 * 0.2 * 2 * 0.7 < 0.5 * (entry.high - entry.low) < 1.645 * 0.2 * 2 * 1.1


def test_every_measure_but_none_of_an_exact_model_has_an_interval() -> None:
    for entry in measure(model(), MorphologySettings()).measures:
        assert entry.low is not None and entry.high is not None, entry.id
        assert entry.high > entry.low or entry.id == "bleb_count", entry.id
    exact = MorphologySettings(surface_uncertainty_mm=0.0, neck_uncertainty_mm=0.0)
    sure = model()
    assert sure.aneurysm is not None
    ostium = dataclasses.replace(sure.aneurysm.ostium, confidence=1.0)
    sure = dataclasses.replace(sure, aneurysm=dataclasses.replace(sure.aneurysm, ostium=ostium))
    assert all(entry.low is None for entry in measure(sure, exact).measures)


def test_intervals_are_the_same_on_every_call() -> None:
    few = MorphologySettings(resampling_pairs=4)
    assert measure(model(), few) == measure(model(), few)


def test_larger_voxels_widen_the_intervals() -> None:
    note = Note("surface_from_labels", {"spacing_mm": 0.9, "loss_percent": 0.0})
    from_voxels = dataclasses.replace(model(), notes=(note,))
    sure_neck = MorphologySettings(neck_uncertainty_mm=0.0, resampling_pairs=8)
    first = {m.id: m for m in measure(model(), sure_neck).measures}
    second = {m.id: m for m in measure(from_voxels, sure_neck).measures}
    for name in ("width", "parent_diameter", "lumen_volume"):
        assert second[name].high - second[name].low == pytest.approx(2 * (first[name].high - first[name].low), rel=0.15), name


def test_less_sure_neck_widens_the_intervals() -> None:
    sure = model()
    assert sure.aneurysm is not None
    ostium = dataclasses.replace(sure.aneurysm.ostium, confidence=0.4)
    unsure = dataclasses.replace(sure, aneurysm=dataclasses.replace(sure.aneurysm, ostium=ostium))
    first = {m.id: m for m in measure(sure, MorphologySettings()).measures}
    second = {m.id: m for m in measure(unsure, MorphologySettings()).measures}
    for name in ("neck_diameter", "height", "aspect_ratio", "sac_volume"):
        before, after = first[name], second[name]
        assert after.value == before.value
        assert after.high - after.low > before.high - before.low, name


def test_lengths_scale_and_indices_do_not() -> None:
    one, two = values(model()), values(model(scale=1.5, turned=True))
    for name in ("maximum_diameter", "height", "neck_diameter", "parent_diameter", "centerline_length"):
        assert two[name] == pytest.approx(1.5 * one[name], rel=0.03), name
    for name in ("aspect_ratio", "size_ratio", "bottleneck_factor"):
        assert two[name] == pytest.approx(one[name], rel=0.03), name
    for name in ("nonsphericity_index", "ellipticity_index", "undulation_index"):
        assert two[name] == pytest.approx(one[name], abs=0.01), name
    for name in ("inflow_angle", "outflow_angle"):
        assert two[name] == pytest.approx(one[name], abs=2), name


def test_vessel_without_aneurysm_has_the_vessels_measures_alone() -> None:
    found = values(model(sac=False))
    assert set(found) == {"inlet_diameter", "minimum_diameter", "lumen_volume", "lumen_area", "centerline_length", "tortuosity"}
    assert found["minimum_diameter"] == pytest.approx(2 * TUBE)
    assert found["tortuosity"] == pytest.approx(0, abs=1e-6)


def test_measure_that_is_no_number_stops_the_stage() -> None:
    healthy = model(sac=False)
    line = dataclasses.replace(healthy.centerlines[0], radius_mm=np.full(161, np.nan))
    with pytest.raises(MethodError, match="minimum_diameter"):
        measure(dataclasses.replace(healthy, centerlines=(line,)), MorphologySettings())
