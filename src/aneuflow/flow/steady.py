"""The steady flow: led to where it is heading until it stays there, or else run until it has settled."""

from __future__ import annotations

from typing import Any

import numpy as np

from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.convergence import checks_left, settled, wavers_about_a_mean
from aneuflow.flow.extrapolation import Moment, apart, as_arrays, lead, restored
from aneuflow.flow.problem import ATTEMPTS, Problem, Solved, raised
from aneuflow.flow.result import Averages
from aneuflow.flow.run import Run, Start, TooFast
from aneuflow.types import BoundaryConditions, LumenModel, Progress

# A round of looks at the flow ends by leading it on. Sacs swing for some flow-throughs; a lead leaves an eighth of it or less:
# where the last one changed less than the tolerance, what is left is far less. The first looks after it do not count, until the
# sound it makes is gone.
_LOOKS_PER_FLOW_THROUGH, _QUIET, _ROUND = 16, 2, 9
_GAINS = 0.5  # of what the lead before changed: one that changes more leads nowhere, as where there is no steady flow
_STAYS = 0.25  # of the tolerance: how near the flow must then be to where it was led
_MOST_ROUNDS = 6
_RAMPS_PER_FLOW_THROUGH = 8
CHECKS_PER_FLOW_THROUGH = 8
_WINDOW = 4  # of these; what changes in it is taken to go on at that rate for a whole flow-through, which transients do not
_MOST_FLOW_THROUGHS = 8
_FEWEST_PAIRS = 25
_INSIDE = 1.3  # of the highest speed in the lumen over that in its openings, as a first guess
# Of the tolerance, what a shear may change: a slow sac has still some three times the change of the last flow-through before
# it. The lumen's energy and pressure loss have not; in trees with many outlets they waver by tenths of a percent for ever.
_PART_FOR_SHEAR = 0.25


def settle(problem: Problem, start: Start | None, state: SolverState | None, progress: Progress) -> Solved:
    """From `state`, `start` or rest to where wall shear, energy and pressure loss change little in a flow-through.

    Where they swing about means that stay, for there is no steady flow, the averages are those of the flow-throughs that agree.
    Raises MethodError where the flow outruns ever shorter time steps.
    """
    speed = _INSIDE * opening_speed(problem.model, problem.boundary) if start is None else start.speed
    for _ in range(ATTEMPTS):
        run = problem.begin(problem.time_step_s(speed), start) if state is None else problem.resumed(state)
        try:
            if state is None and start is None:
                run.advance(_pairs(problem, run, _RAMPS_PER_FLOW_THROUGH), ramp=(0.0, 1.0))
            solved = None
            if state is None or "looks" in state.numbers:
                solved, state = _led(problem, run, state, progress), None
            return solved or _run(problem, run, state, progress)
        except TooFast as stopped:
            speed, state = raised(max(speed, run.peak * run.units.velocity), stopped), None
            if np.isfinite(stopped.speed):
                start = run.to_start(speed)
    raise problem.unstable()


def _pairs(problem: Problem, run: Run, parts: int) -> int:
    """Pairs of steps in one of so many parts of a flow-through, in which the lumen's volume flows in."""
    inflow = sum(inlet.mean_flow_ml_s for inlet in problem.boundary.inlets) / run.units.flow_ml_s
    return max(_FEWEST_PAIRS, round(run.domain.voxels.count / inflow / parts / 2))


def _led(problem: Problem, run: Run, state: SolverState | None, progress: Progress) -> Solved | None:
    """The flow led on, in rounds of looks, until that changes it little and it stays there; None where it does not."""
    pairs, tolerance = _pairs(problem, run, _LOOKS_PER_FLOW_THROUGH), 0.01 * problem.settings.convergence_percent
    looks, last, moments, to_come = 0, float("inf"), list[Moment](), 3.0
    ahead: Moment | None = None  # where the last lead led, if it led no further than the tolerance
    if state is not None:
        looks, last, moments = int(state.numbers["looks"]), float(state.numbers["last"]), restored(state.arrays)
        if state.numbers["led"]:
            ahead = moments.pop(0)
    while looks < _ROUND * _MOST_ROUNDS:
        run.advance(pairs)
        looks += 1
        of_round = (looks - 1) % _ROUND + 1
        if of_round > _QUIET or (of_round == _QUIET and ahead is not None):
            now = Moment.of(run, _monitors(problem, run))
            if of_round > _QUIET:
                moments.append(now)
            elif ahead is not None and (change := apart(now, ahead)) < _STAYS * tolerance:
                averages = Averages.empty()
                averages.add(problem.sampler.sample(run), peak=True)
                return Solved(run, averages, _reached(run, change, converged=True, wavers=False))
        if of_round == _ROUND:
            there = lead(run, moments)
            change = apart(moments[-1], there)
            if change > max(_GAINS * last, tolerance):
                return None
            last, moments, ahead = change, [], there if change < tolerance else None
            to_come = _QUIET / _ROUND if ahead is not None else float(np.clip(np.log10(change / tolerance), 1.0, 3.0))
        kept = as_arrays([*([] if ahead is None else [ahead]), *moments])
        numbers = {"looks": looks, "last": last, "led": ahead is not None}
        problem.save(lambda n=numbers, k=kept: run.state(n, k))  # type: ignore[misc]
        left = _ROUND * to_come - of_round % _ROUND
        progress(looks / (looks + max(left, 1.0)), "flow, steady")
    return None


def _reached(run: Run, change: float, converged: bool, wavers: bool) -> dict[str, Any]:
    return {
        "cycles": 0,
        "converged": converged,
        "wavers": wavers,
        "change_percent": 100.0 * change,
        "mass_imbalance_percent": 100.0 * abs(float(run.outflow.sum() / run.inflow.sum()) - 1.0),
    }


def _run(problem: Problem, run: Run, state: SolverState | None, progress: Progress) -> Solved:
    """The flow run until its monitors change little in a flow-through, or swing about means that stay."""
    pairs, throughs = _pairs(problem, run, CHECKS_PER_FLOW_THROUGH), _WINDOW / CHECKS_PER_FLOW_THROUGH
    accepted = 0.01 * problem.settings.convergence_percent
    history: list[tuple[float, ...]] = []
    each_through: list[Averages] = []
    if state is not None:
        history = [tuple(row) for row in state.arrays["history"]]
        each_through = [Averages.restored(state.arrays, f"{at} ") for at in range(-(-len(history) // CHECKS_PER_FLOW_THROUGH))]
    done, wavering, change = False, 0, float("inf")
    while not done and not wavering and len(history) < CHECKS_PER_FLOW_THROUGH * _MOST_FLOW_THROUGHS:
        if len(history) % CHECKS_PER_FLOW_THROUGH == 0:
            each_through.append(Averages.empty())
        run.advance(pairs)
        history.append(_monitors(problem, run))
        each_through[-1].add(problem.sampler.sample(run), peak=True)
        tolerance = accepted * np.where(np.arange(len(history[-1])) < 2, 1.0, _PART_FOR_SHEAR)
        done, change, _ = settled(history, _WINDOW, throughs * tolerance)
        if len(history) % CHECKS_PER_FLOW_THROUGH == 0:
            wavering = wavers_about_a_mean(history, CHECKS_PER_FLOW_THROUGH, accepted * np.ones_like(tolerance), tolerance)
        kept = {"history": np.asarray(history)}
        for at, averages in enumerate(each_through):
            kept |= averages.arrays(f"{at} ")
        problem.save(lambda k=kept: run.state({}, k))  # type: ignore[misc]
        left = checks_left(history, _WINDOW, throughs * tolerance)
        progress(len(history) / (len(history) + (0 if done or wavering else left)), "flow, steady")
    averages = Averages.of(each_through[-max(wavering, 1) :])
    if done:
        averages = Averages.empty()
        averages.add(problem.sampler.sample(run), peak=True)
    reached = _reached(run, change / throughs, done or wavering > 0, wavering > 0 and not done)
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
