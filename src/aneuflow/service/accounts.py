"""Who may sign in: passwords with argon2, lockout, sessions of browsers and tokens of machines."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aneuflow.errors import InputError
from aneuflow.service.database import Database
from aneuflow.service.models import ProviderAccount, SignIn, Token, User
from aneuflow.service.problems import Problem
from aneuflow.service.settings import ServiceSettings

LEAST_PASSWORD_LENGTH = 12
TOKEN_PREFIX = "aneuflow_"
# Parameters of RFC 9106, second choice (64 MiB), with fewer lanes than cores a small machine has.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65536, parallelism=2)
# Each takes 64 MiB and two cores: more at once would be no faster.
_HASHING = threading.BoundedSemaphore(max(2, (os.cpu_count() or 1) // 2))
# Compared against where the name is unknown, so that time does not tell which names exist.
_NO_ONE = _HASHER.hash(secrets.token_hex(16))
_SECONDS_BETWEEN_SEEN = 30.0


@dataclass(frozen=True)
class Caller:
    """Who sends a request. `csrf` is None for a token: a machine has no browser that others could steer."""

    user_id: str
    name: str
    is_administrator: bool
    must_change: bool
    csrf: str | None


def hash_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def new_password() -> str:
    return "-".join(secrets.token_hex(3) for _ in range(4))


def check_password(password: str, name: str) -> None:
    """Raises InputError for a password that is too short or holds the name."""
    if len(password) < LEAST_PASSWORD_LENGTH or len(password) > 256:
        raise InputError(f"A password needs {LEAST_PASSWORD_LENGTH} to 256 characters; choose another.")
    if name.lower() in password.lower() or len(set(password)) < 5:
        raise InputError("The password holds the user's name or repeats a few letters; choose another.")


def add_user(session: Session, name: str, password: str, is_administrator: bool = False, must_change: bool = True) -> User:
    """Raises InputError where the name is taken or the password too weak."""
    check_password(password, name)
    if session.scalar(select(User).where(User.name == name)) is not None:
        raise InputError(f"A user {name} exists already; choose another name.")
    user = User(
        name=name, password_hash=_HASHER.hash(password), is_administrator=is_administrator, must_change=must_change
    )  # fmt: skip
    session.add(user)
    session.flush()
    return user


def set_password(session: Session, user: User, password: str, must_change: bool) -> None:
    """A new password ends every session and every token of the user: whoever had the old one may have made them.

    Raises InputError where it is too weak, or where the user signs in elsewhere.
    """
    if session.scalar(select(ProviderAccount.user_id).where(ProviderAccount.user_id == user.id)) is not None:
        raise InputError(f"User {user.name} signs in at the provider of identities and has no password here; change it there.")
    check_password(password, user.name)
    user.password_hash, user.must_change, user.failures, user.locked_until = _HASHER.hash(password), must_change, 0, 0.0
    end_all(session, user)


def end_all(session: Session, user: User) -> None:
    """End the user's sessions and tokens."""
    session.execute(delete(SignIn).where(SignIn.user_id == user.id))
    session.execute(delete(Token).where(Token.user_id == user.id))


def sign_in(database: Database, name: str, password: str, settings: ServiceSettings) -> tuple[User, str, str] | None:
    """The user, the cookie's secret and the CSRF token; None where it is refused, which the same sentence says always.

    The password is judged before the database is written to: nobody else waits for that.
    """
    with database.reading() as session:
        kept = session.scalar(select(User.password_hash).where(User.name == name)) or _NO_ONE
    right = _is_right(kept, password)
    with database.writing() as session:
        user = session.scalar(select(User).where(User.name == name).with_for_update())
        now = time.time()
        if user is None or user.disabled or user.locked_until > now:
            return None
        if not right or user.password_hash != kept:
            user.failures += 1
            if user.failures >= settings.lockout_failures:
                user.failures, user.locked_until = 0, now + 60 * settings.lockout_minutes
            return None
        user.failures = 0
        return user, *open_session(session, user, settings)


def open_session(session: Session, user: User, settings: ServiceSettings) -> tuple[str, str]:
    """The cookie's secret and the CSRF token of a new session."""
    now = time.time()
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    session.execute(delete(SignIn).where(SignIn.created < now - 3600 * settings.session_hours))
    session.add(SignIn(secret_hash=hash_of(secret), user_id=user.id, csrf=csrf, created=now, last_seen=now))
    return secret, csrf


def refused() -> Problem:
    return Problem(401, "sign_in_refused")


def is_password_of(user: User, password: str) -> bool:
    return _is_right(user.password_hash, password)


def _is_right(hashed: str, password: str) -> bool:
    try:
        with _HASHING:
            return _HASHER.verify(hashed, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def caller_of_session(session: Session, secret: str, settings: ServiceSettings) -> tuple[Caller, bool] | None:
    """The caller of a cookie, and whether its session should be marked as seen now."""
    found = session.execute(select(SignIn, User).join(User).where(SignIn.secret_hash == hash_of(secret))).one_or_none()
    if found is None:
        return None
    entry, user = found
    now = time.time()
    idle, age = now - entry.last_seen, now - entry.created
    if user.disabled or idle > 60 * settings.session_idle_minutes or age > 3600 * settings.session_hours:
        return None
    return Caller(user.id, user.name, user.is_administrator, user.must_change, entry.csrf), idle > _SECONDS_BETWEEN_SEEN


def mark_seen(session: Session, secret: str) -> None:
    entry = session.get(SignIn, hash_of(secret))
    if entry is not None:
        entry.last_seen = time.time()


def end_session(session: Session, secret: str) -> None:
    session.execute(delete(SignIn).where(SignIn.secret_hash == hash_of(secret)))


def add_token(session: Session, user_id: str, name: str, days: float) -> tuple[Token, str]:
    """The token and its secret, which is shown this once."""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = Token(secret_hash=hash_of(secret), user_id=user_id, name=name, expires=time.time() + 86400 * days)
    session.add(token)
    session.flush()
    return token, secret


def caller_of_token(session: Session, secret: str) -> Caller | None:
    found = session.execute(select(Token, User).join(User).where(Token.secret_hash == hash_of(secret))).one_or_none()
    if found is None or found[0].expires < time.time() or found[1].disabled or found[1].must_change:
        return None
    user = found[1]
    return Caller(user.id, user.name, user.is_administrator, False, None)
