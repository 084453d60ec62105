"""The sign of life of a job under way, given by a thread that waits for nothing else."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError

from aneuflow.service import jobs
from aneuflow.service.database import Database
from aneuflow.service.models import Job

log = logging.getLogger("aneuflow.service.dispatch")
# Whoever cancels has waited for this, a look at the run, and the end of its process: together under 2 s.
_BEAT_S = 0.5


class Heartbeat:
    """From a job's claim to its end: tells the queue that it is alive and how far, and hears whether it is to stop.

    `stage` and `fraction` are set by whoever minds the job; `is_lost` says that the job belongs to another by now.
    """

    def __init__(self, database: Database, job: Job) -> None:
        self.stage, self.fraction = "", 0.0
        self.is_to_stop = self.is_lost = False
        self._database, self._job = database, job
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"beat {job.id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join()

    def _beat(self) -> None:
        start = time.monotonic()
        while not self.is_lost and not self._ending.wait(_BEAT_S):
            try:
                with self._database.writing() as session:
                    stop = jobs.report(session, self._job, self.stage, self.fraction, time.monotonic() - start)
            except SQLAlchemyError as error:  # it may be away for a while; the lease is longer
                log.error("heartbeat", extra={"facts": {"job": self._job.id, "error": type(error).__name__}})
                continue
            self.is_lost, self.is_to_stop = stop is None, bool(stop)
