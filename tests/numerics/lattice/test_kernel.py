"""The C++ kernel against the same step written out in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.lattice import core
from aneuflow.numerics.lattice.equilibrium import equilibrium
from aneuflow.numerics.lattice.velocity_set import OPPOSITE, VELOCITIES, WEIGHTS

SHAPE = (7, 6, 5)
TAU = 0.56
KEEP_THIRD = 0.3


def closed_box() -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (n, 3) of a box of cells, x fastest, and neighbors (26, n) with walls all around."""
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), -1).transpose(2, 1, 0, 3).reshape(-1, 3)
    number = -np.ones([n + 2 for n in SHAPE], dtype=np.int32)
    number[tuple((cells + 1).T)] = np.arange(len(cells))
    return cells, np.stack([number[tuple((cells + 1 + c).T)] for c in VELOCITIES[1:]]).astype(np.int32)


def collided(f: np.ndarray) -> np.ndarray:
    """Third-order recursive regularised collision by its 27 Hermite moments, term by term."""
    c = VELOCITIES.astype(float)
    rho, j = f.sum(axis=0), np.einsum("in,ia->na", f, c)
    neq = np.einsum("in,ia,ib->nab", f, c, c) - rho[:, None, None] * np.eye(3) / 3 - np.einsum("na,nb->nab", j, j)
    neq -= np.trace(neq, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    eye = np.eye(3)
    h2 = np.einsum("ia,ib->iab", c, c) - eye / 3
    h3 = (
        np.einsum("ia,ib,ic->iabc", c, c, c)
        - (np.einsum("ia,bc->iabc", c, eye) + np.einsum("ib,ac->iabc", c, eye) + np.einsum("ic,ab->iabc", c, eye)) / 3
    )
    # c^3 = c on a lattice: the moments xxx, yyy and zzz are the momentum's, not free ones.
    for a in range(3):
        h3[:, a, a, a] = 0

    def following(stress: np.ndarray) -> np.ndarray:
        mixed = sum(np.einsum(f"na,nbc->n{order}", j, stress) for order in ("abc", "bac", "bca"))
        return np.einsum("na,nb,nc->nabc", j, j, j) + mixed

    left = (1 - 1 / TAU) * neq
    second = np.einsum("na,nb->nab", j, j) + left
    third = following(left) + KEEP_THIRD * (np.einsum("in,iabc->nabc", f, h3) - following(neq))
    total = rho + 3 * np.einsum("ia,na->in", c, j) + 4.5 * np.einsum("iab,nab->in", h2, second)
    return WEIGHTS[:, None] * (total + 4.5 * np.einsum("iabc,nabc->in", h3, third))


def streamed(f: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    out = np.empty_like(f)
    out[0] = f[0]
    for i in range(1, 27):
        inside = neighbors[i - 1] >= 0
        out[i, neighbors[i - 1, inside]] = f[i, inside]
        out[OPPOSITE[i], ~inside] = f[i, ~inside]
    return out


@pytest.fixture(scope="module")
def state() -> tuple[np.ndarray, np.ndarray]:
    cells, neighbors = closed_box()
    rng = np.random.default_rng(1)
    f = equilibrium(0.01 * rng.normal(size=len(cells)), 0.05 * rng.normal(size=(len(cells), 3)))
    return (f + 1e-3 * WEIGHTS[:, None] * rng.normal(size=f.shape)).astype(np.float32), neighbors


def test_two_steps_equal_numpys(state: tuple[np.ndarray, np.ndarray]) -> None:
    f, neighbors = state
    lattice = core.Lattice(core.Streaming(neighbors))
    lattice.populations = f
    lattice.set_newtonian(TAU, KEEP_THIRD)
    lattice.run(1, 1.0, 1.0, 0.0, 0.0, 1)
    wanted = f.astype(np.float64)
    for _ in range(2):
        wanted = streamed(collided(wanted), neighbors)
    np.testing.assert_allclose(lattice.populations, wanted, atol=2e-7)


def test_a_closed_box_keeps_its_mass(state: tuple[np.ndarray, np.ndarray]) -> None:
    f, neighbors = state
    lattice = core.Lattice(core.Streaming(neighbors))
    lattice.populations = f
    lattice.set_newtonian(TAU, KEEP_THIRD)
    lattice.run(50, 1.0, 1.0, 0.0, 0.0, 2)
    assert lattice.populations.sum(dtype=np.float64) == pytest.approx(f.sum(dtype=np.float64), abs=1e-5)


def test_equilibrium_has_its_moments() -> None:
    density, velocity = np.array([0.01, -0.02]), np.array([[0.05, 0.01, -0.03], [0.0, 0.1, 0.02]])
    f = equilibrium(density, velocity).astype(np.float64)
    np.testing.assert_allclose(f.sum(axis=0), density, atol=1e-7)
    np.testing.assert_allclose(f.T @ VELOCITIES, velocity, atol=1e-7)
