"""The terminal in the browser: its page and assets (built from web/), its texts, and what its forms offer."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fastapi import APIRouter, Depends, Response

from aneuflow.boundary import bundled_names
from aneuflow.pipeline.settings import Settings
from aneuflow.report.text import Language, catalogue
from aneuflow.service.access import Open, SignedIn
from aneuflow.service.problems import Problem

router = APIRouter()
ASSETS = resources.files("aneuflow.service") / "static"
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css", "svg": "image/svg+xml"}
SECTIONS = ("terminal.", "refusal.", "stage.", "answer.", "viewer.", "risk.", "report.", "compare.")


def _asset(folder: str, name: str, cache: str) -> Response:
    # By the list of what is there: a name can then lead nowhere else.
    known = {file.name: file for file in (ASSETS / folder).iterdir() if file.is_file()} if (ASSETS / folder).is_dir() else {}
    suffix = name.rpartition(".")[2]
    if name not in known or suffix not in TYPES:
        raise Problem(404, "no_part")
    return Response(known[name].read_bytes(), media_type=TYPES[suffix], headers={"cache-control": cache})


@router.get("/", dependencies=[Depends(Open())], include_in_schema=False)
def terminal() -> Response:
    return _asset(".", "index.html", "no-cache")


@router.get("/icon.svg", dependencies=[Depends(Open())], include_in_schema=False)
def icon() -> Response:
    return _asset(".", "icon.svg", "max-age=86400")


@router.get("/assets/{name}", dependencies=[Depends(Open())], include_in_schema=False)
def asset(name: str) -> Response:
    """A part whose name has its content's hash in it, so that it may be kept for good."""
    return _asset("assets", name, "max-age=31536000, immutable")


@router.get("/api/texts/{language}", dependencies=[Depends(Open())])
def see_texts(language: Language) -> dict[str, str]:
    """The texts of the terminal by `section.key`, from the catalogue that the report is written from."""
    return {key: sentence for key, sentence in catalogue(language).items() if key.startswith(SECTIONS)}


@router.get("/api/settings", dependencies=[Depends(SignedIn())])
def see_settings() -> dict[str, Any]:
    """What a case can be computed with: the JSON schema of its settings, and the waveforms that come with the program."""
    return {"schema": Settings.model_json_schema(), "waveforms": bundled_names()}
