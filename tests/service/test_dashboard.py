"""The dashboard asks for numbers that the system gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

from aneuflow.service.api import people
from aneuflow.service.metrics import REQUESTS, exposition
from aneuflow.service.system import System

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana-dashboard.json"


def test_every_number_and_label_of_the_dashboard_is_exposed(system: System) -> None:
    REQUESTS.labels("sign_in", "POST", "401").observe(0.01)
    given = exposition(system).decode()
    names = {line.split()[2] for line in given.splitlines() if line.startswith("# TYPE")}
    asked = [target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]]
    wanted = {name for expression in asked for name in re.findall(r"aneuflow_\w+", expression)}
    assert len(wanted) > 3 and {re.sub(r"_(bucket|count)$", "", name) for name in wanted} <= names
    assert "aneuflow_request_seconds_bucket" in given and 'action="sign_in"' in given
    assert people.sign_in.__name__ == "sign_in"
