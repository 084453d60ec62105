"""The migrations make exactly the tables that the models describe."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from aneuflow.service.database import Database, migrations
from aneuflow.service.models import Base, Project


def test_the_migrated_schema_is_that_of_the_models(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    database.migrate()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert database.answers()
    database.engine.dispose()


def _at(database: Database, revision: str, act: str) -> None:
    with database.engine.begin() as connection:
        config = migrations()
        config.attributes["connection"] = connection
        getattr(command, act)(config, revision)


@pytest.mark.parametrize("revision", ["0001", "0002", "0004", "0005", "0006", "0007"])
def test_an_earlier_schema_is_brought_up_to_date_with_what_it_holds(tmp_path: Path, revision: str) -> None:
    database = Database(f"sqlite:///{tmp_path / 'earlier.sqlite'}")
    _at(database, revision, "upgrade")
    with database.engine.begin() as connection:
        values = "'p', 'Kept', 4, 2000, 30.0, 1.0"
        names = "id, name, running_quota, queued_quota, retention_days, created"
        connection.execute(text(f"insert into projects ({names}) values ({values})"))
        connection.execute(text("insert into users values ('u', 'someone', 'hash', 0, 0, 0, 0, 0.0, 1.0)"))
        connection.execute(text("insert into memberships (project_id, user_id, role) values ('p', 'u', 'reader')"))
    database.migrate()
    with database.reading() as session:
        project = session.get_one(Project, "p")
        assert (project.name, project.judgement_first) == ("Kept", False)
        assert session.scalar(text("select role from memberships")) == "reader"
    _at(database, revision, "downgrade")
    with database.reading() as session:
        assert session.scalar(text("select name from projects")) == "Kept"
        assert session.scalar(text("select role from memberships")) == "reader"
    database.engine.dispose()
