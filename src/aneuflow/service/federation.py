"""Users who sign in at a provider of identities: the way there and back, their accounts here, and what they may."""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.service.accounts import end_all, hash_of, open_session
from aneuflow.service.models import Membership, Project, ProviderAccount, ProviderSignIn, User
from aneuflow.service.problems import Problem
from aneuflow.service.provider import Provider, Untrusted, claim_at
from aneuflow.service.settings import ROLES, ServiceSettings

log = logging.getLogger("aneuflow.service")
SECONDS_FOR_SIGN_IN = 600
_NAME = re.compile(r"[A-Za-z0-9._@-]{2,64}")


def begin(session: Session, provider: Provider) -> tuple[str, str]:
    """The address of the provider to go to, and the secret that binds the way back to this browser."""
    state, browser, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
    address = provider.sign_in_address(state, nonce, verifier)
    session.execute(delete(ProviderSignIn).where(ProviderSignIn.created < time.time() - SECONDS_FOR_SIGN_IN))
    session.add(ProviderSignIn(state_hash=hash_of(state), browser_hash=hash_of(browser), nonce=nonce, verifier=verifier))
    return address, browser


def take(session: Session, state: str, browser: str) -> tuple[str, str]:
    """Nonce and verifier of a sign-in that was begun in this browser; each is given once. Raises Untrusted."""
    found = session.get(ProviderSignIn, hash_of(state), with_for_update=True)
    if found is not None:
        session.delete(found)
        is_own = hmac.compare_digest(found.browser_hash, hash_of(browser))
        if is_own and found.created > time.time() - SECONDS_FOR_SIGN_IN:
            return found.nonce, found.verifier
    raise Untrusted("The sign-in was not begun here, or ended already.")


def enter(session: Session, claims: Mapping[str, Any], settings: ServiceSettings) -> tuple[User, str]:
    """The user of these claims, made at the first sign-in, with the roles they grant, and the secret of a new session.

    Raises Problem where they grant nothing or the account cannot be used; what they no longer grant is taken away before.
    """
    user = _user(session, claims, settings)
    if user.disabled:
        raise Problem(403, "sign_in_refused")
    if settings.oidc_roles:
        _grant(session, user, granted(claims, settings), settings)
    return user, open_session(session, user, settings)[0]


def _user(session: Session, claims: Mapping[str, Any], settings: ServiceSettings) -> User:
    """By issuer and subject alone: names and addresses can be given to someone else."""
    key = (settings.oidc_issuer, str(claims["sub"]))
    account = session.get(ProviderAccount, key)
    if account is not None:
        return session.get_one(User, account.user_id)
    name = next(filter(_is_name, (claim_at(claims, settings.oidc_name_claim), claims["sub"])), None)
    if name is None:
        raise Problem(403, "oidc_name")
    if session.scalar(select(User.id).where(User.name == name)) is not None:
        raise Problem(403, "oidc_name_taken", name=name)
    user = User(name=name, password_hash="", must_change=False)
    session.add(user)
    session.flush()
    session.add(ProviderAccount(issuer=key[0], subject=key[1], user_id=user.id))
    return user


def _is_name(claim: object) -> bool:
    return isinstance(claim, str) and _NAME.fullmatch(claim) is not None


def granted(claims: Mapping[str, Any], settings: ServiceSettings) -> set[str]:
    """What the values of the claim are mapped to: "administrator", or "PROJECT: ROLE"."""
    found = claim_at(claims, settings.oidc_roles_claim)
    values: Iterable[Any] = found if isinstance(found, list) else [found]
    return {grant for value in values if isinstance(value, str) for grant in settings.oidc_roles.get(value, ())}


def _grant(session: Session, user: User, grants: set[str], settings: ServiceSettings) -> None:
    """Exactly these roles, whatever was given by hand: the provider is where they are kept."""
    user.is_administrator = "administrator" in grants
    session.execute(delete(Membership).where(Membership.user_id == user.id))
    roles: dict[str, set[str]] = {}
    for grant in grants - {"administrator"}:
        project, _, role = grant.rpartition(":")
        roles.setdefault(project.strip(), set()).add(role.strip())
    for name, found in roles.items():
        project_id = session.scalar(select(Project.id).where(Project.name == name))
        if project_id is None:
            log.warning("role of unknown project", extra={"facts": {"project": name}})
            continue
        session.add(Membership(project_id=project_id, user_id=user.id, role=min(found, key=ROLES.index)))
    if not grants:
        end_all(session, user)
        raise Problem(403, "oidc_no_role")
