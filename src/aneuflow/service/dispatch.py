"""The dispatcher: takes jobs from the queue, has an engine do them, keeps what they make, and minds those of the lost.

Run as `python -m aneuflow.service.dispatch`; its configuration comes in the environment. One on each computing machine, or
one for a Ray cluster.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.errors import AneuflowError
from aneuflow.service import audit, jobs, traces
from aneuflow.service.child import failure_of
from aneuflow.service.engine import Engine, LocalEngine, Machine, Run, Ticket, check_cluster, job_folder, machine_memory
from aneuflow.service.heartbeat import Heartbeat
from aneuflow.service.logs import place_of, start_logging
from aneuflow.service.models import Case, Job, Upload, Worker
from aneuflow.service.objects import StoreAway
from aneuflow.service.publish import Finding, publish, restore, seal_identity
from aneuflow.service.retention import tidy
from aneuflow.service.retrieval import Interrupted, retrieve
from aneuflow.service.secrecy import hide_memory
from aneuflow.service.settings import ServiceSettings, service_settings
from aneuflow.service.system import System, open_system

log = logging.getLogger("aneuflow.service.dispatch")
ARCHIVED = "archived"
_POLL_S = 0.25
_TIDY_S = 60.0
_GIB = 2**30


class Dispatcher:
    """One intake at a time, and beside it as many cases as the engine has slots; a thread minds each."""

    def __init__(self, system: System, engine: Engine) -> None:
        self.system, self.engine = system, engine
        self.id = f"{socket.gethostname()}:{os.getpid()}:{time.time_ns() % 10**9}"
        self._minders: dict[str, list[threading.Thread]] = {jobs.INTAKE: [], jobs.ASSESS: []}
        self.ending = threading.Event()
        self._has_room = threading.Event()
        self._is_store_away = False
        self._told: set[str] = set()

    def serve(self, parent: int) -> None:
        """Work until `ending` is set or the process `parent`, which started this one, is gone; what runs then is given back."""
        last_tidy = 0.0
        while not self.ending.is_set() and os.getppid() == parent:
            self._has_room.wait(_POLL_S)  # what waits is taken as soon as something has ended
            self._has_room.clear()
            try:
                self._requeue_lost()
                machines = self.engine.machines()
                self._tell_state(machines)
                slots = {jobs.INTAKE: 1, jobs.ASSESS: sum(machine.slots for machine in machines)}
                self._is_store_away = self._is_store_away and not self.system.objects.answers()
                for kind, count in slots.items():
                    room = 0 if self._is_store_away else count - len(self._minders[kind])
                    while room > 0 and not self.ending.is_set() and self._take(kind):
                        room -= 1
                if time.monotonic() - last_tidy > _TIDY_S:
                    last_tidy = time.monotonic()
                    tidy(self.system, time.time())
            except Exception as error:  # the database may be away for a while; jobs are kept there, not here
                log.error("dispatcher", extra={"facts": place_of(error)})
                self.ending.wait(2.0)
        if os.getppid() == parent:
            self.ending.set()
        for thread in [thread for threads in self._minders.values() for thread in threads]:
            thread.join()  # orphaned, it finishes what it has and takes no more
        with self.system.database.writing() as session:
            session.execute(delete(Worker).where(Worker.id.in_(self._told)))

    def _requeue_lost(self) -> None:
        settings = self.system.settings
        with self.system.database.writing() as session:
            for job in jobs.requeue_lost(session, settings.lease_s, settings.attempts):
                log.warning("job lost", extra={"facts": {"job": job.id, "case": job.case_id, "attempt": job.attempt}})

    def _tell_state(self, machines: list[Machine]) -> None:
        disk = shutil.disk_usage(self.system.settings.work)
        rows = [
            Worker(
                **{**asdict(machine), "id": machine.id or self.id},
                engine=self.engine.name,
                disk_bytes=disk.total,
                disk_free_bytes=disk.free,
                seen=time.time(),
            )
            for machine in machines
        ]
        with self.system.database.writing() as session:
            session.execute(delete(Worker).where(Worker.id.in_(self._told - {row.id for row in rows})))
            for row in rows:
                session.merge(row)
            self._told = {row.id for row in rows}
            session.execute(delete(Worker).where(Worker.seen < time.time() - 600))

    def _take(self, kind: str) -> bool:
        """Whether there was a job of this kind to take."""
        held = [file.name for file in self.system.settings.incoming.iterdir()] if kind == jobs.INTAKE else []
        with self.system.database.writing() as session:
            job = jobs.claim(session, self.id, kind, held)
        if job is not None:
            thread = threading.Thread(target=self._mind, args=(job,), name=job.id)
            self._minders[kind].append(thread)
            thread.start()
        return job is not None

    def _mind(self, job: Job) -> None:
        """Everything about one job, from its folder to its end in the queue; where that fails, its lease runs out."""
        facts = {"job": job.id, "case": job.case_id, "kind": job.kind, "attempt": job.attempt}
        log.info("job started", extra={"facts": facts})
        try:
            with traces.job_span(job), Heartbeat(self.system.database, job) as heartbeat:
                try:
                    state, reason = self._do(job, heartbeat)
                except StoreAway:  # what was computed waits in the job's folder until the store is back
                    log.warning("store away", extra={"facts": facts})
                    self._is_store_away, state, reason = True, "stopped", ""
                except AneuflowError as error:
                    state, reason = "failed", str(error)
                except Exception as error:
                    log.error("job", extra={"facts": {**facts, **place_of(error)}})
                    state, reason = "lost", ""
                traces.job_ended(state)
                self._end(job, state, reason)
            log.info("job ended", extra={"facts": {**facts, "state": state}})
        except Exception as error:
            log.error("job not ended", extra={"facts": {**facts, **place_of(error)}})
        finally:
            self._minders[job.kind].remove(threading.current_thread())
            self._has_room.set()

    def _do(self, job: Job, heartbeat: Heartbeat) -> tuple[str, str]:
        folder = job_folder(self.system.settings.work, job.id)
        folder.mkdir(parents=True, exist_ok=True)
        ticket = self._ticket(job, folder)
        if job.kind == jobs.ASSESS:
            restore(self.system, job.case_id, folder)
        elif not ticket.files and not self._retrieve(job, Path(ticket.source), heartbeat):
            return self._interruption(heartbeat), ""
        run = self.engine.start(ticket)
        try:
            state, reason = self._watch(job, run, heartbeat)
        finally:
            run.stop()
        if state == "done" or (state == "failed" and job.kind == jobs.ASSESS):
            publish(self.system, job.case_id, Finding(folder, run.seen().current, state == "done"), job)
            if job.kind == jobs.INTAKE and state == "done":
                seal_identity(self.system, folder, job)
        return state, reason

    def _ticket(self, job: Job, folder: Path) -> Ticket:
        settings = self.system.settings
        place = str(folder.absolute())
        if job.kind == jobs.ASSESS:
            memory = int(settings.job_memory_gib * _GIB) or machine_memory()
            model = str(settings.risk_model.absolute()) if settings.risk_model else ""
            tables = {**job.settings, "grade": {**job.settings.get("grade", {}), "model": model}}
            return Ticket(job.kind, place, tables, memory, job.last, threads=settings.threads_per_job, with_dicom=True)
        with self.system.database.reading() as session:
            upload = session.get_one(Upload, job.upload_id)
        # What is ordered from the archive comes as a folder of its own; in the place of its bytes lies the order.
        source = str((settings.incoming / upload.id if upload.files else folder / ARCHIVED).absolute())
        return Ticket(job.kind, place, job.settings, int(settings.intake_memory_gib * _GIB), job.last, source, upload.files)

    def _retrieve(self, job: Job, target: Path, heartbeat: Heartbeat) -> bool:
        """Get what the upload orders from the archive; False where that was interrupted."""
        settings, heartbeat.stage = self.system.settings, "import"
        try:
            retrieve(settings, settings.incoming / job.upload_id, target, lambda: bool(self._interruption(heartbeat)))
        except Interrupted:
            return False
        return True

    def _interruption(self, heartbeat: Heartbeat) -> str:
        """Why a job is not to go on: dropped, canceled or stopped; empty where it is."""
        if heartbeat.is_lost:
            return "dropped"
        return "canceled" if heartbeat.is_to_stop else "stopped" if self.ending.is_set() else ""

    def _watch(self, job: Job, run: Run, heartbeat: Heartbeat) -> tuple[str, str]:
        """Mind the run until it ends or is to end: done, failed, canceled, lost, stopped or dropped, and why."""
        settings = self.system.settings
        folder, start, current = job_folder(settings.work, job.id), time.monotonic(), run.seen().current
        while not run.is_over():
            seen = run.seen()
            heartbeat.stage, heartbeat.fraction = seen.stage, seen.fraction
            traces.stage_span(seen.stage)
            interruption = self._interruption(heartbeat)
            if interruption:
                return interruption, ""
            if job.kind == jobs.INTAKE and time.monotonic() - start > settings.intake_s:
                return "failed", f"Reading the upload took over {settings.intake_s:.0f} s; give a smaller one."
            if job.kind == jobs.ASSESS and seen.current != current:
                with contextlib.suppress(StoreAway):  # the next of these, or the end, has it too
                    publish(self.system, job.case_id, Finding(folder, seen.current, is_done=False), job)
                current = seen.current
            time.sleep(_POLL_S)
        return run.seen().end or ("lost", "")

    def _end(self, job: Job, state: str, reason: str) -> None:
        if state == "dropped":
            return
        folder = job_folder(self.system.settings.work, job.id)
        with self.system.database.writing() as session:
            if state in ("lost", "stopped"):
                jobs.give_back(session, job, self.system.settings.attempts, planned=state == "stopped")
            else:
                self._finish(session, job, state, reason, failure_of(folder))
            session.flush()
            waits = session.get_one(Job, job.id, populate_existing=True).state in jobs.ACTIVE
        if not waits:
            shutil.rmtree(folder, ignore_errors=True)
            if job.upload_id:
                (self.system.settings.incoming / job.upload_id).unlink(missing_ok=True)

    def _finish(self, session: Session, job: Job, state: str, reason: str, failure: str) -> None:
        is_read = job.kind == jobs.INTAKE and state == "done"
        if is_read and session.scalar(select(Job.stop).where(Job.id == job.id)):
            state, is_read = "canceled", False
        if jobs.finish(session, job, state, reason, failure):
            deed = audit.Deed("system", f"{job.kind}_{state}", 200, job.project_id, job.case_id, detail=job.id)
            audit.append(session, deed)
            if is_read:
                self._queue_assessment(session, job)

    def _queue_assessment(self, session: Session, job: Job) -> None:
        case = session.get_one(Case, job.case_id)
        settings = {**job.settings, "report": {"title": case.label, **job.settings.get("report", {})}}
        settings.pop("input", None)
        jobs.submit(session, case, jobs.ASSESS, job.user_id, settings)


def engine_of(settings: ServiceSettings) -> Engine:
    """The engine that is set. Raises ResourceError where a cluster is and cannot be used."""
    if not settings.ray_address:
        return LocalEngine(settings.job_slots)
    check_cluster(settings.ray_address)
    from aneuflow.service.ray_engine import RayEngine  # of an extra

    return RayEngine(settings.ray_address, settings.threads_per_job, int(settings.job_memory_gib * _GIB))


def serve(settings: ServiceSettings, parent: int) -> None:
    traces.start_tracing(settings, "dispatcher")
    dispatcher = Dispatcher(open_system(settings), engine_of(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: dispatcher.ending.set())
    dispatcher.serve(parent)
    traces.stop_tracing()


if __name__ == "__main__":
    start_logging()
    hide_memory()
    try:
        # Who starts this one may be gone before it gets here, and says in time who that is.
        serve(service_settings(), int(sys.argv[1]) if sys.argv[1:] else os.getppid())
    except AneuflowError as error:
        log.error(str(error))
        sys.exit(error.exit_code)
