"""Which case is whose: kept in a database apart, sealed with a key apart, and opened only for those who manage a project."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

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
        if sealed is None:
            return None
        try:
            found: dict[str, str] = json.loads(self._seal.decrypt(sealed))
        except InvalidToken:
            raise ResourceError("The pseudonym table was sealed with another key; restore the key file.") from None
        return found

    def forget(self, case_id: str) -> None:
        with self._database.writing() as session:
            session.execute(delete(_TABLE).where(_TABLE.c.case_id == case_id))
