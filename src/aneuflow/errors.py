"""The errors a user meets: one class for each exit code; the message says what, where, the value and the remedy."""

from __future__ import annotations

import traceback
from pathlib import Path


class AneuflowError(Exception):
    """An error that is shown to the user as its one sentence, without a traceback."""

    exit_code = 1


class InputError(AneuflowError):
    """The input or a setting is wrong: the user can put it right."""

    exit_code = 2


class MethodError(AneuflowError):
    """The input is sound, but the method does not apply to it or failed its own checks."""

    exit_code = 3


class ResourceError(AneuflowError):
    """Memory, disk, a system library or an optional package is missing."""

    exit_code = 4


class UnforeseenError(AneuflowError):
    """A fault of the program: made by `unforeseen`."""

    exit_code = 1


def unforeseen(error: BaseException, what: str, log: Path, with_messages: bool) -> UnforeseenError:
    """The sentence that says `what` failed by `error`, which no code foresaw; the traceback goes to the file `log`.

    with_messages: False where the errors' own messages may quote a patient's name from what is read in.
    """
    name = type(error).__name__
    try:
        log.write_text(_trace(error, with_messages), "utf-8", errors="backslashreplace")
    except OSError as problem:
        return UnforeseenError(f"{what} failed in an unforeseen way ({name}) and left no log: {problem.strerror}; free space.")
    return UnforeseenError(f"{what} failed in an unforeseen way ({name}); report it with {log}, which says where.")


def _trace(error: BaseException | None, with_messages: bool) -> str:
    """The traceback of an error after those of the errors it came from."""
    if error is None:
        return ""
    message = f": {error}" if with_messages else ""
    frames = "".join(traceback.format_tb(error.__traceback__))
    return f"{_trace(error.__cause__ or error.__context__, with_messages)}{frames}{type(error).__name__}{message}\n\n"
