"""`aneuflow backup` and `aneuflow restore`: the whole system in a folder, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aneuflow.cli.progress import shown_progress
from aneuflow.errors import ResourceError

if TYPE_CHECKING:
    from aneuflow.service.system import System

Config = Annotated[Path | None, typer.Option("--config", help="TOML file of the service's settings (docs/system.md).")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of everything that is kept (aneuflow-data).")]
Folder = Annotated[Path, typer.Argument(help="Folder of the backup.")]


def register(app: typer.Typer) -> None:
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(folder: Folder, data: Data = None, config: Config = None) -> None:
    """Copy accounts, cases, objects and trail of the system into a folder, also while it serves; again: only what is new.

    The key of what is sealed (seal.key) is left out: keep it elsewhere.
    """
    system = _system(data, config)
    from aneuflow.service.backup import back_up

    with shown_progress() as start:
        made = back_up(system, folder, start("backup"))
    typer.echo(f"{folder}: {made.rows} rows and {made.objects} objects of {datetime.fromtimestamp(made.made, UTC):%F %T} UTC")


def restore(folder: Folder, data: Data = None, config: Config = None) -> None:
    """Fill an empty system with a backup, after seal.key was put in its place; also from a small form to a large one."""
    system = _system(data, config)
    from aneuflow.service.backup import restore_backup

    with shown_progress() as start:
        made = restore_backup(system, folder, start("restore"))
    typer.echo(f"restored: {made.rows} rows and {made.objects} objects of {datetime.fromtimestamp(made.made, UTC):%F %T} UTC")


def _system(data: Path | None, config: Path | None) -> System:
    try:
        from aneuflow.service.settings import service_settings
        from aneuflow.service.system import open_system
    except ModuleNotFoundError as error:
        raise ResourceError(f"The service needs {error.name}; run pip install 'aneuflow[service]'.") from error
    return open_system(service_settings(config, data=data))
