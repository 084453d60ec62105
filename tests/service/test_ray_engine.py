"""Ray as the engine: what one is told without a cluster, and on a real one of three processes."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError, ResourceError
from aneuflow.service.child import CASE
from aneuflow.service.dispatch import Dispatcher, engine_of
from aneuflow.service.engine import Engine, LocalEngine, Machine, Run, Seen, Ticket
from aneuflow.service.jobs import ASSESS, INTAKE
from aneuflow.service.models import Worker
from aneuflow.service.settings import ServiceSettings, service_settings
from aneuflow.service.system import System
from tests.service.made_cases import Made, wait_until
from tests.service.ray_cluster import NODE_GIB, RayCluster, running_ray
from tests.service.running import serving

EXAMPLE = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"
COARSE = {"simulate": {"steady": True, "resolution_mm": 0.4, "convergence_percent": 0.1}}
NODES = {"127.0.0.3": 0, "127.0.0.4": 1}
GIVEN = {"threads_per_job": 1, "job_memory_gib": float(NODE_GIB)}
MEMORY = NODE_GIB * 2**30


@pytest.fixture
def nobody() -> str:
    """An address at which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_what_ray_sets_aside_for_a_case_has_to_be_said() -> None:
    for missing in GIVEN:
        with pytest.raises(InputError, match=r"^Configuration: ray_address needs threads_per_job and job_memory_gib"):
            service_settings(ray_address="head:6379", **{**GIVEN, missing: None})
    with pytest.raises(InputError, match=r"^Configuration ray_address: "):
        service_settings(ray_address="ray://head:6379", **GIVEN)
    assert service_settings(ray_address="head:6379", **GIVEN).ray_address == "head:6379"


def test_without_a_cluster_a_server_says_so_in_one_sentence(tmp_path: Path, nobody: str) -> None:
    file = tmp_path / "aneuflow.toml"
    file.write_text(f'ray_address = "{nobody}"\nthreads_per_job = 1\njob_memory_gib = 4.0\n')
    command = [sys.executable, "-m", "aneuflow.cli.main", "serve", "--data", str(tmp_path / "data"), "--config", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == ResourceError.exit_code and ended.stdout == ""
    said = f"aneuflow: No Ray cluster answers at {nobody} (Connection refused); start its head or correct ray_address.\n"
    assert ended.stderr == said and not (tmp_path / "data").exists()


def test_without_a_cluster_a_dispatcher_ends(tmp_path: Path, nobody: str) -> None:
    with pytest.raises(ResourceError, match="No Ray cluster answers"):
        engine_of(ServiceSettings(data=tmp_path, ray_address=nobody, **GIVEN))  # type: ignore[arg-type]


def test_one_machine_computes_as_many_cases_as_it_has_slots() -> None:
    (here,) = LocalEngine(3).machines()
    assert here.slots == 3 and here.host == socket.gethostname() and 0 < here.memory_free_bytes < here.memory_bytes


def test_every_node_is_shown_while_it_is_there(system: System) -> None:
    nodes = [Machine(f"node{k}", 2, 8, float(k), 2**34, 2**33, id=f"{k:056x}") for k in range(3)]
    dispatcher = Dispatcher(system, Made())

    def shown() -> list[Machine]:
        names = [field.name for field in dataclasses.fields(Machine)]
        with system.database.reading() as session:
            rows = session.scalars(select(Worker).order_by(Worker.id))
            return [Machine(**{name: getattr(row, name) for name in names}) for row in rows]

    dispatcher._tell_state(nodes)
    assert shown() == nodes
    dispatcher._tell_state(nodes[1:])
    assert shown() == nodes[1:]
    dispatcher.ending.set()
    dispatcher.serve(os.getppid())
    assert shown() == []


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with running_ray(NODES) as cluster, pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        yield cluster


@pytest.fixture(scope="module")
def read_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job's folder with the bundled case as an intake leaves it."""
    folder = tmp_path_factory.mktemp("read")
    source = folder.with_suffix(".upload")
    shutil.copy(EXAMPLE, source)
    settings = {"input": {"kind": "mask"}}
    files = [[source.stat().st_size, ".nii.gz"]]
    assert _ended(LocalEngine().start(Ticket(INTAKE, str(folder), settings, MEMORY, source=str(source), files=files))).end == (
        "done",
        "",
    )
    return folder


def _assess(engine: Engine, read_case: Path, folder: Path, last: str, device: str = "cpu") -> Run:
    shutil.copytree(read_case, folder)
    settings = {"simulate": {**COARSE["simulate"], "device": device}}
    return engine.start(Ticket(ASSESS, str(folder), settings, MEMORY, last, threads=1))


def _ended(run: Run, seconds: float = 600.0) -> Seen:
    wait_until(run.is_over, seconds)
    run.stop()
    return run.seen()


def _made(folder: Path) -> dict[str, dict[str, str]]:
    """The hash of every file by its stage."""
    return {name: record.outputs for name, record in CaseFolder(folder / CASE).manifest().stages.items()}


def _children(folder: Path) -> list[Path]:
    """Of /proc, the processes that work in this folder or below it."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                place, command = (process / "cwd").readlink(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            if place.is_relative_to(folder) and b"aneuflow.service.child" in command:
                found.append(process)
    return found


@pytest.mark.slow
def test_a_case_on_a_node_is_made_as_on_one_machine(
    tmp_path: Path, read_case: Path, cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    engine = engine_of(ServiceSettings(data=tmp_path, ray_address=cluster.address, **GIVEN))  # type: ignore[arg-type]
    try:
        assert sorted((machine.slots, machine.cores) for machine in engine.machines()) == [(0, 0), (1, 1), (1, 1)]
        second = _assess(engine, read_case, tmp_path / "second", "measure", "gpu")
        first = _assess(engine, read_case, tmp_path / "first", "measure")
        wait_until(lambda: len(_children(tmp_path)) == 2 and all(run.seen().stage for run in (first, second)), 600)
        assert sorted((machine.load, machine.memory_free_bytes) for machine in engine.machines()) == [
            (0.0, MEMORY),
            (1.0, 0),
            (1.0, 0),
        ], "each on a node of its own"
        secret = cluster.environment["RAY_AUTH_TOKEN"].encode()
        for child in _children(tmp_path):
            assert secret not in (child / "environ").read_bytes()
            assert str(MEMORY) in (child / "limits").read_text()
        (with_gpu,) = _children(tmp_path / "second")
        assert b"CUDA_VISIBLE_DEVICES=0" in (with_gpu / "environ").read_bytes().split(b"\0")
        start = time.monotonic()
        second.stop()
        assert time.monotonic() - start < 2.0 and _children(tmp_path / "second") == [] and second.seen().end is None
        wait_until(lambda: ray.available_resources().get("CPU") == 1.0, 2.0)
        local = _assess(LocalEngine(), read_case, tmp_path / "local", "measure")
        assert _ended(first).end == _ended(local).end == ("done", "")
        assert first.seen().current == local.seen().current == ("import", "measure", "model")
        assert _made(tmp_path / "first") == _made(tmp_path / "local")
        nowhere = Ticket(ASSESS, str(tmp_path / "nowhere"), COARSE, MEMORY, threads=1)
        state, reason = _ended(engine.start(nowhere)).end or ("", "")
        assert state == "failed" and f"does not see the folder of the job, {tmp_path / 'nowhere'};" in reason
        monkeypatch.setattr("aneuflow.service.ray_engine._PATIENCE_S", 1.0)
        state, reason = _ended(engine.start(dataclasses.replace(nowhere, threads=64))).end or ("", "")
        assert state == "failed" and reason.startswith("No node of the Ray cluster has 64 cores and 8.0 GiB for the case;")
        assert [machine.load for machine in engine.machines()] == [0.0] * 3
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_a_node_is_lost_in_mid_simulation_and_no_number_changes(tmp_path: Path, read_case: Path, cluster: RayCluster) -> None:
    local = _ended(_assess(LocalEngine(), read_case, tmp_path / "local", "simulate"))
    assert local.end == ("done", "")
    data = tmp_path / "data"
    with serving(data, ray_address=cluster.address, lease_s=10, **GIVEN) as server:
        person = server.administrator()
        project = person("GET", "/api/projects")[0]["id"]
        case = person.upload(project, EXAMPLE.read_bytes(), ".nii.gz", {"input": {"kind": "mask"}, **COARSE})

        def stage() -> str:
            job = person("GET", f"/api/cases/{case}")["job"] or {}
            return str(job.get("stage", "")) if job.get("kind") == "assess" else ""

        def nodes() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = person("GET", "/api/resources")["workers"]
            return sorted(found, key=lambda node: node["host"])

        wait_until(lambda: stage() == "simulate", 600)
        assert [(node["engine"], node["slots"], node["cores"]) for node in nodes()] == [
            ("ray", 0, 0),
            ("ray", 1, 1),
            ("ray", 1, 1),
        ]
        (busy,) = [address for address in NODES if any(address in node["host"] and node["load"] for node in nodes())]
        (child,) = _children(data)
        cluster.kill(busy)
        wait_until(lambda: not child.exists(), 5.0)
        ended = person.wait(case, seconds=600)
        assert ended["state"] == "done", ended["reason"]
        assert [job["attempt"] for job in person("GET", f"/api/cases/{case}/history")["jobs"]] == [1, 2]
        wait_until(lambda: len(nodes()) == 2 and not any(busy in node["host"] for node in nodes()), 60)
        flow = person("GET", f"/api/cases/{case}/files/flow/hemodynamics.json")
        expected = json.loads((tmp_path / "local" / CASE / "flow" / "hemodynamics.json").read_text())
        for content in (flow, expected):
            assert content["numerics"].pop("wall_seconds") > 0 and content["numerics"].pop("mlups") > 0
        assert flow == expected
        wall = person.http.get(f"/api/cases/{case}/files/flow/wall.vtp")
        assert wall.headers["etag"].strip('"') == _made(tmp_path / "local")["simulate"]["wall.vtp"]
        person("POST", f"/api/cases/{case}/jobs", json={"settings": {"boundary": {"flow_ml_s": 2.0}}})
        wait_until(lambda: stage() == "simulate", 600)
        (child,) = _children(data)
        start = time.monotonic()
        assert person("DELETE", f"/api/cases/{case}/jobs")["canceled"]
        wait_until(lambda: not child.exists(), 4.0)
        print(f"canceled after {time.monotonic() - start:.2f} s")
        wait_until(
            lambda: person("GET", f"/api/cases/{case}")["state"] == "canceled" and not any(n["load"] for n in nodes()), 4.0
        )
