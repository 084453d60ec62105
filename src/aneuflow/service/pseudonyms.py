"""Which case is whose: kept in a database apart, sealed with a key apart, and opened only for those who manage a project."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Column, Float, LargeBinary, MetaData, String, Table, delete, func, insert, select

from aneuflow.errors import ResourceError
from aneuflow.service.database import Database
from aneuflow.service.seal import key_in
from aneuflow.service.settings import ServiceSettings

_METADATA = MetaData()
_TABLE = Table(
    "pseudonyms",
    _METADATA,
    Column("case_id", String(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created", Float, nullable=False),
)


class Pseudonyms:
    """The sealed table."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._database = Database(settings.pseudonyms)
        _METADATA.create_all(self._database.engine)
        with self._database.reading() as session:
            sealed = session.scalar(select(func.count()).select_from(_TABLE)) or 0
        self._seal = Fernet(key_in(settings.seal_key, sealed))

    def keep(self, case_id: str, identity: Mapping[str, str]) -> None:
        sealed = self._seal.encrypt(json.dumps(dict(identity)).encode())
        with self._database.writing() as session:
            session.execute(delete(_TABLE).where(_TABLE.c.case_id == case_id))
            session.execute(insert(_TABLE).values(case_id=case_id, sealed=sealed, created=time.time()))

    def open(self, case_id: str) -> dict[str, str] | None:
        """The identity of a case, None where none came with it. Raises ResourceError where the key is another."""
        with self._database.reading() as session:
            sealed = session.scalar(select(_TABLE.c.sealed).where(_TABLE.c.case_id == case_id))
        return None if sealed is None else self._opened(sealed)

    def _opened(self, sealed: bytes) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(self._seal.decrypt(sealed))
        except InvalidToken:
            raise ResourceError("The pseudonym table was sealed with another key; restore the key file.") from None
        return found

    def forget(self, case_id: str) -> None:
        with self._database.writing() as session:
            session.execute(delete(_TABLE).where(_TABLE.c.case_id == case_id))
        self._database.wipe_deleted()

    def sealed(self) -> Iterator[tuple[str, bytes, float]]:
        """Every row as it is kept: case, sealed identity, time."""
        with self._database.reading() as session:
            for row in session.execute(select(_TABLE).execution_options(yield_per=1000)):
                yield row.case_id, row.sealed, row.created

    def take(self, rows: Iterable[tuple[str, bytes, float]]) -> None:
        """Keep rows of a backup in place of all there are. Raises ResourceError where they are sealed with another key."""
        names = ("case_id", "sealed", "created")
        with self._database.writing() as session:
            session.execute(delete(_TABLE))
            for row in rows:
                self._opened(row[1])
                session.execute(insert(_TABLE).values(dict(zip(names, row, strict=True))))
