"""Two examinations of one patient compared for whoever may read both, in a process of its own; nothing of it is kept."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from aneuflow.errors import MethodError
from aneuflow.report.text import Language
from aneuflow.service.child import COMPARISON_FILE, COMPARISON_REPORT, FIRST, SECOND
from aneuflow.service.engine import LocalEngine, Ticket
from aneuflow.service.models import Case
from aneuflow.service.problems import Problem
from aneuflow.service.publish import restore
from aneuflow.service.system import System

COMPARE = "compare"
_MEMORY_BYTES = 8 * 2**30
_LONGEST_S = 300.0
_POLL_S = 0.1
# Each takes a core for some seconds: who comes meanwhile is told so instead of holding a thread of the server.
_ONE_AT_A_TIME = threading.Lock()


def comparison(system: System, first: Case, second: Case, language: Language) -> dict[str, Any]:
    """How the wall of the second case lies to that of the first, as `views.comparison_view` says it.

    Raises Problem where another comparison is under way or a case has no model, MethodError where the two do not fit.
    """
    found: dict[str, Any] = json.loads(_made(system, first, second, language, COMPARISON_FILE))
    return found


def comparison_report(system: System, first: Case, second: Case, language: Language) -> bytes:
    """The same as a report (PDF). Raises what `comparison` raises."""
    return _made(system, first, second, language, COMPARISON_REPORT)


def _made(system: System, first: Case, second: Case, language: Language, file: str) -> bytes:
    for case in (first, second):
        if not _model_folders(case):
            raise Problem(409, "no_model", label=case.label)
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise Problem(409, "comparing")
    try:
        with tempfile.TemporaryDirectory(dir=system.settings.passing) as name:
            place = Path(name).absolute()
            for case, folder in ((first, FIRST), (second, SECOND)):
                restore(system, case.id, place / folder, _model_folders(case))
            names, as_report = [first.label, second.label], file == COMPARISON_REPORT
            _compare(place, {"names": names, "language": language, "as_report": as_report})
            return (place / file).read_bytes()
    finally:
        _ONE_AT_A_TIME.release()


def _model_folders(case: Case) -> set[str]:
    """The folders of the stages up to the model, empty where there is no finished one."""
    from aneuflow.pipeline.stages import chain  # this late, as it brings all that computes

    manifest = case.manifest or {}
    stages = manifest.get("stages", {})
    if stages.get("model", {}).get("state") != "done":
        return set()
    names = [stage.name for stage in chain(manifest["input"]["kind"])]
    wanted = {"import", *names[: names.index("model") + 1]}
    return {record["folder"] for name, record in stages.items() if name in wanted}


def _compare(place: Path, settings: dict[str, Any]) -> None:
    ticket = Ticket(COMPARE, str(place), {COMPARE: settings}, _MEMORY_BYTES, threads=1)
    run, end = LocalEngine().start(ticket), time.monotonic() + _LONGEST_S
    try:
        while not run.is_over() and time.monotonic() < end:
            time.sleep(_POLL_S)
        state, reason = run.seen().end or ("failed", "")
    finally:
        run.stop()
    if state != "done":
        raise MethodError(reason or f"The comparison took over {_LONGEST_S:.0f} s; compare the two on the command line.")
