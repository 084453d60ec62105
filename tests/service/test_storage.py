"""The page on resources: where objects lie, for how long there is room, what a case costs, and what it warns of."""

from __future__ import annotations

import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from aneuflow.errors import ResourceError
from aneuflow.report.text import text
from aneuflow.service import storage
from aneuflow.service.accounts import add_user
from aneuflow.service.costs import case_cost
from aneuflow.service.models import Case, CaseFile
from aneuflow.service.objects import Objects
from aneuflow.service.seal import Seal
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.storage import Node, Store
from aneuflow.service.system import System
from tests.service.browser import browsing, needs_browser
from tests.service.made_cases import add_case
from tests.service.running import OWN_PASSWORD, Person, Server
from tests.service.seaweed import running_seaweed

DAY, GIB = 86400.0, 2**30
NOBODY = "http://127.0.0.1:9"
Usage = namedtuple("Usage", "total used free")


def _add(system: System, age_days: float, size: int, **values: Any) -> str:
    case_id = add_case(system, f"Aged {age_days}")
    with system.database.writing() as session:
        case = session.get_one(Case, case_id)
        case.created = time.time() - age_days * DAY
        for name, value in values.items():
            setattr(case, name, value)
        session.add(CaseFile(case_id=case_id, path="model/a", sha256=case_id * 2, size=size))
    return case_id


def test_growth_is_what_came_in_the_last_month_by_day(system: System) -> None:
    def growth() -> float:
        with system.database.reading() as session:
            return storage.growth(session, time.time())

    assert growth() == 0.0
    _add(system, 10.0, 5 * GIB)
    assert growth() == pytest.approx(GIB / 2, rel=1e-3), "over the ten days there were"
    _add(system, 40.0, 100 * GIB)
    _add(system, 29.0, 10 * GIB)
    assert growth() == pytest.approx(15 * GIB / 30, rel=1e-3), "what is older counts no more"


def test_room_is_shared_by_copies_and_warned_of_in_time() -> None:
    roomy = Store([Node("a", 100 * GIB, 60 * GIB, 3), Node("b", 100 * GIB, 60 * GIB, 3)], 6, [], 2)
    assert roomy.free_bytes == 60 * GIB and storage.days_left(roomy, GIB / 2) == 120.0
    assert storage.days_left(roomy, 0.0) is None and storage.warnings(roomy, GIB / 2) == []
    poor = Store([Node("a", 100 * GIB, 5 * GIB, 3), Node("b", None, None, 3)], 6, [2, 4], 2)
    assert dict(storage.warnings(poor, GIB / 2)) == {
        "low": {"node": "a", "percent": 5},
        "silent": {"node": "b"},
        "lacking": {"count": 2},
        "full_in": {"days": 5},
    }
    for language in ("en", "zh"):
        assert all(text(language, f"storage.{key}", **values) for key, values in storage.warnings(poor, GIB / 2))


def test_a_folder_is_its_disk_and_a_foreign_store_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: Usage(50 * GIB, 40 * GIB, 10 * GIB))
    store = storage.look(ServiceSettings(data=tmp_path))
    assert store is not None and store.nodes == [Node(str(tmp_path), 50 * GIB, 10 * GIB)] and store.free_bytes == 10 * GIB
    assert storage.look(ServiceSettings(data=tmp_path, objects_url="s3://bucket")) is None
    with pytest.raises(ResourceError, match="does not tell of its servers"):
        storage.look(ServiceSettings(data=tmp_path, objects_url="s3://bucket", objects_master=NOBODY))


def test_what_a_case_costs_is_the_median_of_what_was_done(system: System) -> None:
    for age, flow in ((1.0, 10.0), (2.0, 30.0), (3.0, 500.0)):
        stages = {"model": {"state": "done", "seconds": 2.0}, "simulate": {"state": "done", "seconds": flow}}
        stages["report"] = {"state": "failed", "seconds": 99.0}
        _add(system, age, 1, state="done", manifest={"stages": stages})
    _add(system, 4.0, 1, state="failed", manifest={"stages": {"model": {"state": "done", "seconds": 77.0}}})
    with system.database.reading() as session:
        cost = case_cost(session)
    assert (cost.cases, cost.seconds, cost.stages) == (3, 32.0, {"model": 2.0, "simulate": 30.0})


def test_the_storage_is_for_administrators_of_the_system(system: System, address: str) -> None:
    with system.database.writing() as session:
        add_user(session, "reader", OWN_PASSWORD, must_change=False)
        add_user(session, "keeper", OWN_PASSWORD, is_administrator=True, must_change=False)
    assert Person(address, "reader", OWN_PASSWORD).status("GET", "/api/storage") == 403
    found = Person(address, "keeper", OWN_PASSWORD)("GET", "/api/storage")
    assert found["store"]["free_bytes"] > 0 and found["days_left"] is None


@needs_browser
def test_the_page_shows_machines_queue_cost_and_storage(server: Server, administrator: Person) -> None:
    page: Any
    with browsing(server.address, 20) as page:
        page.fill("input[name=name]", "administrator")
        page.fill("input[name=password]", OWN_PASSWORD)
        page.press("input[name=password]", "Enter")
        page.get_by_role("link", name="Resources").click()
        for heading in ("Machines", "Queue", "What a case costs", "Storage"):
            page.get_by_role("heading", name=heading, exact=True).wait_for()
        assert "free of" in page.locator(".resources").inner_text()


@pytest.mark.slow
def test_a_killed_volume_server_is_seen(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with running_seaweed(tmp_path / "store") as cluster:
        settings = ServiceSettings(data=tmp_path, objects_master=cluster.master, **cluster.settings)  # type: ignore[arg-type]
        file = tmp_path / "file"
        file.write_bytes(b"content")
        Objects(settings, Seal(b"key")).add(file, "0" * 64)
        store = storage.look(settings)
        assert store is not None and store.copies == 2 and len(store.nodes) == 3
        assert store.lacking == [] and all(node.free_bytes for node in store.nodes) and (store.volumes or 0) > 0
        cluster.kill("volume1")
        end = time.monotonic() + 60.0
        while not any(key == "lacking" for key, _ in storage.warnings(store, 0.0)) and time.monotonic() < end:
            time.sleep(0.5)
            store = storage.look(settings)
            assert store is not None
        assert store.lacking, "volumes of which there is one copy left"
