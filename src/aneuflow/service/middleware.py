"""What happens to every request: rate and size are limited, the answer gets its headers, the trail and the log a line."""

from __future__ import annotations

import logging
import re
import time
from collections import deque

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aneuflow.service import audit
from aneuflow.service.metrics import REQUESTS
from aneuflow.service.problems import Problem, problem_response
from aneuflow.service.system import System
from aneuflow.service.traces import request_span

log = logging.getLogger("aneuflow.service")
LARGEST_BODY = 2**20
# Whose bodies are of any size: what takes them limits them as they come.
_UPLOADS = re.compile(r"/api/uploads/.*|/api/projects/[^/]+/dicomweb/studies")
# The same read by the same person counts once in this time: a worklist asks again every few seconds.
SAME_READ_S = 60.0
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class RateLimit:
    """At most so many in a minute for each key, in this process."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._times: dict[str, deque[float]] = {}

    def allows(self, key: str) -> bool:
        now = time.monotonic()
        times = self._times.setdefault(key, deque())
        while times and times[0] < now - 60:
            times.popleft()
        if len(self._times) > 10_000:
            self._times = {name: kept for name, kept in self._times.items() if kept and kept[-1] > now - 60}
        if len(times) >= self.per_minute:
            return False
        times.append(now)
        return True


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, system: System) -> None:
        self.app, self.system = app, system
        self._limit = RateLimit(system.settings.requests_per_minute)
        self._sign_in_limit = RateLimit(system.settings.sign_ins_per_minute)
        self._read: dict[tuple[str, ...], float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.monotonic()
        scope.setdefault("state", {})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["state"]["status"] = message["status"]
                await run_in_threadpool(self._write_down, scope, message["status"], time.monotonic() - start)
                self._add_headers(scope, message)
            await send(message)

        refusal = self._refusal(scope)
        with request_span(scope):
            if refusal is not None:
                await problem_response(Problem(*refusal))(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        address, headers = _address(scope), Headers(scope=scope)
        if not self._limit.allows(address):
            return 429, "too_many_requests"
        signs_in = (scope["method"], scope["path"]) in (("POST", "/api/session"), ("GET", "/api/oidc/sign-in"))
        if signs_in and not self._sign_in_limit.allows(address):
            return 429, "too_many_sign_ins"
        if scope["method"] in ("GET", "HEAD") or _UPLOADS.fullmatch(scope["path"]):
            return None
        size = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not size.isdecimal() or int(size) > LARGEST_BODY:
            return 413, "request_too_large"
        return None

    def _add_headers(self, scope: Scope, message: Message) -> None:
        add_headers(message, is_kept=not scope["path"].startswith("/api/"))
        if self.system.settings.secure_cookies:
            MutableHeaders(scope=message).setdefault("strict-transport-security", "max-age=31536000")

    def _write_down(self, scope: Scope, status: int, seconds: float) -> None:
        state, method = scope["state"], scope["method"]
        action = getattr(scope.get("endpoint"), "__name__", "none")
        caller = state.get("caller")
        user = caller.name if caller is not None else state.get("user", "")
        project_id, case_id = state.get("project_id", ""), state.get("case_id", "")
        REQUESTS.labels(action, method, str(status)).observe(seconds)
        facts = {"method": method, "action": action, "status": status, "ms": round(1000 * seconds, 1), "case": case_id}
        log.info("request", extra={"facts": facts})
        is_read = method == "GET" and not state.get("is_sign_in")
        if not user or (is_read and self._is_repeated(user, action, scope["path"], str(status))):
            return
        deed = audit.Deed(user, action, status, project_id, case_id, _address(scope), state.get("detail", ""))
        with self.system.database.writing() as session:
            audit.append(session, deed)

    def _is_repeated(self, *read: str) -> bool:
        now, before = time.monotonic(), self._read.get(read)
        if before is not None and now - before < SAME_READ_S:
            return True
        if len(self._read) > 10_000:
            self._read = {key: at for key, at in self._read.items() if now - at < SAME_READ_S}
        self._read[read] = now
        return False


def add_headers(message: Message, is_kept: bool) -> None:
    """The security headers of every answer; one that is not to be kept by the browser says so."""
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if not is_kept:
        headers.setdefault("cache-control", "no-store")


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""
