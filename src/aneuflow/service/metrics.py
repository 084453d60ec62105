"""Numbers for Prometheus: requests of this process; jobs and cases of the whole system, asked when scraped."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select

from aneuflow.risk.monitor import OUTPUT, Monitoring
from aneuflow.service.jobs import counts
from aneuflow.service.models import CaseFile, Worker
from aneuflow.service.monitoring import recent_look
from aneuflow.service.system import System

REGISTRY = CollectorRegistry()
REQUESTS = Histogram("aneuflow_request_seconds", "Time to the answer", ("action", "method", "status"), registry=REGISTRY)


class _OfSystem:
    def __init__(self, system: System) -> None:
        self.system = system

    def collect(self) -> Iterable[Metric]:
        jobs = GaugeMetricFamily("aneuflow_jobs", "Jobs by kind and state", labels=("kind", "state"))
        workers = GaugeMetricFamily("aneuflow_workers", "Machines that compute, heard of within ten minutes")
        stored = GaugeMetricFamily("aneuflow_stored_bytes", "Bytes of all files of cases")
        with self.system.database.reading() as session:
            for key, count in counts(session).items():
                jobs.add_metric(key, count)
            workers.add_metric((), session.scalar(select(func.count()).select_from(Worker)) or 0)
            stored.add_metric((), float(session.scalar(select(func.sum(CaseFile.size))) or 0))
        return (jobs, workers, stored, _alerts(recent_look(self.system)))


def _alerts(found: Monitoring) -> GaugeMetricFamily:
    """1 for each check of the model that raises an alert now, 0 for each that does not."""
    gauge = GaugeMetricFamily("aneuflow_model_alert", "Whether a check of the model alerts", labels=("model", "kind", "of"))
    raised = {(alert.kind, alert.of) for alert in found.alerts}
    checks = [(kind, drift.of) for drift in found.drifts for kind in ("distribution", "unknown")]
    for kind, of in [*checks, ("calibration", OUTPUT)]:
        gauge.add_metric((found.model.id, kind, of), float((kind, of) in raised))
    return gauge


def exposition(system: System) -> bytes:
    """All of it in Prometheus' text format."""
    own = CollectorRegistry()
    own.register(_OfSystem(system))
    return generate_latest(REGISTRY) + generate_latest(own)
