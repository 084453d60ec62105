"""The dispatcher: takes jobs from the queue, has an engine do them, keeps what they make, and minds those of the lost.

Run as `python -m aneuflow.service.dispatch`; its configuration comes in the environment. One on each computing machine.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aneuflow.errors import AneuflowError
from aneuflow.service import audit, jobs
from aneuflow.service.engine import Engine, LocalEngine, Run, Ticket, job_folder
from aneuflow.service.logs import start_logging
from aneuflow.service.models import Case, Job, Upload, Worker
from aneuflow.service.publish import publish, purge_deleted, restore, seal_identity
from aneuflow.service.settings import ServiceSettings, service_settings
from aneuflow.service.system import System, open_system

log = logging.getLogger("aneuflow.service.dispatch")
_POLL_S = 0.25
_REPORT_S = 1.0
_TIDY_S = 60.0
_GIB = 2**30


class Dispatcher:
    """One intake at a time and `job_slots` cases beside it; a thread minds each."""

    def __init__(self, system: System, engine: Engine) -> None:
        self.system, self.engine = system, engine
        self.id = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns() % 10**9}"
        self._minders: dict[str, list[threading.Thread]] = {jobs.INTAKE: [], jobs.ASSESS: []}
        self.ending = threading.Event()

    def serve(self) -> None:
        """Work until `ending` is set or the process that started this one is gone; what runs then is given back."""
        parent, last_tidy = os.getppid(), 0.0
        slots = {jobs.INTAKE: 1, jobs.ASSESS: self.system.settings.job_slots}
        while not self.ending.wait(_POLL_S) and os.getppid() == parent:
            try:
                self._requeue_lost()
                self._tell_state()
                for kind, count in slots.items():
                    self._minders[kind] = [thread for thread in self._minders[kind] if thread.is_alive()]
                    if len(self._minders[kind]) < count:
                        self._take(kind)
                if time.monotonic() - last_tidy > _TIDY_S:
                    last_tidy = time.monotonic()
                    tidy(self.system)
            except Exception as error:  # the database may be away for a while; jobs are kept there, not here
                log.error("dispatcher", extra={"facts": {"error": type(error).__name__}})
                self.ending.wait(2.0)
        if os.getppid() == parent:
            self.ending.set()
        for thread in [thread for threads in self._minders.values() for thread in threads]:
            thread.join()  # orphaned, it finishes what it has and takes no more
        with self.system.database.writing() as session:
            session.execute(delete(Worker).where(Worker.id == self.id))

    def _requeue_lost(self) -> None:
        settings = self.system.settings
        with self.system.database.writing() as session:
            for job in jobs.requeue_lost(session, settings.lease_s, settings.attempts):
                log.warning("job lost", extra={"facts": {"job": job.id, "case": job.case_id, "attempt": job.attempt}})

    def _tell_state(self) -> None:
        pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        disk = shutil.disk_usage(self.system.settings.work)
        row = Worker(
            id=self.id,
            host=socket.gethostname(),
            engine=self.engine.name,
            slots=self.system.settings.job_slots,
            cores=os.cpu_count() or 1,
            load=os.getloadavg()[0],
            memory_bytes=pages * page,
            memory_free_bytes=os.sysconf("SC_AVPHYS_PAGES") * page,
            disk_bytes=disk.total,
            disk_free_bytes=disk.free,
            seen=time.time(),
        )
        with self.system.database.writing() as session:
            session.merge(row)
            session.execute(delete(Worker).where(Worker.seen < time.time() - 600))

    def _take(self, kind: str) -> None:
        with self.system.database.writing() as session:
            job = jobs.claim(session, self.id, (kind,))
        if job is not None:
            thread = threading.Thread(target=self._mind, args=(job,), name=job.id)
            self._minders[kind].append(thread)
            thread.start()

    def _mind(self, job: Job) -> None:
        """Everything about one job, from its folder to its end in the queue."""
        facts = {"job": job.id, "case": job.case_id, "kind": job.kind, "attempt": job.attempt}
        log.info("job started", extra={"facts": facts})
        try:
            state, reason = self._do(job)
        except AneuflowError as error:
            state, reason = "failed", str(error)
        except Exception as error:
            log.error("job", extra={"facts": {**facts, "error": type(error).__name__}})
            state, reason = "lost", ""
        self._end(job, state, reason)
        log.info("job ended", extra={"facts": {**facts, "state": state}})

    def _do(self, job: Job) -> tuple[str, str]:
        folder = job_folder(self.system.settings.work, job.id)
        folder.mkdir(parents=True, exist_ok=True)
        ticket = self._ticket(job, folder)
        if job.kind == jobs.ASSESS:
            restore(self.system, job.case_id, folder)
        run = self.engine.start(ticket)
        try:
            state, reason = self._watch(job, run, folder)
        finally:
            run.stop()
        if state in ("done", "failed"):
            publish(self.system, job.case_id, folder)
            if job.kind == jobs.INTAKE and state == "done":
                seal_identity(self.system, job.case_id, folder)
        return state, reason

    def _ticket(self, job: Job, folder: Path) -> Ticket:
        settings = self.system.settings
        if job.kind == jobs.ASSESS:
            return Ticket(job.kind, str(folder.absolute()), job.settings, job.last, threads=settings.threads_per_job)
        with self.system.database.reading() as session:
            upload = session.get_one(Upload, job.upload_id)
        source = str((settings.incoming / upload.id).absolute())
        memory = int(settings.intake_memory_gib * _GIB)
        return Ticket(job.kind, str(folder.absolute()), job.settings, job.last, source, upload.files, memory)

    def _watch(self, job: Job, run: Run, folder: Path) -> tuple[str, str]:
        """Report how far the run is until it ends or is to end: done, failed, canceled, lost or dropped, and why."""
        start, last, ended = time.monotonic(), 0.0, 0
        while not run.is_over():
            now, seen = time.monotonic(), run.seen()
            if self.ending.is_set():
                return "lost", ""
            if job.kind == jobs.INTAKE and now - start > self.system.settings.intake_s:
                return "failed", f"Reading the upload took over {self.system.settings.intake_s:.0f} s; give a smaller one."
            if now - last > _REPORT_S:
                last = now
                with self.system.database.writing() as session:
                    stop = jobs.report(session, job, seen.stage, seen.fraction, now - start)
                if stop is None:
                    return "dropped", ""
                if stop:
                    return "canceled", ""
            if seen.stages_ended > ended + 1:
                ended = seen.stages_ended
                publish(self.system, job.case_id, folder)
            time.sleep(_POLL_S)
        return run.seen().end or ("lost", "")

    def _end(self, job: Job, state: str, reason: str) -> None:
        if state == "dropped":
            return
        with self.system.database.writing() as session:
            if state == "lost":
                jobs.give_back(session, job, self.system.settings.attempts)
            elif jobs.finish(session, job, state, reason):
                audit.append(
                    session, audit.Deed("system", f"{job.kind}_{state}", 200, job.project_id, job.case_id, detail=job.id)
                )
                if job.kind == jobs.INTAKE and state == "done":
                    self._queue_assessment(session, job)
            session.flush()
            waits = session.get_one(Job, job.id, populate_existing=True).state in jobs.ACTIVE
        if not waits:
            shutil.rmtree(job_folder(self.system.settings.work, job.id), ignore_errors=True)
            if job.upload_id:
                (self.system.settings.incoming / job.upload_id).unlink(missing_ok=True)

    def _queue_assessment(self, session: Session, job: Job) -> None:
        case = session.get_one(Case, job.case_id)
        settings = {**job.settings, "report": {"title": case.label, **job.settings.get("report", {})}}
        settings.pop("input", None)
        jobs.submit(session, case, jobs.ASSESS, job.user_id, settings)


def tidy(system: System) -> None:
    """Remove what no job needs: folders of ended jobs, uploads begun and left for a week, cases past their retention."""
    purge_deleted(system, time.time())
    with system.database.reading() as session:
        for folder in system.settings.work.iterdir():
            job = session.get(Job, folder.name)
            if job is None or job.state not in jobs.ACTIVE:
                shutil.rmtree(folder, ignore_errors=True)
        for file in system.settings.incoming.iterdir():
            upload = session.get(Upload, file.name)
            if upload is None or (not upload.case_id and upload.created < time.time() - 7 * 86400):
                file.unlink(missing_ok=True)


def serve(settings: ServiceSettings) -> None:
    dispatcher = Dispatcher(open_system(settings), LocalEngine())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.ending.set())
    dispatcher.serve()


if __name__ == "__main__":
    start_logging()
    serve(service_settings())
