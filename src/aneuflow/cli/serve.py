"""`aneuflow serve`: the system on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aneuflow.errors import ResourceError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _alone() -> None:
    """`aneuflow serve` without the other commands."""


def register(app: typer.Typer) -> None:
    app.command("serve")(serve)


def serve(
    data: Annotated[Path | None, typer.Option("--data", help="Folder of everything that is kept (aneuflow-data).")] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen at (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen at (8470).")] = None,
    job_slots: Annotated[int | None, typer.Option("--job-slots", help="Cases computed at the same time (1).")] = None,
    cases: Annotated[
        list[Path] | None,
        typer.Option("--case", help="Assessed case folder to take into the first project, once; may be repeated."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file of the service's settings (docs/system.md).")
    ] = None,
) -> None:
    """Start the system: accounts, worklist, storage and computing behind one HTTP API, and the terminal for it in a browser."""
    try:
        from aneuflow.service.run import run_server
        from aneuflow.service.settings import service_settings
    except ModuleNotFoundError as error:
        raise ResourceError(f"The service needs {error.name}; run pip install 'aneuflow[service]'.") from error
    run_server(service_settings(config, data=data, host=host, port=port, job_slots=job_slots), typer.echo, cases or ())


register(app)
