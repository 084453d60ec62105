"""Viscosity models at their limits, and the lattice's relaxation table against them."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.numerics.rheology import relaxation_table, viscosity
from tests.bloods import CARREAU_YASUDA, CASSON


def test_newtonian_blood_does_not_thin() -> None:
    np.testing.assert_array_equal(viscosity(np.array([0.0, 1.0, 1e4]), "newtonian", {"viscosity": 0.0035}), 0.0035)


def test_carreau_yasuda_goes_between_its_limits() -> None:
    low, high = viscosity(np.array([1e-9, 1e9]), "carreau-yasuda", CARREAU_YASUDA)
    assert low == pytest.approx(0.056)
    assert high == pytest.approx(0.0035, rel=1e-3)


def test_the_roots_of_cassons_stress_and_rate_lie_on_a_line() -> None:
    rate = np.array([1.0, 10.0, 100.0, 1000.0])
    stress = viscosity(rate, "casson", CASSON) * rate
    np.testing.assert_allclose(np.sqrt(stress), np.sqrt(0.005) + np.sqrt(0.0035 * rate))


@pytest.mark.parametrize("subgrid", [0.0, 0.1])
@pytest.mark.parametrize(("model", "parameters"), [("carreau-yasuda", CARREAU_YASUDA), ("casson", CASSON)])
def test_the_table_gives_the_relaxation_of_the_shear_rate(model: str, parameters: dict[str, float], subgrid: float) -> None:
    """With Smagorinsky's eddies of (constant times spacing) squared times the rate."""
    density, spacing, step = 1060.0, 2e-4, 1e-5
    table = relaxation_table(model, parameters, density, spacing, step, subgrid)
    rate = np.geomspace(0.1, 5000.0, 40)
    kinematic = viscosity(rate, model, parameters) / density + (subgrid * spacing) ** 2 * rate
    tau = 0.5 + 3.0 * kinematic * step / spacing**2
    # What a cell holds at that rate: a squared stress of norm sqrt(2) tau rate / 3 in lattice units.
    square = (np.sqrt(2.0) / 3.0 * tau * rate * step) ** 2
    bits = square.astype(np.float32).view(np.int32).astype(np.int64) - table.first_bits
    row, part = bits >> table.shift, (bits & ((1 << table.shift) - 1)) / (1 << table.shift)
    keep = (1.0 - part) * table.keep[row] + part * table.keep[row + 1]
    np.testing.assert_allclose(1.0 / (1.0 - keep) - 0.5, tau - 0.5, rtol=0.01)
