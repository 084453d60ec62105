"""Progress with remaining time: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from aneuflow import types
from aneuflow.pipeline.stages import StageProgress

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown_progress() -> Iterator[StageProgress]:
    """A progress callback for each stage that starts; the display goes to stderr, so that stdout stays for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines
        return
    columns = (
        TextColumn("{task.fields[stage]:<9}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, speed_estimate_period=60.0) as display:

        def start(stage: str) -> types.Progress:
            task = display.add_task("", total=1.0, stage=stage)

            def report(fraction: float, message: str) -> None:
                display.update(task, completed=fraction, description="" if message == stage else message)

            return report

        yield start


def _lines(stage: str) -> types.Progress:
    start = last = time.monotonic()

    def report(fraction: float, message: str) -> None:
        nonlocal last
        now = time.monotonic()
        if fraction < 1.0 and now - last < SECONDS_BETWEEN_LINES:
            return
        last = now
        remaining = f", about {(now - start) * (1 / fraction - 1):.0f} s remaining" if 0.02 < fraction < 1.0 else ""
        sys.stderr.write(f"{stage}: {100 * fraction:.0f} % after {now - start:.0f} s{remaining} ({message})\n")

    return report
