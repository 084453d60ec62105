"""The options that several commands share, and how they become settings tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aneuflow.errors import InputError
from aneuflow.pipeline.settings import Tables, read_settings


def parse_numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    """`count` numbers separated by commas. Raises InputError naming the option."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InputError(f'{option} "{text}" is not {count} numbers separated by commas; correct it.')
    return numbers


def tables_from(settings_file: Path | None, **given: dict[str, Any]) -> Tables:
    """The settings file's tables with the options given on the command line on top; an option not given is None."""
    tables = {name: dict(table) for name, table in (read_settings(settings_file) if settings_file else {}).items()}
    for name, options in given.items():
        chosen = {key: value for key, value in options.items() if value is not None}
        if chosen:
            tables[name] = {**tables.get(name, {}), **chosen}
    return tables


SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file with tables [input], [model], [boundary], [simulate], [report] ...")
]
Threads = Annotated[int | None, typer.Option("--threads", help="CPU threads of the flow solver; 0 takes all.")]
Language = Annotated[str | None, typer.Option("--language", help="Language of the report: en or zh.")]
Segmenter = Annotated[str | None, typer.Option("--segmenter", help="How the lumen is found in an image: threshold.")]
Inlet = Annotated[list[int] | None, typer.Option("--inlet", help="Cap id that is an inlet (model/caps.json); may be repeated.")]
NeckPlane = Annotated[
    str | None,
    typer.Option("--neck-plane", help="x,y,z,nx,ny,nz: a point of the neck plane (LPS mm) and its normal into the sac."),
]
NoAneurysm = Annotated[bool | None, typer.Option("--no-aneurysm", help="Assess the lumen as a vessel without aneurysm.")]
Steady = Annotated[bool | None, typer.Option("--steady/--pulsatile", help="Steady flow instead of a cardiac cycle.")]
Resolution = Annotated[float | None, typer.Option("--resolution", help="Lattice spacing in mm.")]
Cycles = Annotated[int | None, typer.Option("--cycles", help="Largest number of cardiac cycles.")]
Flow = Annotated[str | None, typer.Option("--flow", help='Cycle-mean inflow with its unit, such as "2.1 mL/s".')]
WaveformOption = Annotated[str | None, typer.Option("--waveform", help="Bundled waveform name, or a CSV file.")]
Period = Annotated[float | None, typer.Option("--period", help="Cardiac period in s.")]
Profile = Annotated[str | None, typer.Option("--profile", help="Inlet profile: parabolic, womersley or plug.")]
Outlets = Annotated[str | None, typer.Option("--outlets", help="Outlet condition: murray or zero-pressure.")]
Density = Annotated[float | None, typer.Option("--density", help="Blood density in kg/m3.")]
Viscosity = Annotated[str | None, typer.Option("--viscosity", help="newtonian:PA_S, carreau-yasuda or casson.")]


def model_table(inlets: list[int] | None, neck_plane: str | None, no_aneurysm: bool | None) -> dict[str, Any]:
    """The [model] settings from their options."""
    numbers = parse_numbers("--neck-plane", neck_plane, 6) if neck_plane is not None else None
    return {
        "inlet_caps": tuple(inlets) if inlets else None,
        "neck_plane": numbers and {"point_mm": numbers[:3], "normal": numbers[3:]},
        "aneurysm": "none" if no_aneurysm else None,
    }


def boundary_table(
    flow: str | None,
    waveform: str | None,
    period: float | None,
    profile: str | None,
    outlets: str | None,
    density: float | None,
    viscosity: str | None,
) -> dict[str, Any]:
    """The [boundary] settings from their options."""
    return {
        "flow_ml_s": flow,
        "waveform": waveform,
        "period_s": period,
        "profile": profile,
        "outlets": outlets,
        "density_kg_m3": density,
        "viscosity": viscosity,
    }


def simulate_table(steady: bool | None, resolution: float | None, cycles: int | None, threads: int | None) -> dict[str, Any]:
    """The [simulate] settings from their options."""
    return {"steady": steady, "resolution_mm": resolution, "cycles": cycles, "threads": threads}
