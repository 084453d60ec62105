"""Logs as one JSON object a line: what happened, to which case and job, never to whom."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        facts = getattr(record, "facts", {})
        return json.dumps({"time": time, "level": record.levelname.lower(), "event": record.getMessage(), **facts})


def start_logging() -> None:
    """Write the service's own events to standard error; of libraries only warnings, without their words."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    own = logging.getLogger("aneuflow.service")
    own.handlers, own.propagate = [handler], False
    own.setLevel(logging.INFO)
