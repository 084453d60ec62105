"""Parametric vessels: open at their ends alone, oriented outward, without crossing walls."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics import surface as sf
from aneuflow.numerics.self_crossing import crossing_triangles
from aneuflow.surrogate.ideal import ideal_vessel


@pytest.mark.parametrize(("kind", "ends"), [("sidewall", 2), ("fork", 3)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_vessel_is_open_at_its_ends_alone(kind: str, ends: int, seed: int) -> None:
    made = ideal_vessel(kind, np.random.default_rng(seed))
    assert len(sf.boundary_loops(made.triangles)) == ends
    assert len(sf.nonmanifold_edges(made.triangles)) == 0
    assert sf.face_components(made.triangles).max() == 0
    assert sf.signed_volume(*sf.fill_openings(made.points, made.triangles)) > 100.0
    assert not crossing_triangles(*sf.merge_points(made.points, made.triangles)).any()


def test_the_same_seed_gives_the_same_vessel() -> None:
    one, other = (ideal_vessel("fork", np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.points, other.points)
    assert len(ideal_vessel("fork", np.random.default_rng(8)).points) != len(one.points)
