"""Repair: what can be put right is, and said; what cannot is refused in one sentence."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from aneuflow.errors import InputError
from aneuflow.geometry.repair import refine, repair
from aneuflow.numerics import surface as sf
from aneuflow.types import Surface
from tests import shapes


def _filled_volume(surface: Surface) -> float:
    return sf.signed_volume(*sf.fill_openings(surface.points, surface.triangles))


def test_a_clean_tube_stays_as_it_is() -> None:
    pipe = shapes.tube()
    clean, notes = repair(pipe)
    assert notes == ()
    assert len(clean.triangles) == len(pipe.triangles)


def test_inward_and_mixed_triangles_are_turned_outward() -> None:
    pipe = shapes.tube()
    mixed = np.concatenate([pipe.triangles[:500], pipe.triangles[500:, ::-1]])
    for triangles in (pipe.triangles[:, ::-1], mixed):
        clean, _ = repair(Surface(pipe.points, triangles))
        assert _filled_volume(clean) == pytest.approx(_filled_volume(pipe))


def test_stray_holes_are_filled_and_true_openings_are_kept() -> None:
    pipe = shapes.tube()
    clean, notes = repair(Surface(pipe.points, np.delete(pipe.triangles, 900, axis=0)))
    assert len(sf.boundary_loops(clean.triangles)) == 2
    assert [note.code for note in notes] == ["holes_filled"]


def test_crumbs_are_dropped_and_a_second_vessel_is_refused() -> None:
    pipe, crumb = shapes.tube(), shapes.sphere(0.5, 2)

    def both(other: Surface) -> Surface:
        far = other.points + 30.0
        return Surface(np.concatenate([pipe.points, far]), np.concatenate([pipe.triangles, other.triangles + len(pipe.points)]))

    clean, notes = repair(both(crumb))
    assert clean.points.max() < 20
    assert notes[0].code == "components_dropped"
    with pytest.raises(InputError, match="two vessels"):
        repair(both(pipe))


def test_a_few_nonmanifold_edges_are_repaired_and_many_are_refused() -> None:
    pipe = shapes.tube()
    fins = np.stack([pipe.triangles[:, 0], pipe.triangles[:, 1], np.roll(pipe.triangles[:, 2], 7)], axis=1)
    clean, notes = repair(Surface(pipe.points, np.concatenate([pipe.triangles, fins[900:901]]).astype(np.int32)))
    assert "nonmanifold_removed" in [note.code for note in notes]
    assert not len(sf.nonmanifold_edges(clean.triangles))
    with pytest.raises(InputError, match="more than two triangles"):
        repair(Surface(pipe.points, np.concatenate([pipe.triangles, fins[::2]]).astype(np.int32)))


def test_separate_corners_are_joined() -> None:
    pipe = shapes.tube()
    soup = Surface(
        pipe.points[pipe.triangles].reshape(-1, 3), np.arange(3 * len(pipe.triangles), dtype=np.int32).reshape(-1, 3)
    )
    assert len(repair(soup)[0].points) == len(pipe.points)


def test_too_few_triangles_are_refused() -> None:
    pipe = shapes.tube()
    with pytest.raises(InputError, match="too few"):
        repair(Surface(pipe.points, pipe.triangles[:3]))


def test_refinement_reaches_the_edge_and_keeps_the_volume() -> None:
    coarse = shapes.tube(edge=0.6)
    fine, notes = refine(coarse, 0.3)
    assert np.median(sf.edge_lengths(fine.points, fine.triangles)) < 0.345
    assert _filled_volume(fine) == pytest.approx(_filled_volume(coarse), rel=1e-3)
    assert abs(notes[0].values["loss_percent"]) < 0.1
    assert refine(fine, 0.3) == (fine, ())


def test_a_sliver_leaves_no_gap_and_no_point_without_a_normal() -> None:
    """A corner on another triangle's edge, with a triangle without area between them, as meshing programs export it."""
    sphere = trimesh.creation.icosphere(subdivisions=3, radius=5.0)
    points = np.vstack([sphere.vertices, sphere.vertices[sphere.faces[7][:2]].mean(axis=0)])
    a, b, c = sphere.faces[7]
    middle = len(points) - 1
    triangles = np.vstack([np.delete(sphere.faces, 7, axis=0), [[a, middle, c], [middle, b, c], [a, b, middle]]])
    repaired, notes = repair(Surface(points, triangles.astype(np.int32)))
    assert notes == ()
    assert sf.is_closed(repaired.triangles)
    assert sf.face_areas(repaired.points, repaired.triangles).min() > 1e-3
    assert sf.signed_volume(repaired.points, repaired.triangles) == pytest.approx(sphere.volume, rel=1e-9)
