"""The definitions on a sphere whose fields are made so that area and place of each region are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import trimesh

from aneuflow.numerics.surface import vertex_areas
from aneuflow.numerics.surface_fields import surface_divergence
from aneuflow.risk.clinical import Number
from aneuflow.risk.regions import DEFINITIONS, Wall, find_regions, reach_of, region_totals
from aneuflow.risk.settings import GradeSettings
from aneuflow.types import Surface

RADIUS = 3.0
SETTINGS = GradeSettings(samples=24)


def cap_area(height: float) -> float:
    return 2.0 * np.pi * RADIUS * height


@pytest.fixture(scope="module")
def wall() -> Wall:
    """A sphere: the sac above z = -1, the parent artery below, all with quiet flow."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    points, triangles = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int32)
    z = points[:, 2]
    sac = z > -1.0
    return Wall(
        surface=Surface(points, triangles),
        areas=vertex_areas(points, triangles),
        sac=sac,
        near=~sac,
        tawss=np.where(sac, 1.5, 2.0 + 0.1 * np.sin(9 * points[:, 0])),
        osi=np.full(len(points), 0.01),
        rrt=np.where(sac, 0.6, 0.5),
        pressure=np.zeros(len(points)),
        divergence=np.zeros(len(points)),
        blebs=None,
        radius_mm=1.5,
        reach=reach_of(points, triangles, sac),
    )


def test_quiet_flow_has_no_region(wall: Wall) -> None:
    found = find_regions(wall, SETTINGS)
    assert found.regions == () and set(found.not_looked_for) == {"bleb_region"}
    share = region_totals(wall, found)["low_oscillating_share"]
    assert share.low == share.value == share.high == 0.0


def test_low_and_oscillating_shear_on_a_cap(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6
    marked = replace(wall, tawss=np.where(cap, 0.2, wall.tawss), osi=np.where(cap, 0.35, wall.osi))
    found = find_regions(marked, SETTINGS)
    region = found.regions[0]
    assert region.kind == "low_oscillating_region" and region.place == "dome" and region.stability == 1.0
    values = {measure.id: measure.value for measure in region.values}
    assert values["low_oscillating_region"] == pytest.approx(cap_area(0.6), rel=0.08)
    assert values["region_tawss"] == pytest.approx(0.2) and values["region_osi"] == pytest.approx(0.35)
    assert np.linalg.norm(np.asarray(region.center_mm) - [0, 0, RADIUS]) < 0.2
    assert {other.kind for other in found.regions} == {"low_oscillating_region", "low_shear_region"}


def test_the_tip_of_a_sac_that_turns_back_is_its_farthest_point() -> None:
    ring = trimesh.creation.torus(5.0, 1.0, major_sections=90, minor_sections=24)
    turn = np.degrees(np.arctan2(ring.vertices[:, 1], ring.vertices[:, 0])) % 360.0
    ring.update_faces(~np.any((turn[ring.faces] > 230.0) & (turn[ring.faces] < 330.0), axis=1))
    ring.remove_unreferenced_vertices()
    points, turn = np.asarray(ring.vertices), np.degrees(np.arctan2(ring.vertices[:, 1], ring.vertices[:, 0])) % 360.0
    reach = reach_of(points, np.asarray(ring.faces), turn < 300.0)
    assert turn[np.argmax(reach)] > 220.0 and turn[np.argmax(points[:, 1])] == pytest.approx(90.0, abs=5.0)
    top = np.abs(turn - 90.0) < 3.0
    assert reach[top].max() < 0.6 and reach[turn > 300.0].max() == 0.0


def test_neither_low_nor_oscillating_shear_alone_makes_that_region(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6
    only_low = replace(wall, tawss=np.where(cap, 0.2, wall.tawss))
    only_swing = replace(wall, tawss=np.where(wall.sac, 2.0, wall.tawss), osi=np.where(cap, 0.35, wall.osi))
    assert not any(region.kind == "low_oscillating_region" for region in find_regions(only_low, SETTINGS).regions)
    assert find_regions(only_swing, SETTINGS).regions == ()


def test_a_patch_under_one_square_millimeter_is_no_region_and_the_parent_is_never_one(wall: Wall) -> None:
    dot = wall.surface.points[:, 2] > RADIUS - 0.03
    assert cap_area(0.03) < 1.0
    assert find_regions(replace(wall, tawss=np.where(dot, 0.1, wall.tawss)), SETTINGS).regions == ()
    low_parent = replace(wall, tawss=np.where(wall.surface.points[:, 2] < -2.0, 0.1, wall.tawss))
    assert find_regions(low_parent, SETTINGS).regions == ()


def test_two_patches_are_two_regions_largest_first(wall: Wall) -> None:
    x = wall.surface.points[:, 0]
    found = find_regions(replace(wall, tawss=np.where((x > 2.5) | (x < -2.2), 0.1, wall.tawss)), SETTINGS)
    assert [region.kind for region in found.regions] == ["low_shear_region"] * 2
    assert found.regions[0].center_mm[0] < 0 < found.regions[1].center_mm[0]
    assert not (found.members[0] & found.members[1]).any()


def test_an_unstable_total_has_an_interval_down_to_nothing(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6

    def total(shear_pa: float) -> Number:
        marked = replace(wall, tawss=np.where(cap, shear_pa, wall.tawss))
        return region_totals(marked, find_regions(marked, SETTINGS))["low_shear_region"]

    far, near, over = total(0.05), total(0.38), total(0.42)
    assert far.low == far.value == far.high == pytest.approx(cap_area(0.6), rel=0.08)
    assert near.low < 0.2 * near.value and near.high == pytest.approx(near.value)
    assert over.value == 0.0 and over.high > 1.0


def test_a_region_over_most_of_the_sac_has_no_place_on_it(wall: Wall) -> None:
    low = replace(wall, tawss=np.where(wall.sac, 0.2, wall.tawss))
    region = find_regions(low, SETTINGS).regions[0]
    assert region.place == "sac" and {m.id: m.value for m in region.values}["region_share"] == pytest.approx(100.0)


def test_a_region_at_the_limit_is_less_stable_than_one_far_below_it(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6
    far, near = (
        find_regions(replace(wall, tawss=np.where(cap, value, wall.tawss)), SETTINGS).regions[0].stability
        for value in (0.05, 0.38)
    )
    assert far == 1.0 and 0.2 < near < 0.9


def test_steady_flow_has_the_definitions_that_apply(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6
    found = find_regions(replace(wall, osi=None, rrt=None, tawss=np.where(cap, 0.2, wall.tawss)), SETTINGS)
    assert {region.kind for region in found.regions} == {"low_shear_region"}
    assert set(found.not_looked_for) == {"low_oscillating_region", "high_residence_region", "bleb_region"}
    assert "low_oscillating_share" not in region_totals(wall, found)


def test_a_jet_that_strikes_the_dome(wall: Wall) -> None:
    points, triangles = wall.surface.points, wall.surface.triangles
    axis, normals = np.array([0.0, 0.0, 1.0]), points / RADIUS
    distance = RADIUS * np.arccos(np.clip(normals[:, 2], -1, 1))
    outward = normals[:, 2, None] * normals - axis
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12)
    shear = 8.0 * distance * np.exp(-((distance / 1.2) ** 2))
    jet = replace(
        wall,
        tawss=np.where(wall.sac, np.maximum(shear, 0.6), wall.tawss),
        pressure=300.0 * np.exp(-((distance / 1.5) ** 2)),
        divergence=surface_divergence(points, triangles, shear[:, None] * outward),
    )
    regions = [region for region in find_regions(jet, SETTINGS).regions if region.kind == "impingement_region"]
    assert len(regions) == 1 and regions[0].place == "dome" and regions[0].stability > 0.9
    assert np.linalg.norm(np.asarray(regions[0].center_mm) - RADIUS * axis) < 0.3
    toward = replace(jet, divergence=-jet.divergence)
    pole = int(np.argmax(points[:, 2]))
    assert find_regions(jet, SETTINGS).flags["impingement_region"][pole]
    assert not find_regions(toward, SETTINGS).flags["impingement_region"][pole]


def test_blebs_come_from_the_shape_measures(wall: Wall) -> None:
    bleb = wall.surface.points[:, 0] > 2.85
    regions = find_regions(replace(wall, blebs=bleb & wall.sac), SETTINGS).regions
    assert [region.kind for region in regions] == ["bleb_region"]
    assert regions[0].values[0].value == pytest.approx(cap_area(0.15), rel=0.15)


def test_regions_do_not_depend_on_the_frame(wall: Wall) -> None:
    cap = wall.surface.points[:, 2] > RADIUS - 0.6
    turn = trimesh.transformations.random_rotation_matrix(np.array([0.1, 0.7, 0.4]))[:3, :3]
    low = replace(wall, tawss=np.where(cap, 0.2, wall.tawss))
    turned = replace(low, surface=Surface(wall.surface.points @ turn.T + 50.0, wall.surface.triangles))
    ours, theirs = (find_regions(each, SETTINGS).regions[0] for each in (low, turned))
    assert ours.values[0].value == pytest.approx(theirs.values[0].value)
    assert np.asarray(theirs.center_mm) == pytest.approx(turn @ np.asarray(ours.center_mm) + 50.0, abs=1e-6)


def test_every_definition_has_its_entry_in_the_registry() -> None:
    from aneuflow.quantities import quantity

    assert all(quantity(kind).unit == "mm2" and quantity(kind).source for kind in DEFINITIONS)
