"""The fit of the velocity beside the wall, and what it adds to the wall rule, on flows that are known."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.flow.setup import Domain, build_domain
from aneuflow.numerics.lattice.relaxation import PRODUCT
from aneuflow.numerics.lattice.velocity_set import VELOCITIES
from aneuflow.numerics.lattice.wall_fit import WallFits, wall_terms
from aneuflow.numerics.lattice.walls import Behind, behind, wall_coefficients
from aneuflow.types import WALL_PATCH, Blood, BoundaryConditions, InletCondition, OutletCondition
from aneuflow.verification.shapes import frame_along
from tests.flow.tubes import INLET, OUTLET, tube_model

RADIUS_MM, SPACING_MM, LENGTH_MM = 2.0, 0.2, 8.0
AXIS = frame_along(np.array([1.0, 2.0, 3.0]))[2]
TAU = 0.52


@pytest.fixture(scope="module")
def tube() -> Domain:
    model = tube_model(RADIUS_MM, LENGTH_MM, AXIS)
    outlet = OutletCondition(OUTLET, "pressure", pressure=0.0)
    blood = Blood(1060.0, "newtonian", {"viscosity": 0.0035})
    boundary = BoundaryConditions((InletCondition(INLET, 1.0, "parabolic"),), (outlet,), blood, None)
    return build_domain(model, boundary, SPACING_MM, 1)


def radius(points: np.ndarray) -> np.ndarray:
    return np.array(np.linalg.norm(points - (points @ AXIS)[:, None] * AXIS, axis=1))


def away_from_ends(domain: Domain) -> np.ndarray:
    height: np.ndarray = domain.voxels.points[np.unique(domain.voxels.link_cell[domain.links(WALL_PATCH)])] @ AXIS
    return np.asarray((height > 2.0) & (height < LENGTH_MM - 2.0))


def found(fits: WallFits, velocity: np.ndarray) -> np.ndarray:
    return np.einsum("nck,nk->nc", fits.weights_of(np.arange(len(fits.cells))), velocity[fits.cells])


def test_the_wall_lies_where_it_is_and_bends_as_it_does(tube: Domain) -> None:
    inside = away_from_ends(tube)
    cells = np.unique(tube.voxels.link_cell[tube.links(WALL_PATCH)])
    exact = (RADIUS_MM - radius(tube.voxels.points[cells])) / SPACING_MM
    np.testing.assert_allclose(tube.fits.distance[inside], exact[inside], atol=0.06)  # the tube is a polygon
    bend = np.trace(tube.fits.bend, axis1=1, axis2=2)[inside]
    assert np.median(bend) == pytest.approx(-SPACING_MM / RADIUS_MM, rel=0.15)
    assert np.abs(tube.fits.inward[inside] @ AXIS).max() < 0.05


def test_the_fit_finds_the_slope_and_bend_of_poiseuille_flow(tube: Domain) -> None:
    inside = away_from_ends(tube)
    r = radius(tube.voxels.points) / SPACING_MM
    size = RADIUS_MM / SPACING_MM
    coefficients = found(tube.fits, size**2 - r**2)[inside]  # = 2 R d - d^2
    assert np.median(coefficients[:, 0]) == pytest.approx(2.0 * size, rel=0.01)
    assert np.median(coefficients[:, 1]) == pytest.approx(-1.0, abs=0.15)


def test_nothing_is_missed_of_a_velocity_that_is_linear_on_a_flat_wall() -> None:
    rng = np.random.default_rng(0)
    n, inward = 200, np.array([0.36, 0.48, 0.8])
    direction = rng.integers(1, 27, n).astype(np.int32)
    slope = VELOCITIES[direction] @ inward
    direction, slope = direction[slope < -0.3], slope[slope < -0.3]
    distance = rng.uniform(0.05, 1.0, len(slope))  # of the wall along the link

    class Cells:
        link_direction = direction

    count = len(slope)
    fits = WallFits(
        np.arange(count, dtype=np.int32),
        np.zeros((count, 27), dtype=np.int32),
        np.zeros((count, 5, 27), dtype=np.int16),
        np.ones((count, 5), dtype=np.float32),
        -distance * slope,
        np.tile(inward, (count, 1)),
        np.zeros((count, 3, 3)),
        np.tile(np.array([[0.8, -0.6, 0.0], [0.48, 0.64, -0.6]]), (count, 1, 1)),
    )
    rear = Behind(np.full(count, 2, dtype=np.int32), np.full(count, np.inf))
    shares = wall_coefficients(distance.astype(np.float32), rear, TAU)
    terms = wall_terms(Cells(), np.arange(count), fits, shares, rear, TAU, PRODUCT)  # type: ignore[arg-type]
    np.testing.assert_allclose(terms[:, 0], 0.0, atol=1e-5)
    assert np.abs(terms[:, 1]).max() > 0.1  # and it is not that nothing is ever missed


def test_a_correction_is_never_larger_than_the_velocities_it_comes_from(tube: Domain) -> None:
    links = tube.links(WALL_PATCH)
    rear = behind(tube.voxels, links)
    shares = wall_coefficients(tube.voxels.link_distance[links], rear, TAU)
    terms = wall_terms(tube.voxels, links, tube.fits, shares, rear, TAU, PRODUCT)
    size = np.abs(np.einsum("nc,nck->nk", terms, tube.fits.weights_of(tube.fits.of_link))).sum(axis=1)
    assert size.max() <= 3.0 * 1.5 * 1.0001
    assert (size[rear.count < 2] == 0.0).all()


def test_nothing_is_added_where_the_lattice_is_hardly_viscous(tube: Domain) -> None:
    links = tube.links(WALL_PATCH)
    rear = behind(tube.voxels, links)
    shares = wall_coefficients(tube.voxels.link_distance[links], rear, 0.5025)
    assert not wall_terms(tube.voxels, links, tube.fits, shares, rear, 0.5025, PRODUCT).any()
