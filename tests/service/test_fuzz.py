"""Whatever fits the API's description, and what just does not, ends in an answer and never in a fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import pytest

from aneuflow.service.accounts import add_token, add_user
from aneuflow.service.app import create_app
from aneuflow.service.models import Membership
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import System, open_system
from tests.service.conftest import in_thread
from tests.service.made_cases import add_case, add_job, case_of
from tests.service.running import OWN_PASSWORD

# Known things to try these on: of ids made up at random none leads anywhere.
Known = dict[str, str]
EXAMPLES = 6
SLOW = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much, hypothesis.HealthCheck.data_too_large)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    limits = {"requests_per_minute": 1_000_000, "sign_ins_per_minute": 1_000_000}
    system = open_system(ServiceSettings(data=tmp_path_factory.mktemp("fuzz") / "data", **limits))
    yield system
    system.database.engine.dispose()


@pytest.fixture(scope="module")
def known(system: System) -> Known:
    """An administrator with a token, in the project of a case with a job."""
    case_id = add_case(system)
    add_job(system, case_id)
    project_id = case_of(system, case_id).project_id
    with system.database.writing() as session:
        user = add_user(session, "tester", OWN_PASSWORD, is_administrator=True, must_change=False)
        session.add(Membership(project_id=project_id, user_id=user.id, role="administrator"))
        _, secret = add_token(session, user.id, "fuzz", 1.0)
    return {"case_id": case_id, "project_id": project_id, "secret": secret}


@pytest.mark.slow
def test_no_request_ends_in_a_fault(system: System, known: Known) -> None:
    # Not above: it takes seconds, which every run of the other tests would wait.
    import schemathesis

    app = create_app(system)
    schema = schemathesis.openapi.from_dict(app.openapi()).exclude(method="DELETE")
    headers, tried = {"authorization": f"Bearer {known['secret']}"}, 0
    with in_thread(app) as address:
        given = {"label": "Study 2", "files": [{"size": 50, "suffix": ".stl"}]}
        upload = httpx.post(f"{address}/api/projects/{known['project_id']}/uploads", json=given, headers=headers)
        ids = {**known, "upload_id": upload.json()["id"]}
        for operation in (found.ok() for found in schema.get_all_operations()):

            @hypothesis.settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=SLOW)
            @hypothesis.given(operation.as_strategy())
            def ends_in_an_answer(case: Any) -> None:
                case.path_parameters = {name: ids.get(name, made) for name, made in (case.path_parameters or {}).items()}
                answer = case.call(base_url=address, headers=headers)
                assert answer.status_code < 500, (case.as_curl_command(), answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"] == ["application/problem+json"]
                    assert answer.json()["detail"].endswith(".")

            ends_in_an_answer()
            tried += 1
    assert tried > 30
