"""Load on a running system: people who browse or send, with Locust (pip install locust, in an environment of its own).

First, by the environment of the service, on a data folder that was served once and has an assessed case:
    python scripts/load.py DATA 50000 100      adds so many cases to its worklist and so many editors, load1 to load100
Then, with `sign_ins_per_minute` and `requests_per_minute` of the server set for one address that is many people:
    locust -f scripts/load.py --headless --host http://127.0.0.1:8470 -u 100 -r 5 -t 3m Reader
    locust -f scripts/load.py --headless --host http://127.0.0.1:8470 -u 20 -r 20 -t 3m Sender
    locust -f scripts/load.py --headless --host http://127.0.0.1:8470 -u 6 -r 1 -t 60m Reader Ward
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

PASSWORD = "many people at once"
WORDS = ("Study", "Control", "Follow-up", "Trial")


def fill(data: str, cases: int, people: int) -> None:
    """Cases without files, as the worklist sees them, beside those with files; editors who may see them all."""
    import time

    from sqlalchemy import insert, select

    from aneuflow.service.accounts import add_user
    from aneuflow.service.models import Case, Membership, Project
    from aneuflow.service.settings import service_settings
    from aneuflow.service.system import open_system

    system = open_system(service_settings(data=Path(data)))
    with system.database.writing() as session:
        project = session.scalars(select(Project).order_by(Project.created)).first()
        assert project is not None
        rows = [
            {
                "project_id": project.id,
                "label": f"{random.choice(WORDS)} {number:06d}",
                "state": random.choice(("done", "done", "done", "failed", "canceled")),
                "grade": random.choice(("low", "moderate", "high")),
                "diameter_mm": random.uniform(1, 20),
                "created_by": "load",
                "created": time.time() - 3e7 * random.random() - 1e5,
            }
            for number in range(cases)
        ]
        session.execute(insert(Case), rows)
        for number in range(people):
            user = add_user(session, f"load{number + 1}", PASSWORD, must_change=False)
            session.add(Membership(project_id=project.id, user_id=user.id, role="editor"))


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
else:
    from itertools import count

    from locust import HttpUser, between, constant_pacing, task

    _numbers = count(1)

    SENT_BYTES = 500 * 10**6
    PIECE_BYTES = 8 * 2**20
    EXAMPLE = Path(__file__).parents[1] / "examples/aneumo-case4/lumen.nii.gz"
    COARSE = {"input": {"kind": "mask"}, "simulate": {"steady": True, "resolution_mm": 0.4, "convergence_percent": 0.1}}

    class Person(HttpUser):
        """One of load1, load2, ..., signed in."""

        abstract = True
        wait_time = between(2, 6)

        def on_start(self) -> None:
            given = {"name": f"load{next(_numbers)}", "password": PASSWORD}
            self.client.headers["x-csrf-token"] = self.client.post("/api/session", json=given, name="sign in").json()["csrf"]

    class Reader(Person):
        """Looks through the worklist, searches in it, and opens cases as the page of a case does."""

        def on_start(self) -> None:
            super().on_start()
            listed = self.client.get("/api/cases?state=done", name="worklist").json()["cases"]
            newest = max(case["created"] for case in listed)
            self.cases = [case["id"] for case in listed if case["created"] == newest]

        @task(6)
        def look_through(self) -> None:
            sort = random.choice(("created", "label", "diameter"))
            self.client.get(f"/api/cases?sort={sort}&page={random.randrange(5)}", name="worklist")

        @task(3)
        def search(self) -> None:
            words = random.choice((f"{random.randrange(50_000):06d}", f"{random.randrange(500):03d}", "trial", "no such"))
            self.client.get(f"/api/cases?search={words}", name="search")

        @task(3)
        def open_case(self) -> None:
            case = f"/api/cases/{random.choice(self.cases)}"
            self.client.get(case, name="case")
            self.client.get(f"{case}/measures", name="measures")
            self.client.get(f"{case}/grade", name="grade")
            self.client.get(f"{case}/files/views/scene.en.json.gz", name="scene")

        @task(1)
        def poll(self) -> None:
            self.client.get("/api/session", name="session", headers={"x-unattended": "1"})

    class Sender(Person):
        """Sends an upload of 500 MB in pieces, as the terminal does, and drops it before it is read."""

        @task
        def send(self) -> None:
            zeros = bytes(PIECE_BYTES)
            upload = begin_upload(self, SENT_BYTES, {})
            for offset in range(0, SENT_BYTES, PIECE_BYTES):
                self.client.patch(f"{upload}?offset={offset}", data=zeros[: SENT_BYTES - offset], name="piece")
            self.client.delete(upload, name="drop")

    class Ward(Person):
        """Has the bundled mask assessed on a coarse lattice, every ten minutes."""

        fixed_count = 1
        wait_time = constant_pacing(600)

        @task
        def send(self) -> None:
            content = EXAMPLE.read_bytes()
            upload = begin_upload(self, len(content), COARSE)
            self.client.patch(f"{upload}?offset=0", data=content, name="piece")
            self.client.post(f"{upload}/case", name="make a case")

    def begin_upload(person: Person, size: int, settings: dict[str, dict[str, object]]) -> str:
        """The address of a new upload."""
        project = person.client.get("/api/projects", name="projects").json()[0]["id"]
        given = {"label": "Load", "files": [{"size": size, "suffix": ".nii.gz"}], "settings": settings}
        begun = person.client.post(f"/api/projects/{project}/uploads", json=given, name="begin an upload").json()
        return f"/api/uploads/{begun['id']}"
