"""One case folder as a person works on it: what is in it now, and computing again on a copy that then takes its place."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aneuflow.case.files import read_json
from aneuflow.case.folder import CHECKPOINT_FOLDER, FAILURE_LOG, LOCK, CaseFolder
from aneuflow.case.label_store import LUMEN, label_file, write_labels
from aneuflow.errors import InputError
from aneuflow.pipeline.run import current_stages
from aneuflow.pipeline.settings import settings_from
from aneuflow.service.child import CASE, VIEWS, failure_of
from aneuflow.service.engine import Engine, LocalEngine, Run, Ticket
from aneuflow.service.jobs import ASSESS, overall
from aneuflow.service.labels import Painted, checked_labels, labels_seen
from aneuflow.service.problems import Problem
from aneuflow.service.publish import given_folders
from aneuflow.service.views import write_image_view, write_views

CASE_ID = "local"
# Within the case folder, so that files can be shared with the copy by links instead of being copied.
DESK = ".edit"
_POLL_S = 0.2


class LocalCase:
    """A case held by this process. Its folder changes only when a computation is done; one that fails leaves it as it was."""

    def __init__(self, path: Path, engine: Engine) -> None:
        self.folder, self.jobs = CaseFolder(path), list[dict[str, Any]]()
        self._engine, self.desk = engine, path / DESK
        self._views, self._job = self.desk / "shown", self.desk / "job"
        self._run: Run | None = None
        self._watcher: threading.Thread | None = None
        self._guard = threading.RLock()
        self._to_cancel = False
        self._current: frozenset[str] = frozenset()

    @classmethod
    @contextmanager
    def opened(cls, path: Path, engine: Engine | None = None) -> Iterator[LocalCase]:
        """Hold the case of a folder. Raises InputError where it is none or has no model, ResourceError where it is in use."""
        case = CaseFolder(path)
        case.manifest()
        with case.locked():
            current = current_stages(case)
            if "model" not in current:
                raise InputError(f"Case {path} has no finished model to correct; run `aneuflow measure {path}` first.")
            local = cls(path, engine or LocalEngine())
            shutil.rmtree(local.desk, ignore_errors=True)
            local._views.mkdir(parents=True)
            try:
                write_image_view(path, local._views)
                write_views(path, local._views, current)
                local._current = current
                yield local
            finally:
                local._end()
                shutil.rmtree(local.desk, ignore_errors=True)

    def files(self) -> dict[str, Path]:
        """The files of the stages that are current, by their path in the case, and the views."""
        with self._guard:
            manifest = self.folder.manifest()
            shown = {*self._current, *given_folders(manifest)}
            found = {
                f"{record.folder}/{name}": self.folder.path / record.folder / name
                for stage, record in manifest.stages.items()
                if stage in shown
                for name in record.outputs
            }
            return found | {f"{VIEWS}/{file.name}": file for file in self._views.iterdir() if not file.name.startswith(".")}

    def content(self, path: str) -> Any:
        """A JSON file of the case, None where there is none."""
        with self._guard:
            file = self.files().get(path)
            return None if file is None else read_json(file)

    def see(self) -> dict[str, Any]:
        """The case as the terminal's API describes one."""
        with self._guard:
            manifest = self.folder.manifest()
            last = self.jobs[-1] if self.jobs else None
            self._update(last)
            stages = {
                name: {"state": record.state, "seconds": record.seconds, "reason": record.reason}
                for name, record in manifest.stages.items()
                if name in self._current
            }
            grade = self.content("risk/risk.json")
            changed = self.folder.manifest_file.stat().st_mtime
            return {
                "id": CASE_ID,
                "label": str(manifest.settings.get("report", {}).get("title") or self.folder.path.resolve().name),
                "state": last["state"] if last else "done",
                "reason": last["reason"] if last else "",
                "grade": ((grade or {}).get("grade") or {}).get("grade") or "",
                "priority": 0, "diameter_mm": None, "created": changed, "changed": changed, "project": "", "project_id": "",
                "role": "editor",
                "job": last if last and last["state"] == "running" else None,
                "files": [{"path": path, "size": file.stat().st_size} for path, file in sorted(self.files().items())],
                "stages": stages,
                "settings": manifest.settings,
                "kind": manifest.input["kind"],
            }  # fmt: skip

    def _update(self, job: dict[str, Any] | None) -> None:
        if job is None or self._run is None or job["state"] != "running":
            return
        seen, elapsed = self._run.seen(), time.time() - job["started"]
        done = overall(seen.stage, seen.fraction, job["last"])
        left = elapsed * (1 - done) / done if done > 0.02 and elapsed > 3.0 else None
        job.update(stage=seen.stage, fraction=done, remaining_s=left)

    def labels(self, reader: str) -> dict[str, Any]:
        """What a reader has painted on the wall. Raises InputError where the name can be none."""
        with self._guard:
            return labels_seen(label_file(self.folder.path, reader), self.folder.path / LUMEN)

    def keep_labels(self, reader: str, given: Painted) -> int:
        """Keep what a reader has painted, in place of what that reader had before; gives how many points are marked."""
        with self._guard:
            labels = checked_labels(given, self.folder.path / LUMEN)
            write_labels(self.folder.path, reader, labels)
            return int((labels.label > 0).sum())

    def start(self, settings: Mapping[str, Any], last: str) -> dict[str, Any]:
        """Compute with settings laid over the case's own, up to the stage `last`. Raises Problem where it is being computed."""
        with self._guard:
            if self._watcher is not None and self._watcher.is_alive():
                raise Problem(409, "computing", label=self.folder.path.resolve().name)
            threads = settings_from(self.folder.manifest().settings).simulate.threads
            self._lay_out()
            memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
            ticket = Ticket(ASSESS, str(self._job.absolute()), settings, memory, last, threads=threads)
            now = time.time()
            job: dict[str, Any] = {
                "kind": ASSESS, "state": "running", "stage": "", "fraction": 0.0, "remaining_s": None, "reason": "",
                "created": now, "started": now, "ended": 0.0, "last": last,
            }  # fmt: skip
            self.jobs.append(job)
            self._to_cancel, self._run = False, self._engine.start(ticket)
            self._watcher = threading.Thread(target=self._watch, args=(self._run, job))
            self._watcher.start()
            return job

    def cancel(self) -> bool:
        """Stop the work; False where there is none."""
        is_running = self._watcher is not None and self._watcher.is_alive()
        self._to_cancel = True
        if self._watcher is not None:
            self._watcher.join(5.0)
        return is_running

    def _end(self) -> None:
        self._to_cancel = True
        if self._watcher is not None:
            self._watcher.join()

    def _lay_out(self) -> None:
        """The copy to work on: the same files under second names. Stages replace files and never write into them."""
        shutil.rmtree(self._job, ignore_errors=True)
        left_out = shutil.ignore_patterns(DESK, LOCK, CHECKPOINT_FOLDER, FAILURE_LOG, ".writing-*", ".replaced-*")
        shutil.copytree(self.folder.path, self._job / CASE, copy_function=_link, ignore=left_out)
        shutil.copytree(self._views, self._job / VIEWS, copy_function=_link)

    def _watch(self, run: Run, job: dict[str, Any]) -> None:
        try:
            while not run.is_over() and not self._to_cancel:
                time.sleep(_POLL_S)
            state, reason = run.seen().end or (
                "failed",
                "Its process was lost; look at the machine's memory, then start again.",
            )
        finally:
            run.stop()
        with self._guard:
            if self._to_cancel:
                state, reason = "canceled", ""
            elif state == "done":
                self._take(run.seen().current)
            else:
                reason = self._keep_log(reason)
            job.update(state=state, reason=reason, ended=time.time(), remaining_s=None)
            shutil.rmtree(self._job, ignore_errors=True)

    def _take(self, current: tuple[str, ...]) -> None:
        """Put what was made in place of what was there; killed within, the case is one whose later stages are to be made."""
        made, before = CaseFolder(self._job / CASE).manifest(), self.folder.manifest()
        for name, record in made.stages.items():
            if name in before.stages and before.stages[name].outputs == record.outputs:
                continue
            target, kept = self.folder.stage_folder(record.folder), self.folder.path / f".replaced-{record.folder}"
            if target.exists():
                target.rename(kept)
            (self._job / CASE / record.folder).rename(target)
            shutil.rmtree(kept, ignore_errors=True)
        self.folder.save(made)
        shutil.rmtree(self._views)
        (self._job / VIEWS).rename(self._views)
        self._current = frozenset(current)

    def _keep_log(self, reason: str) -> str:
        log = failure_of(self._job)
        if not log:
            return reason
        self.folder.failure_log.write_text(log, "utf-8")
        return f"{reason.partition(';')[0]}; report it with {self.folder.failure_log}, which says where."


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)
