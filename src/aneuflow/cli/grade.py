"""`aneuflow grade`: regions, scores and a grade with its reasons for an assessed case."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from aneuflow.case.folder import CaseFolder
from aneuflow.case.risk_store import read_risk
from aneuflow.cli import options
from aneuflow.cli.progress import shown_progress
from aneuflow.cli.results import print_ends
from aneuflow.errors import InputError
from aneuflow.pipeline.run import run_stage
from aneuflow.report.risk_section import risk_values
from aneuflow.risk.clinical import Clinical
from aneuflow.risk.fhir import answers_from_fhir


def register(app: typer.Typer) -> None:
    app.command("grade")(grade)


def grade(
    case: Annotated[Path, typer.Argument(metavar="CASE", help="Case folder made by `aneuflow assess`.")],
    clinical: Annotated[
        Path | None, typer.Option("--clinical", help="Clinical answers: TOML, JSON, or FHIR resources as JSON (docs/risk.md).")
    ] = None,
    site: Annotated[str | None, typer.Option("--site", help="Artery the aneurysm sits on, such as mca or acom.")] = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option("--confirm", help="Answer that was questioned and is right as it stands; may be repeated."),
    ] = None,
    rules: Annotated[Path | None, typer.Option("--rules", help="TOML table of rules in place of the package's.")] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Folder of `aneuflow train risk` whose model was accepted (docs/monitoring.md)."),
    ] = None,
    regions_model: Annotated[
        Path | None,
        typer.Option("--regions-model", help="ONNX file of `aneuflow train regions` in place of the package's network."),
    ] = None,
    without_flow: Annotated[bool | None, typer.Option("--without-flow/--with-flow", help="Leave the flow out.")] = None,
    settings: options.SettingsFile = None,
) -> None:
    """Say where the wall is at risk, what the scores say, and how sure that is. No flow is computed: a current one is used."""
    answers = read_answers(clinical) if clinical is not None else {}
    tables = options.tables_from(
        settings,
        clinical={**answers, "site": site or answers.get("site"), "confirmed": tuple(confirm) if confirm else None},
        grade={
            "rules": _read_toml(rules) if rules is not None else None,
            "model": str(model) if model is not None else None,
            "regions_model": str(regions_model) if regions_model is not None else None,
            "flow": None if without_flow is None else "none" if without_flow else "auto",
        },
    )
    with shown_progress() as progress:
        ends = run_stage(case, "grade", tables, progress)
    print_ends(case, ends)
    _print_risk(case)


def read_answers(path: Path) -> dict[str, Any]:
    """The clinical answers of a file; FHIR is known by its resourceType. Raises InputError where it is none of the formats."""
    if path.suffix.lower() == ".toml":
        content: Any = _read_toml(path)
    else:
        try:
            content = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputError(f"Clinical file {path}: {error.strerror}; check the path.") from error
        except RecursionError:
            raise InputError(f"Clinical file {path} is nested too deeply to hold clinical answers; correct it.") from None
        except ValueError as error:
            raise InputError(f"Clinical file {path} is neither TOML nor JSON: {error}; correct that place.") from error
    if not isinstance(content, dict | list):
        raise InputError(f"Clinical file {path.name} holds no clinical answers; write name = value pairs.")
    if isinstance(content, list) or "resourceType" in content:
        return answers_from_fhir(content, date.today())
    answers = content.get("clinical", content)
    if not isinstance(answers, dict):
        raise InputError(f"Clinical file {path.name} has clinical = {answers!r}; write the answers under [clinical].")
    unknown = set(answers) - set(Clinical.model_fields)
    if unknown:
        known = ", ".join(Clinical.model_fields)
        raise InputError(f"Clinical file {path.name} has the unknown answer {sorted(unknown)[0]!r}; known are: {known}.")
    return dict(answers)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"File {path}: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"File {path} is no TOML: {error}; correct that place.") from error


def _print_risk(case: Path) -> None:
    risk = read_risk(CaseFolder(case).stage_folder("risk"))
    values = risk_values(risk, "en")
    if values is None:
        typer.echo("No aneurysm: nothing to grade.")
        return
    for row in values["regions"]:
        typer.echo(
            f"  {row['kind']:<28} {row['place']:<14} {row['area']:>6} mm2  {row['shear']} Pa  kept in {row['stability']}"
        )
    if values["learned"]:
        typer.echo(f"  {values['learned']}")
    if values["sites"]:
        typer.echo(f"  {values['sites']}")
    for row in values["scores"]:
        said = "; ".join(row["outcomes"] or row["points"]) if not row["refused"] else row["refused"]
        typer.echo(f"  {row['name']:<28} {said}")
    if values["resemblance"] is not None:
        typer.echo(f"  {values['resemblance']['sentence']}")
    for name, found, points in values["evidence"]:
        typer.echo(f"  {name:<40} {found:<24} {points}")
    typer.echo(values["verdict"])
    if not values["flow_used"]:
        typer.echo("  Made without flow: no current simulation is in the case, or it was left out.")
    for line in values["why"]:
        typer.echo(f"  {line}")
