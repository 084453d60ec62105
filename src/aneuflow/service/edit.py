"""`aneuflow edit`: the case page of the terminal for one case folder, without accounts, at an address with a secret in it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import StreamingResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aneuflow.errors import ResourceError
from aneuflow.report.text import Language
from aneuflow.service.api import results, terminal
from aneuflow.service.api.cases import RecordFile, Work, checked_settings
from aneuflow.service.labels import Painted
from aneuflow.service.local_case import CASE_ID, LocalCase
from aneuflow.service.middleware import add_headers
from aneuflow.service.problems import Problem, answer_problems
from aneuflow.service.records import read_given

HOST = "127.0.0.1"
_READ_BYTES = 2**20


def run_edit(path: Path, port: int, tell: Callable[[str], None]) -> None:
    """Serve the case on this machine alone until interrupted; `tell` gets the address. The case is held meanwhile."""
    with LocalCase.opened(path) as local:
        token = secrets.token_urlsafe(24)
        config = uvicorn.Config(
            create_edit_app(local, token), host=HOST, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
        try:
            listener = config.bind_socket()
        except SystemExit:
            raise ResourceError(f"Port {port} cannot be used; choose another with --port.") from None
        tell(f"Open http://{HOST}:{listener.getsockname()[1]}/{token}/ in a browser; Ctrl-C ends it.")
        uvicorn.Server(config).run(sockets=[listener])


def create_edit_app(local: LocalCase, token: str) -> FastAPI:
    """The page and its API under /TOKEN/; elsewhere there is nothing."""
    inside = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    inside.include_router(_parts())
    inside.include_router(_routes(local))
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount(f"/{token}", inside)
    for part in (inside, app):
        answer_problems(part)
    # A name that an attacker lets point to this machine is none of these.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])
    app.add_middleware(_Headers)
    return app


class _Headers:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message, is_kept=False)
            await send(message)

        await self.app(scope, receive, answer)


def _parts() -> APIRouter:
    """The terminal's own parts, as they are."""
    router = APIRouter()
    router.add_api_route("/", terminal.terminal)
    router.add_api_route("/icon.svg", terminal.icon)
    router.add_api_route("/assets/{name}", terminal.asset)
    router.add_api_route("/api/texts/{language}", terminal.see_texts)
    router.add_api_route("/api/settings", terminal.see_settings)
    return router


def _routes(local: LocalCase) -> APIRouter:
    """Of the terminal's API what its case page asks for, answered from the folder."""
    router = APIRouter(prefix="/api")
    at = f"/cases/{CASE_ID}"

    @router.get("/session")
    def see_session() -> dict[str, Any]:
        return {"name": "", "is_administrator": False, "must_change": False, "csrf": "", "case_id": CASE_ID}

    @router.get(at)
    def see_case() -> dict[str, Any]:
        return local.see()

    @router.get(f"{at}/history")
    def see_history() -> dict[str, Any]:
        return {"jobs": local.jobs, "trail": []}

    @router.post(f"{at}/jobs", status_code=201)
    def start_job(given: Work) -> dict[str, Any]:
        return local.start(checked_settings(given.settings), given.last)

    @router.post("/records")
    def read_record(given: RecordFile) -> dict[str, Any]:
        return read_given(given.content, local.desk)

    @router.delete(f"{at}/jobs")
    def cancel_job() -> dict[str, bool]:
        return {"canceled": local.cancel()}

    @router.get(f"{at}/measures")
    def see_measures(language: Language = "en") -> list[dict[str, Any]]:
        return results.measure_rows(map(local.content, results.MEASURES), language)

    @router.get(f"{at}/measures.csv")
    def get_table(language: Language = "en") -> Response:
        return results.table_response(see_measures(language))

    @router.get(f"{at}/grade")
    def see_grade(language: Language = "en") -> dict[str, Any] | None:
        return results.grade_words(local.content("risk/risk.json"), language)

    @router.get(f"{at}/labels")
    def see_labels(reader: str) -> dict[str, Any]:
        return local.labels(reader)

    @router.put(f"{at}/labels")
    def keep_labels(reader: str, given: Painted) -> dict[str, int]:
        return {"marked": local.keep_labels(reader, given)}

    @router.get(at + "/files/{path:path}")
    def get_file(path: str) -> StreamingResponse:
        file = local.files().get(path)
        if file is None:
            raise Problem(404, "no_file")
        return results.file_response(path, _read(file), {"content-length": str(file.stat().st_size)})

    return router


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(_READ_BYTES):
            yield part
