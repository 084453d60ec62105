"""The steady flow: run until it has settled."""

from __future__ import annotations

import numpy as np

from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.convergence import checks_left, settled, wavers_about_a_mean
from aneuflow.flow.problem import ATTEMPTS, Problem, Solved, raised
from aneuflow.flow.result import Averages
from aneuflow.flow.run import Run, Start, TooFast
from aneuflow.types import BoundaryConditions, LumenModel, Progress

CHECKS_PER_FLOW_THROUGH = 4
_WINDOW = 2  # of these; what changes in it is taken to go on at that rate for a whole flow-through, which transients do not
_MOST_FLOW_THROUGHS = 8
_FEWEST_PAIRS = 25
_INSIDE = 1.3  # of the highest speed in the lumen over that in its openings, as a first guess
# Of the tolerance, what a shear may change: a slow sac has still some three times the change of the last flow-through before
# it. The lumen's energy and pressure loss have not; in trees with many outlets they waver by tenths of a percent for ever.
_PART_FOR_SHEAR = 0.25


def settle(problem: Problem, start: Start | None, state: SolverState | None, progress: Progress) -> Solved:
    """Runs from `state`, `start` or rest until wall shear, energy and pressure loss change little in a flow-through.

    Where they swing about means that stay, for there is no steady flow, the averages are those of the last flow-through.
    Raises MethodError where the flow outruns ever shorter time steps.
    """
    speed = _INSIDE * opening_speed(problem.model, problem.boundary) if start is None else start.speed
    for _ in range(ATTEMPTS):
        run = problem.begin(problem.time_step_s(speed), start) if state is None else problem.resumed(state)
        try:
            return _until_settled(problem, run, state, start is None, progress)
        except TooFast as stopped:
            speed, state = raised(max(speed, run.peak * run.units.velocity), stopped), None
            if np.isfinite(stopped.speed):
                start = run.to_start(speed)
    raise problem.unstable()


def _until_settled(problem: Problem, run: Run, state: SolverState | None, at_rest: bool, progress: Progress) -> Solved:
    inflow = sum(inlet.mean_flow_ml_s for inlet in problem.boundary.inlets) / run.units.flow_ml_s
    through = run.domain.voxels.count / inflow
    pairs = max(_FEWEST_PAIRS, round(through / CHECKS_PER_FLOW_THROUGH / 2))
    throughs = _WINDOW / CHECKS_PER_FLOW_THROUGH
    accepted = 0.01 * problem.settings.convergence_percent
    history: list[tuple[float, ...]] = []
    averages = Averages.empty()
    if state is not None:
        history = [tuple(row) for row in state.arrays["history"]]
        averages = Averages.restored(state.arrays)
    elif at_rest:
        run.advance(pairs // 2, ramp=(0.0, 1.0))
    done, wavers, change = False, False, float("inf")
    while not done and not wavers and len(history) < CHECKS_PER_FLOW_THROUGH * _MOST_FLOW_THROUGHS:
        if len(history) % CHECKS_PER_FLOW_THROUGH == 0:
            averages = Averages.empty()
        run.advance(pairs)
        history.append(_monitors(problem, run))
        averages.add(problem.sampler.sample(run), peak=True)
        parts = np.where(np.arange(len(history[-1])) < 2, 1.0, _PART_FOR_SHEAR)
        done, change, _ = settled(history, _WINDOW, throughs * accepted * parts)
        if len(history) % CHECKS_PER_FLOW_THROUGH == 0:
            wavers = wavers_about_a_mean(history, CHECKS_PER_FLOW_THROUGH, accepted * np.ones_like(parts), accepted * parts)
        kept = {"history": np.asarray(history), **averages.arrays()}
        problem.save(lambda k=kept: run.state({}, k))  # type: ignore[misc]
        left = checks_left(history, _WINDOW, throughs * accepted * parts)
        progress(len(history) / (len(history) + (0 if done or wavers else left)), "flow, steady")
    if done:
        averages = Averages.empty()
        averages.add(problem.sampler.sample(run), peak=True)
    reached = {
        "cycles": 0,
        "converged": done or wavers,
        "wavers": wavers and not done,
        "change_percent": 100.0 * change / throughs,
        "mass_imbalance_percent": 100.0 * abs(float(run.outflow.sum() / run.inflow.sum()) - 1.0),
    }
    return Solved(run, averages.as_one(), reached)


def _monitors(problem: Problem, run: Run) -> tuple[float, ...]:
    """Kinetic energy and pressure loss in lattice units, mean wall shear of wall and sac in Pa."""
    fields = run.lattice.fields(run.threads)
    energy = float((fields[1:4].astype(np.float64) ** 2).sum())
    loss = float(np.ptp(np.percentile(fields[0], (1, 99))))
    return energy, loss, *problem.sampler.mean_shears(fields[1:4].T * np.float32(run.units.velocity))


def opening_speed(model: LumenModel, boundary: BoundaryConditions) -> float:
    """Highest velocity in the openings, m/s, at mean flow: twice their mean, as on the axis of a tube.

    Outlets whose share is not given are taken to share what is left by their areas.
    """
    areas = {cap.id: cap.area_mm2 for cap in model.extended_caps}
    total = sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)
    open_ids = [outlet.cap_id for outlet in boundary.outlets if outlet.flow_share is None and outlet.cap_id in areas]
    left = total * (1.0 - sum(outlet.flow_share or 0.0 for outlet in boundary.outlets))
    open_area = sum(areas[cap] for cap in open_ids)
    flows = {inlet.cap_id: inlet.mean_flow_ml_s for inlet in boundary.inlets}
    flows |= {outlet.cap_id: total * outlet.flow_share for outlet in boundary.outlets if outlet.flow_share is not None}
    flows |= {cap: left * areas[cap] / open_area for cap in open_ids}
    return max(2.0 * flow / areas[cap] for cap, flow in flows.items() if cap in areas)
