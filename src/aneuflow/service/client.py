"""A Python client of a running system: what the terminal does, from a script. Needs nothing but Python.

client = Client("https://aneuflow.hospital.example", token)
case = client.upload(Path("series/"), "Study 12")
if client.wait(case)["state"] == "done":
    client.fetch(case, Path("study-12"), "report/*")
"""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from aneuflow.errors import InputError, ResourceError
from aneuflow.types import Progress

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".zip", ".dcm", ".ima", ".stl", ".obj", ".ply", ".vtp")
PIECE_BYTES = 8 * 2**20
ENDED = ("done", "failed", "canceled")
_NO_IMAGES = ("dicomdir", "thumbs.db", "desktop.ini")
_TRIES = 6
_AGAIN = (409, 429, 500, 502, 503, 504)
# A comparison of two cases answers when it is done.
_TIMEOUT_S = 330.0


class Refused(InputError):
    """The server answered, and with a refusal; `status` is that of HTTP."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def no_progress(fraction: float, message: str) -> None:
    """Tells no one."""


class Client:
    """The system at an address, asked with the rights of a token's user.

    Every method raises Refused with the server's own sentence where it refuses, ResourceError where it does not answer.
    """

    def __init__(self, address: str, token: str) -> None:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            raise InputError(f"Server {address} is no address; give one such as https://aneuflow.example.")
        self.address, self._token = address.rstrip("/"), token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to one request of the API (/api/openapi.json) as what its JSON says; `body` are bytes or made JSON."""
        with self._open(method, path, body) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def projects(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", "/api/projects")
        return found

    def cases(self, search: str = "", state: str = "", sort: str = "created") -> Iterator[dict[str, Any]]:
        """The worklist, page by page."""
        page, seen = 0, 0
        while True:
            asked = urllib.parse.urlencode({"search": search, "state": state, "sort": sort, "page": page})
            found = self.ask("GET", f"/api/cases?{asked}")
            yield from found["cases"]
            page, seen = page + 1, seen + len(found["cases"])
            if not found["cases"] or seen >= found["count"]:
                return

    def case(self, case: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/api/cases/{_id(case)}")
        return found

    def measures(self, case: str, language: str = "en") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask("GET", f"/api/cases/{_id(case)}/measures?language={language}")
        return found

    def grade(self, case: str, language: str = "en") -> dict[str, Any] | None:
        """Grade, evidence and regions in words; None before there is one."""
        found: dict[str, Any] | None = self.ask("GET", f"/api/cases/{_id(case)}/grade?language={language}")
        return found

    def labels(self, case: str) -> dict[str, Any]:
        """One's own regions on the wall: `label`, base64 of a byte for each point of model/lumen.vtp, or None; `classes`."""
        found: dict[str, Any] = self.ask("GET", f"/api/cases/{_id(case)}/labels")
        return found

    def paint(self, case: str, label: bytes) -> None:
        """Keep regions as one's own, a byte for each point of model/lumen.vtp: 0 not marked, k the k-th class."""
        surface = self.labels(case)["surface"]
        self.ask("PUT", f"/api/cases/{_id(case)}/labels", {"surface": surface, "label": base64.b64encode(label).decode()})

    def change(self, case: str, **values: Any) -> None:
        """Give a case another `label` (never a patient's name) or `priority` (0 routine, 1 urgent, 2 emergency)."""
        self.ask("PATCH", f"/api/cases/{_id(case)}", values)

    def delete(self, case: str) -> None:
        """Take a case out of every list at once, and for good after its project's retention time."""
        self.ask("DELETE", f"/api/cases/{_id(case)}")

    def history(self, case: str) -> dict[str, Any]:
        """The `jobs` on a case, and for who may see it the `trail` of who read or changed it."""
        found: dict[str, Any] = self.ask("GET", f"/api/cases/{_id(case)}/history")
        return found

    def identity(self, case: str) -> dict[str, str]:
        """Whose images a case is of, for administrators of its project; that it was asked stands in the trail."""
        found: dict[str, str] = self.ask("GET", f"/api/cases/{_id(case)}/identity")
        return found

    def compute(self, case: str, settings: Mapping[str, Any]) -> None:
        """Compute again with settings laid over the case's own."""
        self.ask("POST", f"/api/cases/{_id(case)}/jobs", {"settings": settings})

    def record(self, file: Path, cap: int | None = None) -> dict[str, Any]:
        """A Doppler or pressure record's curves, as `settings["boundary"]["doppler"]` or `["pressure"]` lists them."""
        try:
            content = base64.b64encode(file.read_bytes()).decode()
        except OSError as error:
            raise InputError(f"Record {file} cannot be read ({error.strerror}); check the path.") from None
        read: dict[str, Any] = self.ask("POST", "/api/records", {"content": content})
        return read if cap is None else {"cap": cap, **read}

    def growth(self, first: str, second: str, language: str = "en") -> dict[str, Any]:
        """The later case beside the earlier one of the same aneurysm: `headline`, `tables` of changes, `scene` of the wall."""
        asked = urllib.parse.urlencode({"since": first, "language": language})
        found: dict[str, Any] = self.ask("GET", f"/api/cases/{_id(second)}/growth?{asked}")
        return found

    def growth_report(self, first: str, second: str, language: str = "en") -> bytes:
        """The same as a report (PDF)."""
        asked = urllib.parse.urlencode({"since": first, "language": language})
        with self._open("GET", f"/api/cases/{_id(second)}/growth.pdf?{asked}") as answer:
            return answer.read()

    def judgements(self, case: str) -> list[dict[str, Any]]:
        """One's own judgements on a case, in the order they were stated."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/cases/{_id(case)}/judgements")
        return found

    def judge(self, case: str, risk: str, confidence: int, sentence: str = "") -> dict[str, Any]:
        """State an own judgement, which is kept for good and lets one see the grade where the project asks for it.

        `risk`: low, moderate, high or cannot_say; `confidence`: from 1, a guess, to 5, certain.
        """
        given = {"risk": risk, "confidence": confidence, "sentence": sentence}
        kept: dict[str, Any] = self.ask("POST", f"/api/cases/{_id(case)}/judgements", given)
        return kept

    def outcomes(self, case: str) -> list[dict[str, Any]]:
        """What was recorded of a case's aneurysm, the last one last; it is the one that counts."""
        found: list[dict[str, Any]] = self.ask("GET", f"/api/cases/{_id(case)}/outcomes")
        return found

    def add_outcome(self, case: str, ruptured: bool, day: str) -> None:
        """Record for the monitoring of the model whether the aneurysm was known to have ruptured on a day (YYYY-MM-DD)."""
        self.ask("POST", f"/api/cases/{_id(case)}/outcomes", {"ruptured": ruptured, "day": day})

    def monitoring(self) -> dict[str, Any]:
        """The model over all cases: drift, outcomes against it, and alerts; for administrators of the system."""
        found: dict[str, Any] = self.ask("GET", "/api/monitoring")
        return found

    def monitoring_page(self, language: str = "en") -> bytes:
        """The same as a page (HTML) to read or print."""
        with self._open("GET", f"/api/monitoring/page?language={language}") as answer:
            return answer.read()

    def find_in_archive(self, project: str = "", **asked: str) -> list[dict[str, Any]]:
        """Studies in the hospital's archive by `patient_id`, `accession`, `date`, `modality`; with `study_uid` its series.

        What is found bears patients' names. `project`: name or id, needed where one may change several.
        """
        found: list[dict[str, Any]] = self.ask("POST", f"/api/projects/{self._project(project)}/archive/search", asked)
        return found

    def order(
        self,
        study_uid: str,
        label: str,
        project: str = "",
        settings: Mapping[str, Any] | None = None,
        priority: int = 0,
        series_uid: str | None = None,
    ) -> str:
        """Make a case of a study in the archive, or of one series of it; gives its id."""
        given = {"label": label, "study_uid": study_uid, "series_uid": series_uid, "settings": settings or {}}
        path = f"/api/projects/{self._project(project)}/archive/cases"
        return str(self.ask("POST", path, {**given, "priority": priority})["id"])

    def cancel(self, case: str) -> bool:
        return bool(self.ask("DELETE", f"/api/cases/{_id(case)}/jobs")["canceled"])

    def upload(
        self,
        path: Path,
        label: str,
        project: str = "",
        settings: Mapping[str, Any] | None = None,
        priority: int = 0,
        progress: Progress = no_progress,
    ) -> str:
        """Send a file or all images in a folder, never their names; gives the new case's id.

        `project`: name or id, needed where one may change several. A connection that breaks is taken up where it stood.
        """
        files = files_to_send(path)
        order = {
            "label": label,
            "settings": settings or {},
            "priority": priority,
            "files": [{"size": file.stat().st_size, "suffix": suffix_of(file)} for file in files],
        }
        upload = self.ask("POST", f"/api/projects/{self._project(project)}/uploads", order)
        at = 0
        while at < upload["size"]:
            progress(at / upload["size"], "sent")
            at = self._send(upload["id"], at, _piece(files, at))
        progress(1.0, "sent")
        return str(self.ask("POST", f"/api/uploads/{upload['id']}/case")["id"])

    def wait(self, case: str, seconds: float = float("inf"), progress: Progress = no_progress) -> dict[str, Any]:
        """The case when no work on it is left. Raises ResourceError where that takes longer than `seconds`."""
        end = time.monotonic() + seconds
        while True:
            found = self.case(case)
            if found["state"] in ENDED:
                return found
            job = found["job"]
            if job:
                progress(job["fraction"], job["stage"] or found["state"])
            if time.monotonic() > end:
                raise ResourceError(f"Case {case} is still {found['state']} after {seconds:g} s; wait longer.")
            time.sleep(2.0)

    def fetch(self, case: str, folder: Path, *patterns: str) -> list[Path]:
        """Write the case's files whose path fits one of the patterns (all where none is given), and measures.csv beside them.

        Raises InputError where the folder holds anything already.
        """
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"Folder {folder} is not empty; give a new one.")
        names = [file["path"] for file in self.case(case)["files"]]
        wanted = [name for name in names if not patterns or any(fnmatch(name, pattern) for pattern in patterns)]
        targets = {f"files/{urllib.parse.quote(name)}": folder / name for name in wanted}
        for address, target in {**targets, "measures.csv": folder / "measures.csv"}.items():
            if not target.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"The server names a file {target} outside of {folder}; do not trust it.")
            target.parent.mkdir(parents=True, exist_ok=True)
            with self._open("GET", f"/api/cases/{_id(case)}/{address}") as answer, target.open("wb") as stream:
                while part := answer.read(2**20):
                    stream.write(part)
        return [*targets.values(), folder / "measures.csv"]

    def _project(self, name: str) -> str:
        open_to = [project for project in self.projects() if project["role"] in ("editor", "administrator")]
        found = [project["id"] for project in open_to if name in ("", project["name"], project["id"])]
        if len(found) != 1:
            names = ", ".join(project["name"] for project in open_to) or "none"
            raise InputError(f"Name one project to send to; open to you: {names}.")
        return str(found[0])

    def _send(self, upload: str, at: int, piece: bytes) -> int:
        """Send a piece and say where the upload then stands; waits and asks for that where the connection breaks."""
        for attempt in range(_TRIES):
            try:
                return int(self.ask("PATCH", f"/api/uploads/{upload}?offset={at}", piece)["offset"])
            except (Refused, ResourceError) as error:
                if attempt == _TRIES - 1 or (isinstance(error, Refused) and error.status not in _AGAIN):
                    raise
                time.sleep(2.0**attempt)
            try:
                standing = int(self.ask("GET", f"/api/uploads/{upload}")["offset"])
            except (Refused, ResourceError):
                continue
            if standing != at:
                return standing
        raise AssertionError("the last attempt ends above")

    def _open(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        return _request(method, self.address + path, body, {"authorization": f"Bearer {self._token}"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token is for the server it was given for: nowhere else is it sent to."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _request(method: str, address: str, body: Any, headers: dict[str, str]) -> http.client.HTTPResponse:
    is_bytes = isinstance(body, bytes)
    data = body if is_bytes or body is None else json.dumps(body).encode()
    kind = "application/octet-stream" if is_bytes else "application/json"
    request = urllib.request.Request(address, data, {**headers, "content-type": kind}, method=method)
    try:
        answer: http.client.HTTPResponse = _OPENER.open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        raise Refused(error.code, _sentence(error)) from None
    except (OSError, http.client.HTTPException) as error:
        server, reason = urllib.parse.urlsplit(address).netloc, getattr(error, "reason", error)
        raise ResourceError(f"Server {server} does not answer ({reason}); check the address and that it runs.") from None
    return answer


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"The server refuses with HTTP status {error.code}; check its address."


def _id(case: str) -> str:
    return urllib.parse.quote(case, safe="")


def suffix_of(file: Path) -> str | None:
    """What the server is told of a file's name; None where it is nothing it reads. Names of DICOM often end like a UID."""
    name = file.name.lower()
    if name.startswith(".") or name in _NO_IMAGES:
        return None
    known = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)
    if known is not None:
        return known
    return "" if "." not in name or name.rpartition(".")[2].isdecimal() else None


def files_to_send(path: Path) -> list[Path]:
    """The file, or the images under the folder in the order of their names. Raises InputError where there is none."""
    if not path.exists():
        raise InputError(f"{path} does not exist; check the path.")
    found = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    taken = [file for file in found if suffix_of(file) is not None and file.stat().st_size > 0]
    if not taken:
        raise InputError(f"{path} holds no image and no surface that can be read; see aneuflow assess --help for kinds.")
    return taken


def _piece(files: list[Path], at: int) -> bytes:
    """At most PIECE_BYTES of the files' bytes, taken as one stream, from `at` on."""
    parts: list[bytes] = []
    left = PIECE_BYTES
    for file in files:
        size = file.stat().st_size
        if at < size and left > 0:
            with file.open("rb") as stream:
                stream.seek(at)
                parts.append(stream.read(left))
            left -= len(parts[-1])
        at = max(0, at - size)
    return b"".join(parts)


def new_token(address: str, user: str, password: str, name: str, days: float) -> str:
    """Sign in, make a token, and sign out; the token is the answer, which the server shows this once."""
    server = address.rstrip("/")
    with _request("POST", f"{server}/api/session", {"name": user, "password": password}, {}) as answer:
        cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        headers = {"cookie": cookie, "x-csrf-token": json.loads(answer.read())["csrf"]}
    with _request("POST", f"{server}/api/tokens", {"name": name, "days": days}, headers) as answer:
        made = json.loads(answer.read())
    _request("DELETE", f"{server}/api/session", None, headers).close()
    return str(made["secret"])
