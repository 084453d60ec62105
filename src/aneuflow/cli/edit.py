"""`aneuflow edit`: correct a case by hand in the browser."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from aneuflow.cli.stages import Case
from aneuflow.errors import ResourceError


def register(app: typer.Typer) -> None:
    app.command("edit")(edit)


def edit(
    case: Case,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 0,
) -> None:
    """Correct inlets, neck plane and inflow of a case on a local page; what follows is computed again. Ctrl-C ends it."""
    try:
        from aneuflow.service.edit import run_edit
    except ModuleNotFoundError as error:
        raise ResourceError(f"The page needs {error.name}; run pip install 'aneuflow[service]'.") from error
    with suppress(KeyboardInterrupt):
        run_edit(case, port, typer.echo)
