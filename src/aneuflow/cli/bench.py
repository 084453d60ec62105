"""`aneuflow bench`: speed and memory of the flow solver beside what this machine's memory allows."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from aneuflow.cli import options
from aneuflow.flow.setup import thread_count
from aneuflow.verification.page import machine
from aneuflow.verification.speed import BYTES_PER_UPDATE, Benchmark, bundled_lumen, measure, spacing_mm

CELLS = (0.2, 1.5)
_BUSY = 0.3

Sizes = Annotated[list[float] | None, typer.Option("--cells", help="Million cells; may be repeated; left out, 0.2 and 1.5.")]
Output = Annotated[Path | None, typer.Option("-o", "--output", help="JSON file for the figures.")]


def register(app: typer.Typer) -> None:
    app.command("bench")(bench)


def bench(cells: Sizes = None, threads: options.Threads = None, output: Output = None) -> None:
    """Measure the solver's speed on a real lumen, with the copy bandwidth of the same moment."""
    count = thread_count(threads or 0)
    load = os.getloadavg()[0]
    model, boundary = bundled_lumen()
    sizes = [1e6 * size for size in cells or CELLS]
    for size in sizes:
        spacing_mm(model, size)  # refused before any is run
    done = [measure(model, boundary, size, count) for size in sizes]
    made = machine(count) | {"load_average_before": round(load, 2)}
    if output is not None:
        output.write_text(json.dumps(_content(done, made), indent=1) + "\n", "utf-8")
    _print(done, made)


def _content(done: list[Benchmark], made: dict[str, Any]) -> dict[str, Any]:
    lumens = []
    for one in done:
        speeds = [asdict(speed) | {"roofline_share": speed.share} for speed in one.speeds]
        lumens.append(asdict(one) | {"speeds": speeds, "setup_share": one.setup_share})
    return {"machine": made, "bytes_per_update": BYTES_PER_UPDATE, "lumens": lumens}


def _print(done: list[Benchmark], made: dict[str, Any]) -> None:
    console = Console(soft_wrap=True)
    console.print(f"{made['processor']}, {made['processors']} processors, load {made['load_average_before']} before.")
    if made["load_average_before"] > _BUSY * made["processors"]:
        console.print("Others were using this machine: the speeds are lower bounds.")
    console.print(f"An update must move {BYTES_PER_UPDATE} bytes: each population read and written once.")
    for one in done:
        title = f"{one.cells / 1e6:.2f} million cells of {one.resolution_mm:.3f} mm"
        table = Table("threads", "MLUPS", "copy, GB/s", "of the roofline", title=title, title_justify="left")
        for speed in one.speeds:
            table.add_row(f"{speed.threads}", f"{speed.mlups:.1f}", f"{speed.copy_gb_s:.1f}", f"{100 * speed.share:.0f} %")
        console.print(table)
        setup = one.domain_seconds + one.sampler_seconds
        console.print(
            f"Set-up {setup:.1f} s ({one.domain_seconds:.1f} s cells and walls, {one.sampler_seconds:.1f} s what reads them), "
            f"{1e6 * setup / one.cells:.1f} s per million cells, {100 * one.setup_share:.1f} % of a pulsatile run of 3 cycles."
        )
        console.print(
            f"Memory: {one.held_bytes_per_cell:.0f} bytes a cell while running, {one.peak_bytes_per_cell:.0f} at most."
        )
