"""Errors as RFC 9457 problem documents: a status, and one sentence that says what, where and the remedy."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from aneuflow.errors import AneuflowError, InputError, MethodError
from aneuflow.report.text import text
from aneuflow.service.logs import place_of
from aneuflow.service.objects import StoreAway

log = logging.getLogger("aneuflow.service")
_TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    413: "Too large",
    415: "Of another kind",
    422: "Cannot be done",
    429: "Too many requests",
    500: "Fault of the program",
    503: "Not now",
    507: "No resources",
}


class Problem(Exception):
    """An answer other than the one asked for: the text `refusal.<code>` of the catalogue with its values."""

    def __init__(self, status: int, code: str, **values: Any) -> None:
        super().__init__(text("en", f"refusal.{code}", **values))
        self.status, self.code, self.values = status, code, values


def problem_response(problem: Problem) -> JSONResponse:
    """The sentence in English as `detail`; `code` and `values` are for who shows it in another language."""
    return _response(problem.status, str(problem), code=problem.code, values=problem.values)


def _response(status: int, detail: str, **more: Any) -> JSONResponse:
    content = {"title": _TITLES.get(status, "Error"), "status": status, "detail": detail, **more}
    return JSONResponse(content, status, media_type="application/problem+json")


def answer_problems(app: FastAPI) -> None:
    """Let every error of the API end as such a document; what no code foresaw says nothing of what it met."""

    @app.exception_handler(Problem)
    def _problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(AneuflowError)
    def _known(_: Request, error: AneuflowError) -> JSONResponse:
        if isinstance(error, StoreAway):
            return _response(503, str(error))
        status = 422 if isinstance(error, InputError | MethodError) else 507
        return _response(status, str(error))

    @app.exception_handler(RequestValidationError)
    def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first: dict[str, Any] = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return _response(422, f"The request's {place} is wrong ({first['msg']}); correct it.")

    @app.exception_handler(HTTPException)
    def _http(_: Request, error: HTTPException) -> JSONResponse:
        return _response(error.status_code, f"{error.detail}; check the address and the method.")

    @app.exception_handler(ClientDisconnect)
    def _gone(_: Request, error: ClientDisconnect) -> JSONResponse:
        return problem_response(Problem(400, "cut_off"))

    @app.exception_handler(Exception)
    def _unforeseen(request: Request, error: Exception) -> JSONResponse:
        log.error("unforeseen", extra={"facts": place_of(error)})
        return problem_response(Problem(500, "unforeseen", error=type(error).__name__))
