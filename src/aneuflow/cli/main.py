"""Where `aneuflow` starts: runs the commands and turns every end a user can meet into one sentence and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from aneuflow.errors import AneuflowError, InputError, ResourceError, unforeseen

EXIT_INTERRUPTED = 130
INTERRUPTED = "Interrupted; what was finished is kept, run the same command again to go on."


def _check_encoding(arguments: list[str]) -> None:
    """VTK and the report take UTF-8 alone. Raises InputError naming the first argument that is none."""
    for text in arguments:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise InputError(f"Argument {text!a} is not UTF-8; rename the file or folder.")


def _run_command(arguments: list[str]) -> None:
    _check_encoding(arguments)
    # This late, for it takes seconds: an interruption meanwhile is answered in words too.
    if arguments[1:2] == ["serve"]:  # which needs none of what the other commands compute with
        from aneuflow.cli.serve import app
    else:
        from aneuflow.cli.app import app
    app()


def _end(sentence: str, code: int) -> None:
    print(f"aneuflow: {sentence}", file=sys.stderr)
    sys.exit(code)


def _foreseen(error: Exception) -> AneuflowError:
    """The error a user is told of in place of `error`; what no one foresaw leaves its traceback in a temporary file."""
    if isinstance(error, AneuflowError):
        return error
    if isinstance(error, MemoryError):
        return ResourceError("Memory ran out; use a coarser --resolution or a smaller region.")
    if isinstance(error, ImportError):
        return ResourceError(f"Cannot load {error.name or 'a library'} ({error}); install aneuflow and its libraries again.")
    if isinstance(error, OSError):
        place = "" if error.filename is None else f" {os.fsdecode(error.filename)}"
        return ResourceError(f"Cannot use{place}: {error.strerror or error}; check path, permission and free space.")
    descriptor, log = tempfile.mkstemp(prefix="aneuflow-", suffix=".log")
    os.close(descriptor)
    return unforeseen(error, "The command", Path(log), with_messages=False)


def main() -> None:
    """Run the command line; every error a user can meet ends as one sentence and its exit code."""
    try:
        _run_command(sys.argv)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        _end(INTERRUPTED, EXIT_INTERRUPTED)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:  # typer turns Ctrl-C into this code without a word
            _end(INTERRUPTED, EXIT_INTERRUPTED)
        raise
    except Exception as error:
        told = _foreseen(error)
        _end(str(told), told.exit_code)


if __name__ == "__main__":
    main()
