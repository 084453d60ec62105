"""What a case found: its numbers, its grade in words, and the files it consists of."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from aneuflow.case.risk_store import risk_of
from aneuflow.quantities import quantity
from aneuflow.report.summary import measure_row
from aneuflow.report.text import Language, quantity_definition, text
from aneuflow.service.access import OnCase, OnGrade, Passed, standing_of
from aneuflow.service.comparing import comparison, comparison_report
from aneuflow.service.judgement import GRADE_FILE, HIDING, cleared, is_shown_before, needs_clearing
from aneuflow.service.labels import may_see_file
from aneuflow.service.models import Case
from aneuflow.service.problems import Problem
from aneuflow.service.publish import read_content, read_file
from aneuflow.service.system import system_of
from aneuflow.types import Measure

router = APIRouter()
TYPES = {".html": "text/html; charset=utf-8", ".pdf": "application/pdf", ".json": "application/json"}
# A report is a page of its own: its scripts run, but as if it came from nowhere, so that they can ask the server nothing.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)
MEASURES = ("morphology/morphology.json", "flow/hemodynamics.json", "prediction/hemodynamics.json")
COLUMNS = ("id", "name", "symbol", "value", "low", "high", "unit", "meaning", "formula", "source")
Read = Annotated[Passed, Depends(OnCase("read"))]
Since = Annotated[str, Query(max_length=32)]
ReadGrade = Annotated[Passed, Depends(OnGrade("read"))]


def _content(request: Request, passed: Passed, path: str) -> Any:
    assert passed.case is not None
    system = system_of(request)
    with system.database.reading() as session:
        return read_content(system, session, passed.case.id, path)


@router.get("/api/cases/{case_id}/measures")
def see_measures(request: Request, passed: Read, language: Language = "en") -> list[dict[str, Any]]:
    """Every number of the case with interval, unit and definition; `shown` is how a table writes it."""
    return measure_rows(_measured(request, passed), language)


def _measured(request: Request, passed: Passed) -> list[Any]:
    assert passed.case is not None
    system = system_of(request)
    with system.database.reading() as session:  # one, so that both are of the same run
        return [read_content(system, session, passed.case.id, path) for path in MEASURES]


def measure_rows(contents: Iterable[Any], language: Language) -> list[dict[str, Any]]:
    """The numbers in the files MEASURES (None where there is no such file), each with what the registry says of it.

    Those of a prediction stand where there is no simulation.
    """
    shape, simulated, predicted = contents
    return [
        _measure(entry, language) for content in (shape, simulated or predicted) if content for entry in content["quantities"]
    ]


def _measure(entry: dict[str, Any], language: Language) -> dict[str, Any]:
    known = quantity(entry["id"])
    row = measure_row(Measure(entry["id"], entry["value"], entry["low"], entry["high"]), language)
    return {
        **entry,
        "name": row.name,
        "symbol": row.symbol,
        "group": text(language, f"group.{known.group}"),
        "meaning": quantity_definition(language, known),
        "formula": known.formula,
        "source": known.source,
        "shown": {"value": row.value, "interval": row.interval, "unit": row.unit, "word": row.word},
    }


@router.get("/api/cases/{case_id}/measures.csv")
def get_table(request: Request, passed: Read, language: Language = "en") -> Response:
    """The same as a table, in full precision."""
    return table_response(measure_rows(_measured(request, passed), language))


def table_response(rows: list[dict[str, Any]]) -> Response:
    """Measures as a CSV file to be saved."""
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    headers = {"content-disposition": 'attachment; filename="measures.csv"'}
    # Spreadsheets take a table without this mark for one of the local 8-bit code.
    return Response("\ufeff" + table.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/api/cases/{case_id}/risk")
def see_risk(request: Request, passed: ReadGrade) -> Any:
    """risk.json of the case, null before there is one."""
    return _content(request, passed, GRADE_FILE)


@router.get("/api/cases/{case_id}/grade")
def see_grade(request: Request, passed: ReadGrade, language: Language = "en") -> dict[str, Any] | None:
    """The same in the words and rows of the report, null where there is nothing to tell."""
    return grade_words(_content(request, passed, GRADE_FILE), language)


def grade_words(content: Any, language: Language) -> dict[str, Any] | None:
    """risk.json in words and rows, None where there is none."""
    from aneuflow.report.risk_section import risk_values  # this late, as it draws

    return risk_values(risk_of(content), language) if content else None


@router.get("/api/cases/{case_id}/growth")
def see_growth(request: Request, passed: Read, since: Since, language: Language = "en") -> dict[str, Any]:
    """The case beside the earlier examination `since` of the same aneurysm: what has grown, and which measures changed.

    `headline` in words, `tables` of changes with intervals, `scene` of the wall by its change; takes some seconds.
    """
    return comparison(system_of(request), *_both(request, passed, since), language)


@router.get("/api/cases/{case_id}/growth.pdf")
def get_growth_report(request: Request, passed: Read, since: Since, language: Language = "en") -> Response:
    """The same as a report."""
    content = comparison_report(system_of(request), *_both(request, passed, since), language)
    return Response(content, media_type="application/pdf")


def _both(request: Request, passed: Passed, since: str) -> tuple[Case, Case]:
    """The earlier case and the later one, which the caller may both read."""
    assert passed.case is not None
    earlier = OnCase("read")(request, since).case
    assert earlier is not None
    request.state.case_id, request.state.project_id = passed.case.id, passed.project.id
    request.state.detail = f"since {earlier.id}"
    return earlier, passed.case


@router.get("/api/cases/{case_id}/files/{path:path}")
def get_file(request: Request, path: str, passed: Read) -> StreamingResponse:
    """A file of the case as it lies in the case folder, checked against its hash on the way."""
    assert passed.case is not None
    if not may_see_file(passed.role, path):
        raise Problem(404, "no_file")
    is_hiding = standing_of(request, passed) in HIDING
    if is_hiding and not is_shown_before(path):
        raise Problem(403, "judgement_first")
    system = system_of(request)
    with system.database.reading() as session:
        found = read_file(system, session, passed.case.id, path)
    if found is None:
        raise Problem(404, "no_file")
    file, content = found
    if is_hiding and needs_clearing(path):
        return file_response(path, iter([cleared(b"".join(content))]), {})
    return file_response(path, content, {"content-length": str(file.size), "etag": f'"{file.sha256}"'})


def file_response(path: str, content: Iterator[bytes], headers: dict[str, str]) -> StreamingResponse:
    """A file of a case with the type its name says; a report is kept from asking the server anything."""
    if path.endswith(".json.gz"):
        headers["content-encoding"] = "gzip"
    if path.endswith(".html"):
        headers["content-security-policy"] = REPORT_POLICY
    suffix = f".{path.removesuffix('.gz').rsplit('.', 1)[-1]}"
    return StreamingResponse(content, media_type=TYPES.get(suffix, "application/octet-stream"), headers=headers)
