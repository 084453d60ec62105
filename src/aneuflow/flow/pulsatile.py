"""The pulsatile flow: run until it comes back after a cycle as it was before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aneuflow.flow.checkpoint import SolverState
from aneuflow.flow.convergence import relative_change
from aneuflow.flow.problem import ATTEMPTS, Problem, Solved, raised
from aneuflow.flow.result import Averages, flow_ratio
from aneuflow.flow.run import Run, Start, TooFast
from aneuflow.types import FloatArray, FlowSolution, Progress, Waveform

SAMPLES = 100  # of a cycle
# Where the first cycle is started from, in samples before its beginning: a steady flow, or that of a coarser lattice, forgets
# in this time what the finer one would not have had. Diastole, where waveforms begin and end, changes little.
RUN_IN = 20
_FIRST_CYCLE = 0.85  # its part of the work shown as done; what is left stands for the chance of further ones


def run_cycles(problem: Problem, start: Start | None, state: SolverState | None, progress: Progress) -> Solved:
    """Runs from `state`, or from `start` at the phase -RUN_IN / SAMPLES, until a cycle agrees with the one before.

    Raises MethodError where the flow outruns ever shorter time steps.
    """
    if state is not None:
        stopped_run = problem.resumed(state)
        start = stopped_run.to_start(stopped_run.peak * stopped_run.units.velocity)
    assert start is not None
    speed = start.speed
    for _ in range(ATTEMPTS):
        pairs = _pairs(problem, speed) if state is None else int(state.numbers["pairs"])
        run = _begin(problem, pairs, start) if state is None else problem.resumed(state)
        try:
            return _until_periodic(problem, run, pairs, state, progress)
        except TooFast as stopped:
            speed, state = raised(speed, stopped), None
    raise problem.unstable()


def one_cycle(problem: Problem, start: Start, progress: Progress) -> tuple[Start, FlowSolution]:
    """A cycle from the phase -RUN_IN / SAMPLES to the next such, and its end: a start for a finer lattice."""
    speed, peak = start.speed, int(np.argmax(flow_ratio(problem.boundary, SAMPLES)))
    for _ in range(ATTEMPTS):
        pairs, highest, averages = _pairs(problem, speed), 0.0, Averages.empty()
        run = _begin(problem, pairs, start)
        try:
            for sample in range(-RUN_IN, SAMPLES - RUN_IN):
                _advance(run, pairs, sample)
                highest = max(highest, problem.lumen_speed(run))
                averages.add(problem.sampler.sample(run), peak=(sample + 1) % SAMPLES == peak)
                progress((sample + RUN_IN + 1) / SAMPLES, "flow, coarse cycle")
            return run.to_start(highest), problem.solution(averages, run, {"resolution_mm": problem.domain.voxels.spacing})
        except TooFast as stopped:
            speed = raised(speed, stopped)
    raise problem.unstable()


@dataclass(eq=False)
class _Cycles:
    """What is kept from cycle to cycle: its averages so far, the mean shear of the one before, and the shear at its begin.

    before (n,), begin (n, 3) in Pa; empty where there is none yet.
    """

    averages: Averages
    before: FloatArray
    begin: FloatArray

    def change(self, now: FloatArray) -> float:
        """How far the cycle that ends with the shear `now` (n, 3) is from periodic, relative.

        The change of the wall shear itself since the cycle's begin, or of the mean shear since the cycle before, whichever
        is less: either says that cycles agree, and the first can be had after a single one.
        """
        mean = self.averages.mean_shear()
        returned = float(np.linalg.norm(now - self.begin) / np.linalg.norm(mean))
        return min(returned, relative_change(mean, self.before)) if len(self.before) else returned


def _until_periodic(problem: Problem, run: Run, pairs: int, state: SolverState | None, progress: Progress) -> Solved:
    cycles = _Cycles(Averages.empty(), np.empty(0), np.empty((0, 3)))
    first = -RUN_IN
    if state is not None:
        first = int(state.numbers["sample"])
        cycles = _Cycles(Averages.restored(state.arrays), state.arrays["before"], state.arrays["begin"])
    peak = int(np.argmax(flow_ratio(problem.boundary, SAMPLES)))
    change, last = float("inf"), SAMPLES * problem.settings.cycles
    tolerance = 0.01 * problem.settings.convergence_percent
    for sample in range(first, last):
        _advance(run, pairs, sample)
        cycle, ended = sample // SAMPLES, sample + 1
        if ended > 0:
            seen = problem.sampler.sample(run)
            cycles.averages.add(seen, peak=ended % SAMPLES == peak)
            if ended % SAMPLES == 0:
                change = cycles.change(seen["shear"])
                if change < tolerance or ended == last:
                    break
                cycles = _Cycles(Averages.empty(), cycles.averages.mean_shear(), seen["shear"])
        elif ended == 0:
            cycles.begin = problem.sampler.sample(run)["shear"]
        progress(_fraction(ended), f"flow, cycle {max(cycle, 0) + 1}")
        kept = {"before": cycles.before, "begin": cycles.begin}
        problem.save(lambda n=ended, k=kept, a=cycles.averages: run.state({"pairs": pairs, "sample": n}, k | a.arrays()))  # type: ignore[misc]
    into, out = cycles.averages.flow_sums()
    reached = {
        "cycles": ended // SAMPLES,
        "converged": change < tolerance,
        "change_percent": 100.0 * change,
        "mass_imbalance_percent": 100.0 * abs(out / into - 1.0),
    }
    return Solved(run, cycles.averages, reached)


def _fraction(ended: int) -> float:
    """Of the work, after the sample `ended`: most flows need one cycle; a further one takes the same part of what is left."""
    run_in = RUN_IN / (RUN_IN + SAMPLES) * _FIRST_CYCLE
    if ended <= 0:
        return run_in * (1.0 + ended / RUN_IN)
    whole, part = divmod(ended / SAMPLES, 1.0)
    return float(1.0 - (1.0 - run_in) * (1.0 - _FIRST_CYCLE) ** whole * (1.0 - _FIRST_CYCLE * part))


def _pairs(problem: Problem, speed: float) -> int:
    """Pairs of steps between two samples."""
    waveform = _waveform(problem)
    return int(np.ceil(waveform.period_s / problem.time_step_s(speed) / (2 * SAMPLES)))


def _begin(problem: Problem, pairs: int, start: Start) -> Run:
    return problem.begin(_waveform(problem).period_s / (2 * SAMPLES * pairs), start)


def _advance(run: Run, pairs: int, sample: int) -> None:
    run.advance(pairs, phase=sample / SAMPLES, phase_step=1.0 / (2 * pairs * SAMPLES))


def _waveform(problem: Problem) -> Waveform:
    assert problem.boundary.waveform is not None
    return problem.boundary.waveform
