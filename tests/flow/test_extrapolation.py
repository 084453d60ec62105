"""Leading a steady flow to where it is heading."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.flow.extrapolation import Moment, apart, heading
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.types import BoundaryConditions, InletCondition, OutletCondition
from aneuflow.verification.shapes import frame_along
from tests.flow.trees import BLOOD
from tests.flow.tubes import INLET, OUTLET, tube_model


def swinging(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Moments of what swings, creeps and decays about a limit, and the limit."""
    rng = np.random.default_rng(3)
    limit, a, b, creep, decay = rng.normal(size=(5, 40))
    at = np.arange(count)[:, None]
    wave = 0.9**at * (a * np.cos(0.7 * at) + b * np.sin(0.7 * at))
    return limit + wave + 0.75**at * creep + 0.2**at * decay, limit


def test_a_linear_state_of_few_parts_is_led_to_its_limit() -> None:
    moments, limit = swinging(6)
    weights = heading(np.diff(moments, axis=0))
    assert weights.sum() == pytest.approx(1.0)
    assert np.abs(moments[-1] - limit).max() > 0.5
    np.testing.assert_allclose(weights @ moments[1:], limit, atol=1e-3)


def test_with_too_few_moments_it_still_comes_nearer() -> None:
    moments, limit = swinging(5)
    weights = heading(np.diff(moments, axis=0))
    assert np.linalg.norm(weights @ moments[1:] - limit) < 0.5 * np.linalg.norm(moments[-1] - limit)


def test_what_does_not_change_stays() -> None:
    assert heading(np.zeros((3, 5))) == pytest.approx(np.full(3, 1 / 3))


def test_moments_of_like_means_are_apart_where_their_velocities_are() -> None:
    fields = np.random.default_rng(5).normal(size=(4, 50)).astype(np.float32)
    shuffled = np.concatenate([fields[:1], fields[1:, ::-1]])
    monitors = np.array([3.0, 0.2, 1.5])
    here, there = (Moment(each, np.empty(0), monitors) for each in (fields, shuffled))
    assert apart(here, here) == 0.0
    assert apart(there, here) == pytest.approx(np.linalg.norm(fields[1:, ::-1] - fields[1:]) / np.linalg.norm(fields[1:]))
    assert apart(here._replace(monitors=monitors * [1.0, 1.1, 1.0]), here) == pytest.approx(0.1)


def test_a_flow_led_is_the_flow_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    axis = frame_along(np.array([1.0, 2.0, 3.0]))[2]
    model = tube_model(1.5, 9.0, axis)
    boundary = BoundaryConditions(
        (InletCondition(INLET, 1.5, "plug"),), (OutletCondition(OUTLET, "pressure", pressure=0.0),), BLOOD, None
    )
    settings = FlowSettings(resolution_mm=0.25, steady=True, convergence_percent=0.2, threads=1)
    led = simulate(model, boundary, settings)
    monkeypatch.setattr("aneuflow.flow.steady._MOST_ROUNDS", 0)
    run_out = simulate(model, boundary, settings)
    assert led.numerics["converged"] and run_out.numerics["converged"]
    apart = led.wall_fields["TAWSS"] - run_out.wall_fields["TAWSS"]
    assert np.linalg.norm(apart) < 1e-3 * np.linalg.norm(run_out.wall_fields["TAWSS"])
    assert led.numerics["steps"] <= run_out.numerics["steps"]
