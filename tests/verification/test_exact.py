"""The exact flows that the solver is held against, against each other and against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.types import Blood
from aneuflow.verification.bend import friction_manlapaz, friction_white
from aneuflow.verification.exact import (
    flow_ml_s,
    poiseuille_shear_pa,
    poiseuille_velocity,
    power_law_shear_pa,
    thinning_flow,
)
from aneuflow.verification.poiseuille import observed_order
from aneuflow.verification.refinement import richardson
from aneuflow.verification.thinning import BLOODS, CONSISTENCY, EXPONENT

NEWTONIAN = Blood(1060.0, "newtonian", {"viscosity": 0.0035})
RADIUS_MM, FLOW_ML_S = 2.0, 1.3


def test_the_one_dimensional_solution_of_newtonian_blood_is_poiseuilles() -> None:
    radii, velocity, shear = thinning_flow(NEWTONIAN, RADIUS_MM, FLOW_ML_S)
    assert shear == pytest.approx(poiseuille_shear_pa(FLOW_ML_S, RADIUS_MM, 0.0035), rel=1e-4)
    np.testing.assert_allclose(velocity, poiseuille_velocity(FLOW_ML_S, RADIUS_MM, radii), atol=1e-4 * velocity.max())


def test_the_power_law_between_the_plateaus_is_the_closed_form() -> None:
    shear = thinning_flow(BLOODS["power-law"], RADIUS_MM, FLOW_ML_S)[2]
    assert shear == pytest.approx(power_law_shear_pa(CONSISTENCY, EXPONENT, RADIUS_MM, FLOW_ML_S), rel=0.03)


def test_casson_flow_has_its_yield_stress() -> None:
    """Merrill's law in closed form: the velocity's slope at the wall is (sqrt(tau) - sqrt(tau_y))^2 / mu."""
    radii, velocity, shear = thinning_flow(BLOODS["casson"], RADIUS_MM, FLOW_ML_S)
    slope = -(velocity[-1] - velocity[-2]) / (1e-3 * (radii[-1] - radii[-2]))
    assert slope == pytest.approx((np.sqrt(shear) - np.sqrt(0.005)) ** 2 / 0.0035, rel=0.01)


def test_reynolds_number_of_the_flow() -> None:
    flow = flow_ml_s(100.0, RADIUS_MM, NEWTONIAN)
    mean = 1e-6 * flow / (np.pi * (1e-3 * RADIUS_MM) ** 2)
    assert 1060.0 * mean * 2e-3 * RADIUS_MM / 0.0035 == pytest.approx(100.0)


@pytest.mark.parametrize("dean", [30.0, 50.0, 70.0])
def test_the_correlations_of_curved_tubes_agree(dean: float) -> None:
    assert friction_white(dean) == pytest.approx(friction_manlapaz(dean, 0.0), rel=0.04)


def test_order_and_extrapolation_of_a_second_order_series() -> None:
    grids = [0.2, 0.15, 0.1]
    values = [3.0 - 4.0 * h**2 for h in grids]
    assert richardson(grids, values) == pytest.approx((3.0, 2.0), rel=1e-6)
    assert observed_order([1.0 / h for h in grids], [3.0 - v for v in values]) == pytest.approx(2.0)


def test_values_that_swing_have_no_order() -> None:
    value, order = richardson([0.2, 0.15, 0.1], [1.0, 1.1, 1.05])
    assert np.isnan(order)
    assert value == pytest.approx(0.95)
