"""The server as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from aneuflow import __version__
from aneuflow.service.access import refuse_endpoints_without_door
from aneuflow.service.api import (
    archive,
    cases,
    dicomweb,
    judgements,
    labels,
    monitoring,
    oidc,
    operation,
    people,
    results,
    terminal,
)
from aneuflow.service.middleware import Guard
from aneuflow.service.problems import answer_problems
from aneuflow.service.system import System
from aneuflow.service.traces import stop_tracing

ROUTERS = (
    people.router,
    oidc.router,
    archive.router,
    cases.router,
    results.router,
    dicomweb.router,
    judgements.router,
    labels.router,
    monitoring.router,
    operation.router,
    terminal.router,
)


def create_app(system: System) -> FastAPI:
    """The API of an open system; raises AneuflowError where an endpoint stands behind no door."""
    app = FastAPI(
        title="aneuflow",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_traced,
    )
    app.state.system = system
    for router in ROUTERS:
        refuse_endpoints_without_door(router)
        app.include_router(router)
    answer_problems(app)
    app.add_middleware(Guard, system=system)
    return app


@asynccontextmanager
async def _traced(_: FastAPI) -> AsyncIterator[None]:
    """Within this the server serves; after it, a server that is terminated does no more."""
    yield
    await run_in_threadpool(stop_tracing)
