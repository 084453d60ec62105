"""Traces: a request, the jobs that follow from it and their stages arrive at a collector as one; off, they cost no import."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from aneuflow.service import jobs, traces
from aneuflow.service.accounts import add_user
from aneuflow.service.models import Membership
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System
from tests.service.made_cases import Made, add_case, case_of, identify, wait_until, work
from tests.service.running import OWN_PASSWORD, Person, serving

otlp = pytest.importorskip(
    "opentelemetry.proto.collector.trace.v1.trace_service_pb2", reason='the extra "traces" is not installed'
)
PARENT = "00-11111111111111111111111111111111-2222222222222222-01"


class _Collector(BaseHTTPRequestHandler):
    """Keeps what is sent to it, as an OpenTelemetry collector takes it."""

    sent: list[tuple[str, bytes]] = []  # noqa: RUF012 - of the one there is

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        self.sent.append((self.path, gzip.decompress(content) if self.headers.get("content-encoding") == "gzip" else content))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        return None


@pytest.fixture
def collector() -> Iterator[str]:
    _Collector.sent.clear()
    server = HTTPServer(("127.0.0.1", 0), _Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _resources() -> list[Any]:
    assert {path for path, _ in _Collector.sent} <= {"/v1/traces"}
    return [part for _, sent in _Collector.sent for part in otlp.ExportTraceServiceRequest.FromString(sent).resource_spans]


def _spans() -> dict[str, Any]:
    """All spans that arrived, by name; of several the last."""
    return {span.name: span for part in _resources() for scope in part.scope_spans for span in scope.spans}


def _parts() -> set[str]:
    """Which parts of the system sent them."""
    named = [attribute for part in _resources() for attribute in part.resource.attributes]
    return {attribute.value.string_value for attribute in named if attribute.key == "service.name"}


def test_a_request_its_jobs_and_their_stages_are_one_trace(system: System, address: str, collector: str) -> None:
    with system.database.writing() as session:
        user = add_user(session, "editor.1", OWN_PASSWORD, must_change=False)
    project = case_of(system, add_case(system)).project_id
    with system.database.writing() as session:
        session.add(Membership(project_id=project, user_id=user.id, role="editor"))
    person = Person(address, "editor.1", OWN_PASSWORD)
    traces.start_tracing(ServiceSettings(data=system.settings.data, traces_endpoint=f"{collector}/"), "api")
    try:
        person.http.headers["traceparent"] = PARENT
        case = person.upload(project, b"Doe^Jane", ".dcm")
        work(system, Made(identify, ("import",)), jobs.INTAKE)
        work(system, Made(current=("model",), end=("failed", "Doe^Jane has no aneurysm.")))
        person.http.close()
    finally:
        traces.stop_tracing()
    spans = _spans()
    names = ("begin_upload", "continue_upload", "finish_upload", "job intake", "job assess", "stage simulate")
    assert set(spans) == set(names) and _parts() == {"aneuflow-api"}
    assert {span.trace_id.hex() for span in spans.values()} == {PARENT.split("-")[1]}
    chain = ("finish_upload", "job intake", "job assess", "stage simulate")
    assert [spans[name].parent_span_id for name in chain[1:]] == [spans[name].span_id for name in chain[:-1]]
    assert spans["finish_upload"].parent_span_id.hex() == PARENT.split("-")[2]
    stage, job = spans["stage simulate"], spans["job assess"]
    assert job.start_time_unix_nano <= stage.start_time_unix_nano < stage.end_time_unix_nano <= job.end_time_unix_nano
    assert job.status.code == 2 and spans["job intake"].status.code == 0
    known = {attribute.key: attribute.value.string_value for attribute in job.attributes}
    assert known["aneuflow.case"] == case and known["aneuflow.state"] == "failed"
    assert not any(b"Doe" in content or b"Study 1" in content for _, content in _Collector.sent)


@pytest.mark.slow
def test_the_processes_of_a_server_send_to_the_collector(tmp_path: Path, collector: str) -> None:
    with serving(tmp_path / "data", traces_endpoint=collector) as server:
        person = server.administrator()
        case = person.upload(person("GET", "/api/projects")[0]["id"], b"solid nothing\nendsolid\n", ".stl")
        assert person.wait(case)["state"] == "failed"
        # They are sent every five seconds.
        wait_until(lambda: "job intake" in _spans(), 30)
    spans = _spans()
    assert spans["finish_upload"].span_id == spans["job intake"].parent_span_id
    assert spans["stage import"].trace_id == spans["finish_upload"].trace_id
    assert _parts() == {"aneuflow-api", "aneuflow-dispatcher"}


def test_without_a_collector_nothing_is_imported_for_it() -> None:
    program = (
        "import sys; import aneuflow.service.run, aneuflow.service.dispatch; from aneuflow.service import traces; "
        "from aneuflow.service.settings import ServiceSettings; traces.start_tracing(ServiceSettings(), 'api'); "
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
