"""The command line: `aneuflow COMMAND`. Parses, shows progress and errors; all work is the pipeline's."""

from __future__ import annotations

import os
import sys

import typer

from aneuflow import __version__
from aneuflow.errors import AneuflowError, InputError

EXIT_INTERRUPTED = 130
INTERRUPTED = "aneuflow: Interrupted; what was finished is kept, run the same command again to go on."

app = typer.Typer(
    help="From an angiogram of an intracranial aneurysm to its shape, its blood flow and a report. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aneuflow {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Print the version and end."),
) -> None:
    pass


def _register_commands() -> None:
    """Imported this late, for it takes seconds: an interruption meanwhile is answered in words too."""
    from aneuflow.cli import assess, bench, compare, export, grade, pacs, stages, train, verify

    for command in (assess, stages, export, compare, pacs, verify, bench, grade, train):
        command.register(app)


def _check_encoding(arguments: list[str]) -> None:
    """VTK and the report take UTF-8 alone. Raises InputError naming the first argument that is none."""
    for text in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InputError(f"Argument {text!a} is not UTF-8; rename the file or folder.")


def main() -> None:
    """Run the command line; every error a user can meet ends as one sentence and its exit code."""
    try:
        _check_encoding(sys.argv)
        if not app.registered_commands:
            _register_commands()
        app()
    except AneuflowError as error:
        typer.echo(f"aneuflow: {error}", err=True)
        sys.exit(error.exit_code)
    except MemoryError:
        typer.echo("aneuflow: Memory ran out; use a coarser --resolution or a smaller region.", err=True)
        sys.exit(4)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo(INTERRUPTED, err=True)
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:  # typer turns Ctrl-C into this code without a word
            typer.echo(INTERRUPTED, err=True)
        raise
    except OSError as error:
        place = "" if error.filename is None else f" {os.fsdecode(error.filename)}"
        typer.echo(f"aneuflow: Cannot use{place}: {error.strerror or error}; check path, permission and free space.", err=True)
        sys.exit(4)


if __name__ == "__main__":
    main()
