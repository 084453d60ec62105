"""The options that set settings: each stands here once, and a command names those it takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from aneuflow.errors import InputError
from aneuflow.pipeline.settings import Tables, read_settings

AUTO = "auto"


def _as_given(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Option:
    """The setting `table`.`key` as an option: `flag` where it is not --NAME, `parse` from what is given to the setting."""

    table: str
    key: str
    kind: Any
    help: str
    flag: str | None = None
    parse: Callable[[Any], Any] = _as_given


def parse_numbers(option: str, text: str, count: int) -> tuple[float, ...]:
    """`count` numbers separated by commas. Raises InputError naming the option."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InputError(f'{option} "{text}" is not {count} numbers separated by commas; correct it.')
    return numbers


def _parse_plane(text: str) -> Any:
    if text == AUTO:
        return AUTO
    numbers = parse_numbers("--neck-plane", text, 6)
    return {"point_mm": numbers[:3], "normal": numbers[3:]}


def _parse_caps(texts: list[str]) -> tuple[int, ...]:
    if texts == [AUTO]:
        return ()
    if not all(text.isdecimal() for text in texts):
        raise InputError(f'--inlet "{" ".join(texts)}" is no cap id; give whole numbers as in model/caps.json, or auto.')
    return tuple(int(text) for text in texts)


def _parse_file(path: Path) -> str:
    return str(path.absolute())


def _parse_records(texts: list[str]) -> tuple[str, ...]:
    return () if texts == [AUTO] else tuple(texts)


OPTIONS: Mapping[str, Option] = {
    "mask": Option(
        "input",
        "kind",
        bool,
        "The input is a label map: 1 artery, 2 aneurysm.",
        "--mask",
        lambda is_mask: "mask" if is_mask else None,
    ),
    "units": Option("input", "units", str, "Unit of a surface: mm, cm, m or auto."),
    "modality": Option("input", "modality", str, "CTA, MRA, 3DRA or auto."),
    "segmenter": Option("segment", "segmenter", str, "How the lumen is found in an image: threshold or network."),
    "model": Option(
        "segment",
        "model",
        Path,
        "ONNX file of `aneuflow train segmenter`, for --segmenter network; else the one that ships.",
        parse=_parse_file,
    ),
    "inlet": Option(
        "model",
        "inlet_caps",
        list[str],
        "Cap id that is an inlet (model/caps.json); may be repeated; auto for automatic.",
        parse=_parse_caps,
    ),
    "neck_plane": Option(
        "model",
        "neck_plane",
        str,
        "x,y,z,nx,ny,nz: a point of the neck plane (LPS mm) and its normal into the sac; auto for automatic.",
        parse=_parse_plane,
    ),
    "candidate": Option(
        "model",
        "candidate",
        str,
        "In a whole artery tree: the number of the candidate that is meant; auto for automatic.",
    ),
    "no_aneurysm": Option(
        "model",
        "aneurysm",
        bool,
        "Assess the lumen as a vessel without aneurysm, or look for one.",
        "--no-aneurysm/--aneurysm",
        lambda without: "none" if without else AUTO,
    ),
    "flow": Option(
        "boundary", "flow_ml_s", str, 'Cycle-mean inflow with its unit, such as "2.1 mL/s"; auto: by the artery\'s size.'
    ),
    "waveform": Option("boundary", "waveform", str, "Bundled waveform name, or a CSV file."),
    "period": Option("boundary", "period_s", str, "Cardiac period in s; auto: that of the waveform."),
    "profile": Option("boundary", "profile", str, "Inlet profile: parabolic, womersley or plug."),
    "outlets": Option("boundary", "outlets", str, "Outlet condition: murray, zero-pressure, resistance or windkessel."),
    "doppler": Option(
        "boundary",
        "doppler",
        list[str],
        "Doppler or flow record (CSV, JSON, DICOM waveform), or CAP=FILE; may be repeated; auto for none.",
        parse=_parse_records,
    ),
    "doppler_velocity": Option("boundary", "doppler_velocity", str, "What a velocity is: peak, mean or as its record says."),
    "pressure": Option(
        "boundary",
        "pressure",
        list[str],
        "Arterial pressure record (CSV, JSON, DICOM waveform), or CAP=FILE; may be repeated; auto for none.",
        parse=_parse_records,
    ),
    "density": Option("boundary", "density_kg_m3", float, "Blood density in kg/m3."),
    "viscosity": Option("boundary", "viscosity", str, "newtonian:PA_S, carreau-yasuda or casson."),
    "steady": Option("simulate", "steady", bool, "Steady flow instead of a cardiac cycle.", "--steady/--pulsatile"),
    "resolution": Option("simulate", "resolution_mm", float, "Lattice spacing in mm."),
    "cycles": Option("simulate", "cycles", int, "Largest number of cardiac cycles."),
    "device": Option("simulate", "device", str, "Where the flow is computed: cpu, or gpu (NVIDIA, with the extra gpu)."),
    "threads": Option("simulate", "threads", int, "CPU threads of the flow solver; 0 takes all."),
    "fast": Option(
        "predict",
        "fast",
        bool,
        "Predict the flow by networks, and simulate only where they decline the case.",
        "--fast/--simulated",
    ),
    "networks": Option(
        "predict",
        "networks",
        Path,
        "Folder of `aneuflow train surrogate`; without it the networks that ship predict the flow.",
        parse=_parse_file,
    ),
    "coarse": Option(
        "predict",
        "coarse",
        bool,
        "Whether a coarse flow is computed first, for the networks to correct.",
        "--coarse/--shape-only",
    ),
    "language": Option("report", "language", str, "Language of the report: en or zh."),
}
BOUNDARY_OPTIONS = tuple(name for name, option in OPTIONS.items() if option.table == "boundary")
Threads = Annotated[int | None, typer.Option("--threads", help=OPTIONS["threads"].help)]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="TOML file of settings, one table a stage (docs/settings.md).")
]


def taking(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options `names` and --settings, and what they say as its argument `tables`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            settings_file = given.pop("settings")
            options = {name: given.pop(name) for name in names}
            command(**given, tables=_tables_of(settings_file, options))

        own = [part for part in inspect.signature(command, eval_str=True).parameters.values() if part.name != "tables"]
        shared = {"settings": SettingsFile, **{name: _annotation(name) for name in names}}
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in shared.items()
        ]
        signature = inspect.Signature([*own, *added])
        run.__dict__["__signature__"] = signature
        run.__annotations__ = {name: part.annotation for name, part in signature.parameters.items()}
        return run

    return decorate


def _annotation(name: str) -> Any:
    option = OPTIONS[name]
    return Annotated[option.kind | None, typer.Option(option.flag or f"--{name.replace('_', '-')}", help=option.help)]


def _tables_of(settings_file: Path | None, given: Mapping[str, Any]) -> Tables:
    tables: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        option = OPTIONS[name]
        if value is not None and value != []:
            tables.setdefault(option.table, {})[option.key] = option.parse(value)
    return tables_from(settings_file, **tables)


def tables_from(settings_file: Path | None, **given: Mapping[str, Any]) -> Tables:
    """The settings file's tables with the options given on the command line on top; an option not given is None."""
    tables = {name: dict(table) for name, table in (read_settings(settings_file) if settings_file else {}).items()}
    for name, options in given.items():
        chosen = {key: value for key, value in options.items() if value is not None}
        if chosen:
            tables[name] = {**tables.get(name, {}), **chosen}
    return tables
