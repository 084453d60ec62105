"""How fast the solver is on this machine, and how much of what its memory allows that is."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from aneuflow.boundary import BoundarySettings, set_boundary
from aneuflow.errors import InputError
from aneuflow.flow.problem import Problem
from aneuflow.flow.result import Sampler, flow_ratio
from aneuflow.flow.run import Run
from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.setup import build_domain
from aneuflow.flow.steady import opening_speed
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging import read_label_map
from aneuflow.numerics.lattice.velocity_set import VELOCITIES
from aneuflow.numerics.surface import signed_volume
from aneuflow.types import BoundaryConditions, LumenModel

FINEST_MM = 0.05  # the least that `FlowSettings.resolution_mm` takes
# What one update must at least move: each population read once and written once, float32. Indices, walls, moments and what
# is fetched twice come on top of it and count as loss.
BYTES_PER_UPDATE = 2 * 4 * len(VELOCITIES)
COPIED_BYTES = 1 << 28  # of each of the two arrays; far beyond any cache
_REPEATS = 5
_PULSATILE_CYCLES, _PERIOD_S = 3, 0.9
_INSIDE = 1.3  # of the highest speed in the lumen over that in its openings


@dataclass(frozen=True)
class Speed:
    """Updates on so many threads, million a second; share: of those that the copy bandwidth of as many threads allows."""

    threads: int
    mlups: float
    copy_gb_s: float

    @property
    def share(self) -> float:
        return self.mlups * 1e6 * BYTES_PER_UPDATE / (self.copy_gb_s * 1e9)


@dataclass(frozen=True)
class Benchmark:
    """One lumen on one lattice: seconds for the domain (cells, walls) and for what reads wall and volume off it, bytes a
    cell that a run holds and that it takes at its highest, and speeds by number of threads."""

    cells: int
    resolution_mm: float
    domain_seconds: float
    sampler_seconds: float
    held_bytes_per_cell: float
    peak_bytes_per_cell: float
    pulsatile_updates: float
    speeds: tuple[Speed, ...]

    @property
    def setup_share(self) -> float:
        """Of a pulsatile run of three cycles on the most threads."""
        setup = self.domain_seconds + self.sampler_seconds
        return setup / (setup + self.pulsatile_updates / (1e6 * self.speeds[-1].mlups))


def copy_bandwidth_gb_s(threads: int) -> float:
    """Bytes read and written a second by so many threads that copy arrays, in 1e9; the best of some repeats (STREAM copy)."""
    source, target = (np.ones(COPIED_BYTES // 4, dtype=np.float32) for _ in range(2))
    parts = np.array_split(np.arange(len(source)), threads)
    bounds = [(int(part[0]), int(part[-1]) + 1) for part in parts]

    def copy(bound: tuple[int, int]) -> None:
        np.copyto(target[bound[0] : bound[1]], source[bound[0] : bound[1]])

    with ThreadPoolExecutor(threads) as pool:
        seconds = min(_timed(lambda: list(pool.map(copy, bounds))) for _ in range(_REPEATS + 1))
    return 2 * COPIED_BYTES / seconds / 1e9


def bundled_lumen() -> tuple[LumenModel, BoundaryConditions]:
    """A real lumen with extensions, and the conditions `aneuflow assess` would set: Aneumo case 4 (data/bench)."""
    mask = Path(str(resources.files("aneuflow") / "data" / "bench" / "lumen.nii.gz"))
    model = build_model(read_label_map(mask), ModelSettings())
    return model, set_boundary(model, BoundarySettings())


def spacing_mm(model: LumenModel, cells: float) -> float:
    """Of a lattice with about so many cells in the lumen. Raises InputError where it is finer than the solver takes."""
    surface = model.extended.surface
    volume = abs(signed_volume(surface.points, surface.triangles))
    most = volume / FINEST_MM**3
    if not 0 < cells <= most:
        raise InputError(
            f"The lumen cannot be run with {cells / 1e6:g} million cells: at the finest spacing, {FINEST_MM:g} mm, it holds "
            f"{most / 1e6:.1f} million; give fewer, and more than none."
        )
    return float((volume / cells) ** (1.0 / 3.0))


def measure(
    model: LumenModel, boundary: BoundaryConditions, cells: float, threads: int, least_seconds: float = 2.0
) -> Benchmark:
    """Set-up, memory and speed on a lattice of about so many cells, with 1 to `threads` threads; raises as `spacing_mm`."""
    spacing = spacing_mm(model, cells)
    settings = FlowSettings(resolution_mm=spacing, threads=threads)
    before = _memory_bytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the highest use is counted from here
    began = time.perf_counter()
    domain = build_domain(model, boundary, spacing, threads)
    built = time.perf_counter()
    problem = Problem(model, boundary, settings, threads, domain, Sampler.of(model, boundary, domain))
    sampled = time.perf_counter()
    expected = _INSIDE * opening_speed(model, boundary) * float(flow_ratio(boundary, 100).max())
    step = problem.time_step_s(expected)
    run = problem.begin(step, None)
    run.advance(1)
    problem.sampler.sample(run)
    held, peak = _memory_bytes("VmRSS") - before, _memory_bytes("VmHWM") - before  # without the arrays that are copied
    speeds = tuple(_speed(run, n, least_seconds) for n in _thread_counts(threads))
    count = domain.voxels.count
    updates = _PULSATILE_CYCLES * _PERIOD_S / step * count
    return Benchmark(count, spacing, built - began, sampled - built, held / count, peak / count, updates, speeds)


def _thread_counts(threads: int) -> list[int]:
    """1, 2, 4 ... and all."""
    return sorted({min(threads, 1 << k) for k in range(threads.bit_length() + 1)})


def _speed(run: Run, threads: int, least_seconds: float) -> Speed:
    run.threads = threads
    run.advance(1)
    pairs = max(1, int(least_seconds / max(_timed(lambda: run.advance(2)) / 2.0, 1e-6)))
    seconds = min(_timed(lambda: run.advance(pairs)) for _ in range(3))
    return Speed(threads, 2 * pairs * run.domain.voxels.count / seconds / 1e6, copy_bandwidth_gb_s(threads))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _memory_bytes(name: str) -> float:
    """VmRSS, what the process holds now, or VmHWM, the most it has held."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return 1024.0 * float(next(line for line in lines if line.startswith(name)).split()[1])
