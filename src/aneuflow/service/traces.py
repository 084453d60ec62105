"""Traces (OpenTelemetry), by option: a request, the jobs that follow from it and their stages are spans of one trace.

Without `traces_endpoint` nothing of OpenTelemetry is imported and every function here does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import Scope

from aneuflow import __version__
from aneuflow.errors import ResourceError
from aneuflow.service.models import Job
from aneuflow.service.settings import ServiceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_HEADER = "traceparent"
_provider: TracerProvider | None = None
# The stage under way of the job that this thread minds, and its name.
_stage: ContextVar[tuple[str, Span] | None] = ContextVar("stage", default=None)


def start_tracing(settings: ServiceSettings, part: str) -> None:
    """Send the spans of this process, a `part` of the system, to the collector that is set, if one is.

    Raises ResourceError where the extra `traces` is missing. Headers, sampling and limits are OpenTelemetry's own environment.
    """
    global _provider
    if not settings.traces_endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise ResourceError(f"Traces need {error.name}; run pip install 'aneuflow[traces]', or set none.") from error
    resource = Resource.create({"service.name": f"aneuflow-{part}", "service.version": __version__})
    _provider = TracerProvider(resource=resource)
    address = f"{settings.traces_endpoint.rstrip('/')}/v1/traces"
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(address)))


def stop_tracing() -> None:
    """Send what has not been sent, and make no more."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def current() -> str:
    """The span under way as W3C has it, for what follows from it in another process; empty without one."""
    if _provider is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(_HEADER, "")


@contextmanager
def request_span(scope: Scope) -> Iterator[None]:
    """A span around a request, named by its endpoint; a path or a label stands in none."""
    if _provider is None:
        yield
        return
    from opentelemetry.trace import SpanKind

    with _span("request", Headers(scope=scope).get(_HEADER, ""), SpanKind.SERVER) as span:
        yield
        state = scope["state"]
        span.update_name(getattr(scope.get("endpoint"), "__name__", "none"))
        span.set_attribute("http.request.method", scope["method"])
        span.set_attribute("http.response.status_code", state.get("status", 0))
        if state.get("case_id"):
            span.set_attribute("aneuflow.case", state["case_id"])


@contextmanager
def job_span(job: Job) -> Iterator[None]:
    """A span around an attempt at a job, in the trace of the request it comes from."""
    if _provider is None:
        yield
        return
    from opentelemetry.trace import SpanKind

    with _span(f"job {job.kind}", job.traceparent, SpanKind.CONSUMER) as span:
        for name, value in (("job", job.id), ("case", job.case_id), ("attempt", job.attempt)):
            span.set_attribute(f"aneuflow.{name}", value)
        try:
            yield
        finally:
            stage_span("")


def stage_span(name: str) -> None:
    """Say which stage this thread's job is in, as often as one likes; none where the name is empty."""
    if _provider is None:
        return
    before = _stage.get()
    if before is not None and before[0] == name:
        return
    if before is not None:
        before[1].end()
    tracer = _provider.get_tracer(__name__, __version__)
    _stage.set((name, tracer.start_span(f"stage {name}", attributes={"aneuflow.stage": name})) if name else None)


def job_ended(state: str) -> None:
    """Say on the job's span how the attempt ended."""
    if _provider is None:
        return
    from opentelemetry.trace import StatusCode, get_current_span

    span = get_current_span()
    span.set_attribute("aneuflow.state", state)
    if state in ("failed", "lost"):
        span.set_status(StatusCode.ERROR)


@contextmanager
def _span(name: str, parent: str, kind: object) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    assert _provider is not None
    assert isinstance(kind, SpanKind)
    context = TraceContextTextMapPropagator().extract({_HEADER: parent}) if parent else None
    tracer = _provider.get_tracer(__name__, __version__)
    # An error's message may quote what was sent or read.
    with tracer.start_as_current_span(name, context, kind, record_exception=False, set_status_on_exception=False) as span:
        yield span
