"""The database: SQLite or PostgreSQL, opened for reading or for writing, and brought to the newest schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from aneuflow.errors import InputError, ResourceError

# Of the processes that start at once, one migrates; the number is that of no other lock here.
_MIGRATION_LOCK = 8470


class Database:
    """Sessions by intent: a writing one takes SQLite's lock at its start, so that what it read stays true until it ends."""

    def __init__(self, url: str) -> None:
        """Raises InputError where the URL is none, ResourceError where nothing answers there."""
        try:
            is_sqlite = make_url(url).get_backend_name() == "sqlite"
            pool: dict[str, Any] = {} if is_sqlite else {"pool_pre_ping": True, "pool_size": 20}
            self.engine = create_engine(url, hide_parameters=True, **pool)  # an error's message would quote names
            if is_sqlite:
                _prepare_sqlite(self.engine)
            with self.engine.connect():
                pass
        except ModuleNotFoundError as error:
            raise InputError(f"The database driver {error.name} is not installed; install it, or use SQLite.") from error
        except SQLAlchemyError as error:
            kind = type(error).__name__
            raise ResourceError(f"The database cannot be opened ({kind}); check its address, and that it runs.") from None
        self._reading = sessionmaker(self.engine, expire_on_commit=False)
        self._writing = sessionmaker(self.engine.execution_options(writing=True), expire_on_commit=False)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with self._reading() as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._writing.begin() as session:
            yield session

    def migrate(self) -> None:
        """Bring the schema to that of this version; a newer one is refused by Alembic."""
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config = migrations()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def wipe_deleted(self) -> None:
        """Write over what was deleted: until then SQLite's log holds it too. PostgreSQL does so by itself (autovacuum)."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as connection:
                connection.connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # which no transaction may be in

    def answers(self) -> bool:
        try:
            with self.reading() as session:
                session.execute(text("select 1 from audit_head"))
        except SQLAlchemyError:
            return False
        return True


def migrations() -> Config:
    config = Config()
    config.set_main_option("script_location", str(resources.files("aneuflow.service") / "migrations"))
    return config


def _prepare_sqlite(engine: Engine) -> None:
    """Begin transactions ourselves (the driver would do so late); readers and one writer side by side."""

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=15000", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writing") else "BEGIN")
