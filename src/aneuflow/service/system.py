"""What every part of one server process shares: settings, database, objects, pseudonyms."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import select

from aneuflow.errors import ResourceError
from aneuflow.risk.change import accepted_model
from aneuflow.service.accounts import add_user, new_password
from aneuflow.service.database import Database
from aneuflow.service.models import AuditHead, Membership, Project, User
from aneuflow.service.objects import Objects
from aneuflow.service.provider import Provider
from aneuflow.service.pseudonyms import Pseudonyms
from aneuflow.service.seal import Seal
from aneuflow.service.settings import ServiceSettings

FIRST_USER = "administrator"
FIRST_PROJECT = "First project"


@dataclass(frozen=True, eq=False)
class System:
    """The parts of a running system."""

    settings: ServiceSettings
    database: Database
    objects: Objects
    pseudonyms: Pseudonyms
    provider: Provider | None = None


def open_system(settings: ServiceSettings) -> System:
    """Open all parts and bring the database up to date. Raises InputError or ResourceError naming what cannot be used."""
    try:
        for folder in (settings.data, settings.incoming, settings.work, settings.passing):
            folder.mkdir(parents=True, exist_ok=True)
        os.chmod(settings.data, 0o700)  # noqa: PTH101 - follows links, as meant
    except OSError as error:
        raise ResourceError(f"Cannot use data folder {settings.data}: {error.strerror}; choose another.") from error
    if settings.risk_model is not None:
        accepted_model(settings.risk_model)
    database = Database(settings.database)
    database.migrate()
    pseudonyms = Pseudonyms(settings)  # which makes the key
    objects = Objects(settings, Seal(settings.seal_key.read_bytes()))
    return System(settings, database, objects, pseudonyms, Provider(settings) if settings.oidc_issuer else None)


def first_start(system: System) -> str | None:
    """Where there is no user yet: an administrator and a project; gives the password, None where there were users."""
    with system.database.writing() as session:
        session.get(AuditHead, 1, with_for_update=True)  # of several that start at once, one is the first
        if session.scalar(select(User.id).limit(1)) is not None:
            return None
        password = new_password()
        user = add_user(session, FIRST_USER, password, is_administrator=True)
        project = Project(name=FIRST_PROJECT)
        session.add(project)
        session.flush()
        session.add(Membership(project_id=project.id, user_id=user.id, role="administrator"))
        return password


def system_of(request: Request) -> System:
    system: System = request.app.state.system
    return system
