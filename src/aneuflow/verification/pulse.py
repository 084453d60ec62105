"""A pulsatile flow sample by sample, for what the solution's averages do not hold."""

from __future__ import annotations

from collections.abc import Iterator

from aneuflow.flow.problem import Problem
from aneuflow.flow.run import Run, Start
from aneuflow.types import Progress, Waveform


def through_cycles(
    problem: Problem, start: Start, waveform: Waveform, samples: int, run_in: int, cycles: int, progress: Progress
) -> Iterator[tuple[int, Run]]:
    """Runs from `start`, the flow `run_in` samples before the first cycle, and yields (sample, run) as each has been reached.

    Sample k stands at the phase (k + 1) / samples of cycle k // samples. `start.speed` sets the time step. Raises TooFast
    where the flow outruns it.
    """
    step = problem.time_step_s(start.speed)
    pairs = int(waveform.period_s / step / (2 * samples)) + 1
    run = problem.begin(waveform.period_s / (2 * samples * pairs), start)
    for sample in range(-run_in, cycles * samples):
        run.advance(pairs, phase=sample / samples, phase_step=1.0 / (2 * pairs * samples))
        progress((sample + run_in + 1) / (cycles * samples + run_in), f"cycle {max(sample // samples, 0) + 1}")
        if sample >= 0:
            yield sample, run
