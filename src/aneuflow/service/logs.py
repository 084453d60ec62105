"""Logs as one JSON object a line: what happened, to which case and job, never to whom."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime


def place_of(error: BaseException) -> dict[str, str]:
    """An error's type and where it arose, without its message, which may quote what was sent or read."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}"
    return {"error": type(error).__name__, "place": place}


def _line(record: logging.LogRecord, event: str, facts: dict[str, object]) -> str:
    time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time, "level": record.levelname.lower(), "event": event, **facts})


class _Own(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _line(record, record.getMessage(), getattr(record, "facts", {}))


class _Foreign(logging.Formatter):
    """What a library says may quote labels and names; that it said something, and about which error, does not."""

    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        return _line(record, "library", {"logger": record.name, **(place_of(error) if error else {})})


def start_logging() -> None:
    """Write the service's own events to standard error; of libraries and of what nobody caught only where it arose."""
    own, root = logging.getLogger("aneuflow.service"), logging.getLogger()
    for logger, formatter, level in ((own, _Own(), logging.INFO), (root, _Foreign(), logging.WARNING)):
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(formatter)
        logger.handlers = [handler]
        logger.setLevel(level)
    own.propagate = False
    logging.captureWarnings(True)
    threading.excepthook = _on_thread_error


def _on_thread_error(gone: threading.ExceptHookArgs) -> None:
    if gone.exc_value is not None:
        logging.getLogger("aneuflow.service").error("thread ended", extra={"facts": place_of(gone.exc_value)})
