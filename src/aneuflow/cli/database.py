"""`aneuflow database ...`: flows in many deformed vessels, for a surrogate to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import InputError
from aneuflow.pipeline import database as made
from aneuflow.pipeline.uncertainty import run_uncertainty
from aneuflow.surrogate.card import INTRA_TERMS, OWN_TERMS, check_text
from aneuflow.surrogate.card import card as card_of
from aneuflow.surrogate.card import check as check_of
from aneuflow.surrogate.design import TABLE, DesignSettings, Kind
from aneuflow.surrogate.gates import FINEST_MM
from aneuflow.surrogate.uncertainty import UncertaintySettings, page

database = typer.Typer(help="A database of flows for the surrogate.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DB", help="Folder of the database.")]


def _field(name: str) -> dict[str, Any]:
    field = DesignSettings.model_fields[name]
    return {"help": field.description, "show_default": True}


def _uncertain(name: str) -> dict[str, Any]:
    return {"help": UncertaintySettings.model_fields[name].description}


def register(app: typer.Typer) -> None:
    app.add_typer(database, name="database")


@database.command("plan")
def plan(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of shapes: IntrA's, or one with cohort.csv.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the database.")],
    cases: Annotated[int, typer.Option(min=1, max=100_000, **_field("cases"))] = 450,
    pulsatile: Annotated[int, typer.Option(min=0, max=100_000, **_field("pulsatile"))] = 24,
    ideal: Annotated[int, typer.Option(min=0, max=10_000, **_field("ideal"))] = 24,
    seed: Annotated[int, typer.Option(min=0, **_field("seed"))] = 11,
    resolution: Annotated[float, typer.Option(min=FINEST_MM, max=0.5, **_field("resolution_mm"))] = 0.24,
) -> None:
    """Plan a database: which shapes, how deformed, at which flow, and who trains, validates and tests."""
    settings = DesignSettings(cases=cases, pulsatile=pulsatile, ideal=ideal, seed=seed, resolution_mm=resolution)
    plan = made.plan_database(data, output, settings)
    typer.echo(f"{len(plan.cases)} cases of {len(plan.sources)} shapes planned in {output / TABLE}")


@database.command("run")
def run(
    folder: Folder,
    limit: Annotated[int | None, typer.Option(min=1, help="Solve at most so many cases now.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Cases solved side by side.")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads of each.")] = 1,
    patience: Annotated[
        float | None,
        typer.Option(min=1.0, help="CPU seconds after which a case is left for another run; large sacs take long."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where flows are computed: cpu or gpu.")] = "cpu",
    kind: Annotated[str | None, typer.Option(help="Solve steady or pulsatile cases alone.")] = None,
) -> None:
    """Solve what is left of the plan; stopped or killed, run it again and it goes on."""
    if device not in get_args(made.Device):
        raise InputError(f'--device "{device}" is neither cpu nor gpu; correct it.')
    if kind is not None and kind not in get_args(Kind):
        raise InputError(f'--kind "{kind}" is neither steady nor pulsatile; correct it.')
    with shown_progress() as progress:
        count = made.run_database(
            folder,
            limit,
            workers,
            threads,
            cast(made.Device, device),
            patience,
            progress("database"),
            cast(Kind | None, kind),
        )
    typer.echo(f"{count} cases ended now")
    check(folder)


@database.command("check")
def check(folder: Folder) -> None:
    """Count what has entered the database and what was refused, and why."""
    plan = made.read_plan(folder)
    typer.echo(check_text(check_of(plan.cases, made.records(folder, plan))))


@database.command("card")
def card(folder: Folder) -> None:
    """Print the database's card (Markdown): origin, terms, counts, ranges."""
    typer.echo(_card(folder))


@database.command("pack")
def pack(
    folder: Folder, output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the compact form and its card.")]
) -> None:
    """Write the compact form: one file of 16-bit arrays a split, the table of cases, the card."""
    sizes = made.pack_database(folder, output)
    (output / "card.md").write_text(_card(folder) + "\n", "utf-8")
    for name, size in sizes.items():
        typer.echo(f"{name:<16} {size / 1e6:.2f} MB")


@database.command("uncertainty")
def uncertainty(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of shapes: IntrA's, or one with cohort.csv.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the simulations and what follows from them.")],
    shapes: Annotated[int, typer.Option(min=1, max=1000, **_uncertain("shapes"))] = 12,
    points: Annotated[int, typer.Option(min=16, max=4096, **_uncertain("points"))] = 32,
    steady: Annotated[bool, typer.Option("--steady", **_uncertain("steady"))] = False,
    resolution: Annotated[float, typer.Option(min=0.1, max=0.5, **_uncertain("resolution_mm"))] = 0.3,
    seed: Annotated[int, typer.Option(min=0, **_uncertain("seed"))] = 11,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads of a simulation.")] = 1,
    patience: Annotated[
        float | None,
        typer.Option(min=1.0, help="CPU seconds of a simulation after which its shape is left out; large sacs take long."),
    ] = None,
) -> None:
    """Sobol indices of the flow in real vessels: what inflow, viscosity, outlets and the wall's place mean for it."""
    if points & (points - 1):
        raise InputError(f"--points {points} is no power of two, which a Sobol design needs; take 16, 32, 64 ...")
    settings = UncertaintySettings(shapes=shapes, points=points, steady=steady, resolution_mm=resolution, seed=seed)
    with shown_progress() as progress:
        results = run_uncertainty(data, output, settings, threads, patience, progress("uncertainty"))
    typer.echo(page(settings, results))


def _card(folder: Path) -> str:
    plan = made.read_plan(folder)
    ended = made.records(folder, plan)
    rows = [record["row"] for record in ended if record["state"] == "entered"]
    return card_of(plan.settings, INTRA_TERMS if plan.is_intra else OWN_TERMS, check_of(plan.cases, ended), rows)
