"""The result of a verification as JSON, as a Markdown page, and as one HTML page with plots."""

from __future__ import annotations

import io
import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from aneuflow import __version__
from aneuflow.report.plots import GRID_COLOR, INK, SERIES_COLORS
from aneuflow.verification.run import Judged
from aneuflow.verification.trial import Plot, Row

_LEAST_DIGITS = 3
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;color:#1f2933;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
td,th{border-bottom:1px solid #d9dee3;padding:.3rem .6rem;text-align:left}
td.n,th.n{text-align:right}td.n{font-variant-numeric:tabular-nums}.fail{color:#b3261e;font-weight:600}.pass,.aim{color:#226b3a}
.plots{display:flex;flex-wrap:wrap;gap:1rem}svg{max-width:100%;height:auto}p.note{color:#52606d}"""


def results(judged: Sequence[Judged], code: str, threads: int) -> dict[str, Any]:
    """All that was found, in plain values: the content of `accuracy.json`, from which the pages are made."""
    return {
        "version": __version__,
        "code": code,
        "machine": machine(threads),
        "cases": [_case(one, code) for one in judged],
    }


def machine(threads: int) -> dict[str, Any]:
    """Processor, its number, threads used, and the load that others put on it as the run ends."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _case(one: Judged, code: str) -> dict[str, Any]:
    return {
        "name": one.case.name,
        "title": one.case.title,
        "note": one.case.note,
        "rows": [_row(row) for row in one.rows],
        "trials": [
            {
                "name": name,
                "numbers": dict(record.found.numbers),
                "wall_seconds": round(record.wall_seconds, 1),
                "cpu_seconds": round(record.cpu_seconds, 1),
                "code": record.code,
            }
            for name, record in one.records.items()
        ],
        "not_run": dict(one.not_run),
        "failed": dict(one.failed),
        "older": [name for name, record in one.records.items() if record.code != code],
    }


def _row(row: Row) -> dict[str, Any]:
    value = None if row.value is None or math.isnan(row.value) else row.value
    gate = {"must": row.gate.must, "aim": row.gate.aim, "least": row.gate.least}
    return {"what": row.what, "unit": row.unit, **gate, "value": value, "verdict": row.verdict, "why": row.why}


def number(value: float | None) -> str:
    """Three digits that mean something; a dash for nothing."""
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.0f}" if size >= 10**_LEAST_DIGITS else f"{value:.{_LEAST_DIGITS}g}"


def asked(limit: float | None, least: bool) -> str:
    return "-" if limit is None else f"{'>=' if least else '<='} {limit:g}"


def markdown(content: Mapping[str, Any]) -> str:
    """The page "How accurate is it"."""
    made = content["machine"]
    lines = [
        "# How accurate is it",
        "",
        "Written by `aneuflow verify`; repeat any of it with `aneuflow verify --only CASE`. *Must* is the gate, *aim* where",
        "the solver is to be. A value is an error unless its line says otherwise, with its sign where it has one; the worst of",
        "a group stands for it. What failed and what was not measured is in the table too.",
        "",
        f"aneuflow {content['version']}, code {content['code']}, {made['processor']}, threads: {made['threads']}.",
    ]
    for case in content["cases"]:
        lines += ["", f"## {case['title']}", "", f"`{case['name']}`" + (f": {case['note']}" if case["note"] else ""), ""]
        lines += ["| what | must | aim | reached | |", "|---|---|---|---|---|"]
        lines += [_markdown_row(row) for row in case["rows"]]
        lines += ["", _effort(case)] + [f"Not run: {text}" for text in _missing(case)]
    return "\n".join(lines) + "\n"


def _markdown_row(row: Mapping[str, Any]) -> str:
    what = row["what"].replace("|", "\\|") + ("" if row["unit"] in ("", "1") else f", {row['unit']}")
    verdict = f"**{row['verdict']}**" if row["verdict"] == "fail" else row["verdict"]
    why = f" ({row['why']})" if row["why"] else ""
    cells = (what, asked(row["must"], row["least"]), asked(row["aim"], row["least"]), number(row["value"]), verdict + why)
    return "| " + " | ".join(cells) + " |"


def _effort(case: Mapping[str, Any]) -> str:
    """How long the trials took, and on how many cells."""
    if not case["trials"]:
        return "Nothing of it was run."
    cells = [trial["numbers"].get("cells", 0.0) for trial in case["trials"]]
    cpu, wall = (sum(trial[key] for trial in case["trials"]) for key in ("cpu_seconds", "wall_seconds"))
    spread = f"{min(cells):,.0f} to {max(cells):,.0f}" if min(cells) < max(cells) else f"{max(cells):,.0f}"
    runs = f"{len(case['trials'])} run{'s' if len(case['trials']) > 1 else ''}"
    older = f" Measured with older code: {', '.join(case['older'])}." if case["older"] else ""
    return f"{runs}, {spread} cells, {cpu:.0f} CPU seconds, {wall:.0f} seconds by the clock.{older}"


def _missing(case: Mapping[str, Any]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for name, why in case["not_run"].items():
        by_reason.setdefault(why, []).append(name)
    return [f"{', '.join(names)} ({why})." for why, names in by_reason.items()]


def html(content: Mapping[str, Any], judged: Sequence[Judged]) -> str:
    """The same as one HTML page that needs nothing else, with the plots of each case."""
    made = content["machine"]
    head = f"aneuflow {content['version']}, code {content['code']}, {made['processor']}, threads: {made['threads']}"
    parts = [f"<h1>How accurate is it</h1><p>{escape(head)}</p>"]
    for case, one in zip(content["cases"], judged, strict=True):
        parts.append(
            f"<h2>{escape(case['title'])}</h2><p class=note><code>{escape(case['name'])}</code> {escape(case['note'])}</p>"
        )
        rows = "".join(_html_row(row) for row in case["rows"])
        parts.append(f"<table><tr><th>what<th class=n>must<th class=n>aim<th class=n>reached<th></tr>{rows}</table>")
        parts.append(f"<p class=note>{escape(' '.join([_effort(case), *(f'Not run: {t}' for t in _missing(case))]))}</p>")
        parts.append("<div class=plots>" + "".join(map(drawn, one.case.plots(one.found))) + "</div>")
    body = "\n".join(parts)
    top = f'<!doctype html><html lang=en><meta charset="utf-8"><title>How accurate is it</title><style>{_STYLE}</style>'
    return f"{top}{body}</html>\n"


def _html_row(row: Mapping[str, Any]) -> str:
    unit = "" if row["unit"] in ("", "1") else f", {row['unit']}"
    limits = "".join(f"<td class=n>{escape(asked(row[key], row['least']))}" for key in ("must", "aim"))
    verdict = escape(row["verdict"] + (f" ({row['why']})" if row["why"] else ""))
    word = row["verdict"].split()[0]
    return f"<tr><td>{escape(row['what'] + unit)}{limits}<td class=n>{number(row['value'])}<td class={word}>{verdict}</tr>"


def drawn(plot: Plot) -> str:
    """One picture as SVG."""
    figure = Figure(figsize=(5.2, 3.4), facecolor="white", layout="constrained")
    ax = figure.subplots()
    for index, (name, (x, y)) in enumerate(plot.curves.items()):
        marks = {"marker": "o", "ls": "none", "ms": 4} if name in plot.points else {"lw": 1.5}
        ax.plot(x, y, color=SERIES_COLORS[index % len(SERIES_COLORS)], label=name, **marks)
    if plot.log:
        ax.set_xscale("log")
        ax.set_yscale("log")
    ax.set_title(plot.title, fontsize=9, color=INK, loc="left")
    ax.set_xlabel(plot.x_label, fontsize=8, color=INK)
    ax.set_ylabel(plot.y_label, fontsize=8, color=INK)
    ax.tick_params(labelsize=8, colors=INK)
    ax.grid(color=GRID_COLOR, lw=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False)
    text = io.StringIO()
    figure.savefig(text, format="svg")
    svg = text.getvalue()
    return svg[svg.index("<svg") :]


def written(judged: Sequence[Judged], code: str, threads: int, folder: Path) -> dict[str, Any]:
    """Write `accuracy.json`, `accuracy.md` and `accuracy.html` into the folder; gives the content of the first."""
    content = results(judged, code, threads)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "accuracy.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", "utf-8")
    (folder / "accuracy.md").write_text(markdown(content), "utf-8")
    (folder / "accuracy.html").write_text(html(content, judged), "utf-8")
    return content
