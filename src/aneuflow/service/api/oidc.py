"""Sign-in at the hospital's provider of identities, where one is configured."""

from __future__ import annotations

import logging
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from aneuflow.service import federation
from aneuflow.service.access import COOKIE, Open
from aneuflow.service.logs import place_of
from aneuflow.service.problems import Problem
from aneuflow.service.provider import CALLBACK, ProviderAway, Untrusted
from aneuflow.service.system import System, system_of

log = logging.getLogger("aneuflow.service")
router = APIRouter()
_BROWSER = "aneuflow_oidc"
_PATH = "/api/oidc"
Text = Annotated[str, Query(max_length=4096)]


@router.get("/api/oidc", dependencies=[Depends(Open())])
def see_provider(request: Request) -> dict[str, Any]:
    """Whether there is a provider, and how the page for signing in calls it."""
    settings = system_of(request).settings
    return {"configured": bool(settings.oidc_issuer), "title": settings.oidc_title}


@router.get("/api/oidc/sign-in", dependencies=[Depends(Open())])
def go_to_provider(request: Request) -> Response:
    """Sends the browser to the provider, which sends it back to the callback."""
    system = system_of(request)
    if system.provider is None:
        raise Problem(404, "no_provider")
    try:
        with system.database.writing() as session:
            address, browser = federation.begin(session, system.provider)
    except ProviderAway as error:
        return _refused(request, "oidc_away", error)
    answer = RedirectResponse(address, 303)
    # Not strict: the way back begins at another site.
    options = {"httponly": True, "samesite": "lax", "secure": system.settings.secure_cookies, "path": _PATH}
    answer.set_cookie(_BROWSER, browser, max_age=federation.SECONDS_FOR_SIGN_IN, **options)  # type: ignore[arg-type]
    return answer


@router.get(CALLBACK, dependencies=[Depends(Open())])
def come_from_provider(
    request: Request,
    state: Text = "",
    code: Text = "",
    error: Text = "",
    iss: Annotated[str | None, Query(max_length=4096)] = None,
) -> Response:
    """Signs in whom the provider has sent; the page is then shown, or why not."""
    system = system_of(request)
    if system.provider is None:
        raise Problem(404, "no_provider")
    request.state.is_sign_in = True
    try:
        name, secret = _enter(request, system, state, code, error, iss)
    except Problem as problem:
        return _refused(request, problem.code)
    except Untrusted as doubt:
        return _refused(request, "oidc_refused", doubt)
    except ProviderAway as away:
        return _refused(request, "oidc_away", away)
    request.state.user = name
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(_BROWSER, path=_PATH)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=system.settings.secure_cookies)
    return answer


def _enter(request: Request, system: System, state: str, code: str, error: str, iss: str | None) -> tuple[str, str]:
    assert system.provider is not None
    with system.database.writing() as session:  # spent, however it ends
        found = federation.take(session, state, request.cookies.get(_BROWSER, "")) if state else None
    if found is None:
        raise Untrusted("The answer says not to which sign-in it belongs.")
    system.provider.check_answer(iss)
    if error or not code:
        raise Problem(403, "oidc_denied")
    claims = system.provider.claims(code, *found)
    refusal: Problem | None = None
    with system.database.writing() as session:
        try:
            user, secret = federation.enter(session, claims, system.settings)
        except Problem as problem:  # what was taken away from the user stays so
            refusal = problem
    if refusal is not None:
        raise refusal
    return user.name, secret


def _refused(request: Request, code: str, error: Exception | None = None) -> Response:
    request.state.user, request.state.detail = "unknown", code
    log.warning("sign-in refused", extra={"facts": {"code": code, **(place_of(error) if error else {})}})
    answer = RedirectResponse(f"/?{urlencode({'refused': code})}", 303)
    answer.delete_cookie(_BROWSER, path=_PATH)
    return answer
