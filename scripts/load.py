"""Load on a running system: people who browse, with Locust (pip install locust, in an environment of its own).

First, by the environment of the service, on a data folder that was served once and has an assessed case:
    python scripts/load.py DATA 50000 100      adds so many cases to its worklist and so many readers, load1 to load100
Then, with `sign_ins_per_minute` and `requests_per_minute` of the server set for one address that is many people:
    locust -f scripts/load.py --headless --host http://127.0.0.1:8470 -u 100 -r 5 -t 3m
"""

from __future__ import annotations

import random
import sys

PASSWORD = "many people at once"
WORDS = ("Study", "Control", "Follow-up", "Trial")


def fill(data: str, cases: int, readers: int) -> None:
    """Cases without files, as the worklist sees them, beside those with files; readers who may see them all."""
    import time
    from pathlib import Path

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
        for number in range(readers):
            user = add_user(session, f"load{number + 1}", PASSWORD, must_change=False)
            session.add(Membership(project_id=project.id, user_id=user.id, role="reader"))


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
else:
    from itertools import count

    from locust import HttpUser, between, task

    _numbers = count(1)

    class Reader(HttpUser):
        """Looks through the worklist, searches in it, and opens cases as the page of a case does."""

        wait_time = between(2, 6)

        def on_start(self) -> None:
            name = f"load{next(_numbers)}"
            self.client.post("/api/session", json={"name": name, "password": PASSWORD}, name="sign in")
            listed = self.client.get("/api/cases", name="worklist").json()
            self.cases = [
                case["id"] for case in listed["cases"] if case["created"] == max(c["created"] for c in listed["cases"])
            ]

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
