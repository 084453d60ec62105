"""The process in which a job is done: it is given a ticket and a folder, no database, no store, no secret, no network.

Run as `python -m aneuflow.service.child`; reads the ticket from standard input and tells its progress on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from aneuflow.errors import AneuflowError, UnforeseenError, unforeseen

CASE, VIEWS, SOURCE, IDENTITY = "case", "views", "source", "identity.json"
DICOM, INDEX_FILE = "dicom", "index.json.gz"
RECORDS, RECORD_FILE, FAILURE_LOG = "records", "record.json", "failure.log"
FIRST, SECOND, COMPARISON_FILE, COMPARISON_REPORT = "first", "second", "comparison.json", "comparison.pdf"
_SECONDS_BETWEEN_NEWS = 0.3
_COPY_BYTES = 2**20
_LONGEST_FAILURE = 50_000


def main() -> None:
    """Do what the ticket says; the process ends when its parent does."""
    ticket = json.loads(sys.stdin.readline())
    shut_in(ticket["memory_bytes"])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    news = _News()
    reason = _attempt(ticket, news)
    if ticket["kind"] in ("intake", "assess"):  # the others have no case of their own
        news.tell_current(Path(ticket["folder"]) / CASE)
    news.tell({"end": "failed" if reason else "done", "reason": reason})


def _attempt(ticket: Mapping[str, Any], news: _News) -> str:
    """Why it failed, empty where it did not. Of what no code foresaw, the traceback is left in a failure log."""
    folder = Path(ticket["folder"])
    try:
        {"intake": _intake, "assess": _assess, "record": _read_record, "compare": _compare}[ticket["kind"]](ticket, news)
    except UnforeseenError as error:
        return _to_report(error, folder)
    except AneuflowError as error:
        return str(error)
    except MemoryError:
        return "Memory ran out; give a smaller region or a coarser resolution."
    except OSError as error:
        return f"A file cannot be used ({error.strerror}); check the machine's free space."
    except Exception as error:  # its message may quote a patient's name
        return _to_report(unforeseen(error, "The work on the case", folder / FAILURE_LOG, with_messages=False), folder)
    return ""


def _to_report(error: UnforeseenError, folder: Path) -> str:
    what, _, _ = str(error).partition(";")
    return f"{what}; give the administrator the number of the job, {folder.name}, whose log is kept for them."


def failure_of(folder: Path) -> str:
    """The traceback of what no code foresaw in a job's folder, empty where there is none."""
    logs = (folder / FAILURE_LOG, folder / CASE / FAILURE_LOG)
    return "".join(log.read_text("utf-8")[-_LONGEST_FAILURE:] for log in logs if log.is_file())


def shut_in(memory_bytes: int) -> None:
    """Give up the network where the system lets a user do so; limit memory and core dumps.

    Only a process of one thread may: nothing that starts others, such as numpy, is imported before.
    """
    with contextlib.suppress(OSError):
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _die_with_parent() -> None:
    """The parent never writes again: reading on ends only when it is gone, however it died."""
    sys.stdin.read()
    os._exit(1)


class _News:
    """Writes to what was standard output; anything libraries print goes nowhere."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        self._last = 0.0

    def tell(self, news: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(news) + "\n")

    def tell_current(self, case_path: Path) -> None:
        """Which stages are whole and follow from each other now, as far as the case can be read."""
        from aneuflow.case.folder import CaseFolder
        from aneuflow.pipeline.run import current_stages

        with contextlib.suppress(Exception):  # it is no case yet, or none any more
            self.tell({"current": sorted(current_stages(CaseFolder(case_path)))})

    def progress(self, case_path: Path, stage: str) -> Any:
        self.tell_current(case_path)

        def report(fraction: float, message: str) -> None:
            if fraction in (0.0, 1.0) or time.monotonic() - self._last > _SECONDS_BETWEEN_NEWS:
                self._last = time.monotonic()
                self.tell({"stage": stage, "fraction": fraction})

        return report


def _intake(ticket: Mapping[str, Any], news: _News) -> None:
    """Read an upload into a new case folder without anything that names the patient; the identity goes apart."""
    from aneuflow.pipeline.run import IMPORT, assess
    from aneuflow.service.dicom_copy import write_images
    from aneuflow.service.identity import identity_of
    from aneuflow.service.records import with_records
    from aneuflow.service.views import write_image_view

    folder = Path(ticket["folder"])
    source = folder / SOURCE
    shutil.rmtree(source, ignore_errors=True)
    for made in (CASE, DICOM):
        shutil.rmtree(folder / made, ignore_errors=True)
    source.mkdir()
    news.tell({"stage": IMPORT, "fraction": 0.05})
    path = _unpack(Path(ticket["source"]), ticket["files"], source)
    news.tell({"stage": IMPORT, "fraction": 0.3})
    assess(path, folder / CASE, with_records(ticket["settings"], folder / RECORDS), last=IMPORT)
    news.tell({"stage": IMPORT, "fraction": 0.8})
    (folder / IDENTITY).write_text(json.dumps(identity_of(path)), "utf-8")
    write_image_view(folder / CASE, folder / VIEWS)
    write_images(folder / CASE, folder)
    shutil.rmtree(source)


def _unpack(stream: Path, files: list[list[Any]], target: Path) -> Path:
    """Cut the stream into its files, named by number; gives the file, or the folder where there are several.

    A stream of no files is a folder of them already.
    """
    if not files:  # out of the archive, it came as files
        return stream
    if len(files) == 1:
        path = target / f"input{files[0][1]}"
        os.link(stream, path)
        return path
    with stream.open("rb") as source:
        for number, (size, suffix) in enumerate(files, start=1):
            with (target / f"{number:06}{suffix}").open("wb") as out:
                left = size
                while left:
                    part = source.read(min(left, _COPY_BYTES))
                    if not part:
                        raise OSError(5, "the upload is shorter than it was said to be")
                    out.write(part)
                    left -= len(part)
    return target


def _read_record(ticket: Mapping[str, Any], news: _News) -> None:
    """The curves of a Doppler or pressure record, without whatever else its file holds."""
    from aneuflow.boundary import read_record, record_to_json

    record = record_to_json(read_record(Path(ticket["source"])))
    (Path(ticket["folder"]) / RECORD_FILE).write_text(json.dumps(record), "utf-8")


def _compare(ticket: Mapping[str, Any], news: _News) -> None:
    """How the wall of the case in SECOND lies to that of the case in FIRST: in words, rows and a scene, or as a report."""
    from aneuflow.case.folder import CaseFolder
    from aneuflow.errors import InputError, ResourceError
    from aneuflow.pipeline.compare import compared
    from aneuflow.pipeline.run import current_stages
    from aneuflow.report.comparison import build_comparison
    from aneuflow.report.text import note_text
    from aneuflow.service.views import comparison_view

    folder, given = Path(ticket["folder"]), ticket["settings"]["compare"]
    for name, place in zip(given["names"], (FIRST, SECOND), strict=True):
        if "model" not in current_stages(CaseFolder(folder / place / CASE)):
            raise InputError(f"The model of case {name} was made by another version of the program; compute it again first.")
    content = compared(folder / FIRST / CASE, folder / SECOND / CASE, tuple(given["names"]))
    if given["as_report"]:
        report = build_comparison(content, given["language"])
        if report.pdf is None:
            raise ResourceError(note_text("en", report.notes[-1]))
        (folder / COMPARISON_REPORT).write_bytes(report.pdf)
        return
    (folder / COMPARISON_FILE).write_text(json.dumps(comparison_view(content, given["language"])), "utf-8")


def _assess(ticket: Mapping[str, Any], news: _News) -> None:
    from aneuflow.pipeline.run import run_stage
    from aneuflow.service.dicom_copy import write_results
    from aneuflow.service.records import with_records

    folder = Path(ticket["folder"])
    settings = with_records(ticket["settings"], folder / RECORDS)
    settings.setdefault("simulate", {})["threads"] = ticket["threads"]
    for view in (folder / VIEWS).glob("*.json.gz"):  # of the numbers before; the image stays
        view.unlink()
    for result in (folder / DICOM).glob("*.dcm"):
        result.unlink()

    def begin(stage: str) -> Any:
        if stage == "simulate":  # the long one: the model can be looked at meanwhile
            _draw(folder)
        return news.progress(folder / CASE, stage)

    try:
        run_stage(folder / CASE, ticket["last"], settings, begin)
    except AneuflowError:
        with contextlib.suppress(Exception):  # what is told is the error before
            _draw(folder)
        raise
    news.progress(folder / CASE, "views")(0.0, "views")
    _draw(folder)
    if ticket["with_dicom"]:
        write_results(folder / CASE, folder)


def _draw(folder: Path) -> None:
    """The views of what is current now."""
    from aneuflow.case.folder import CaseFolder
    from aneuflow.pipeline.run import current_stages
    from aneuflow.service.views import write_views

    write_views(folder / CASE, folder / VIEWS, current_stages(CaseFolder(folder / CASE)))


if __name__ == "__main__":
    main()
