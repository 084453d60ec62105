"""Trials are run once, kept, judged; what is missing or fails is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aneuflow.errors import InputError, MethodError
from aneuflow.flow import solve
from aneuflow.types import no_progress
from aneuflow.verification.page import html, markdown, results, written
from aneuflow.verification.run import Wanted, code_fingerprint, solver_sources, verify
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial


class Counter:
    """A trial's work that counts its runs."""

    def __init__(self, error: float) -> None:
        self.error, self.runs = error, 0

    def __call__(self, means: Means) -> Found:
        self.runs += 1
        return Found({"error": self.error, "cells": 10.0}, {"curve": ([0.0, 1.0], [0.0, self.error])})


def case(*trials: Trial) -> Case:
    def judge(found: dict[str, Found]) -> tuple[Row, ...]:
        worst = max((one.numbers["error"] for one in found.values()), default=None)
        return (Row("worst error", "%", Gate(2.0, 1.0), worst),)

    def plots(found: dict[str, Found]) -> tuple[Plot, ...]:
        return tuple(Plot(name, "x", "y", one.curves) for name, one in found.items())

    return Case("small", "A small case", trials, judge, plots, quick=(trials[0].name,))


def wanted(tmp_path: Path, **more: object) -> Wanted:
    return Wanted(tmp_path / "out", tmp_path / "data", 1, code="abc", **more)  # type: ignore[arg-type]


def test_a_finished_trial_is_not_run_again_until_code_or_settings_change(tmp_path: Path) -> None:
    work = Counter(0.5)
    runs = []
    for settings, more in (({"h": 1}, {}), ({"h": 1}, {}), ({"h": 2}, {}), ({"h": 2}, {"code": "new"})):
        request = Wanted(tmp_path, tmp_path, 1, **{"code": "abc", **more})
        verify([case(Trial("one", settings, work))], request, lambda name: no_progress)
        runs.append(work.runs)
    kept = Wanted(tmp_path, tmp_path, 1, code="newer", keep_older=True)
    judged = verify([case(Trial("one", {"h": 2}, work))], kept, lambda name: no_progress)
    assert [*runs, work.runs] == [1, 1, 2, 3, 3]
    assert "Measured with older code: one." in markdown(results(judged, "newer", 1))
    assert judged[0].found["one"] == work(Means(tmp_path, 1, None, no_progress))


def test_pages_can_be_written_without_a_run(tmp_path: Path) -> None:
    kept, other = Counter(0.5), Counter(0.7)
    verify([case(Trial("one", {}, kept))], wanted(tmp_path), lambda name: no_progress)
    both = case(Trial("one", {}, kept), Trial("two", {}, other))
    judged = verify([both], wanted(tmp_path, run=False), lambda name: no_progress)[0]
    assert (kept.runs, other.runs) == (1, 0)
    assert judged.rows[0].value == 0.5 and judged.not_run == {"two": "not run yet"}


def test_a_broken_record_is_run_again(tmp_path: Path) -> None:
    work, request = Counter(0.5), wanted(tmp_path)
    trial = Trial("one", {}, work)
    verify([case(trial)], request, lambda name: no_progress)
    (tmp_path / "out/records/one.json").write_text("{")
    verify([case(trial)], request, lambda name: no_progress)
    assert work.runs == 2


def test_missing_data_and_quick_are_said_and_not_measured(tmp_path: Path) -> None:
    trials = (Trial("one", {}, Counter(0.5), data=("piv.csv",)), Trial("two", {}, Counter(0.7)))
    judged = verify([case(*trials)], wanted(tmp_path, quick=True), lambda name: no_progress)[0]
    assert "piv.csv" in judged.not_run["one"] and "quick" in judged.not_run["two"]
    assert judged.rows[0].verdict == "not measured"
    page = markdown(results([judged], "abc", 1))
    assert "not measured" in page and "piv.csv" in page


def test_a_trial_that_fails_is_a_row_that_fails(tmp_path: Path) -> None:
    def diverge(means: Means) -> Found:
        raise MethodError("The flow did not stay stable.")

    judged = verify(
        [case(Trial("one", {}, Counter(0.5)), Trial("bad", {}, diverge))], wanted(tmp_path), lambda name: no_progress
    )
    assert [row.verdict for row in judged[0].rows] == ["aim", "fail"]
    assert "did not stay stable" in judged[0].rows[1].what
    content = written(judged, "abc", 1, tmp_path / "out")
    assert json.loads((tmp_path / "out/accuracy.json").read_text()) == content


@pytest.mark.parametrize(("error", "verdict"), [(0.9, "aim"), (-1.5, "pass"), (2.1, "fail")])
def test_gates(error: float, verdict: str) -> None:
    assert Row("error", "%", Gate(2.0, 1.0), error).verdict == verdict


def test_a_gate_from_below_and_one_without_limits() -> None:
    assert Row("order", "1", Gate(1.8, 2.0, least=True), 1.9).verdict == "pass"
    assert Row("order", "1", Gate(1.8, 2.0, least=True), -2.5).verdict == "fail"
    assert Row("friction", "%", Gate(), 3.0).verdict == "stated"


def test_the_pages_hold_table_and_picture(tmp_path: Path) -> None:
    judged = verify([case(Trial("one<", {}, Counter(1.234)))], wanted(tmp_path), lambda name: no_progress)
    content = results(judged, "abc", 1)
    assert "| worst error, % | <= 2 | <= 1 | 1.23 | pass |" in markdown(content)
    page = html(content, judged)
    assert page.count("<svg") == 1 and "1.23" in page and "src=" not in page and "@import" not in page


def test_an_unknown_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="poisson"):
        verify([case(Trial("one", {}, Counter(0.5)))], wanted(tmp_path, only=("poisson",)), lambda name: no_progress)


def test_the_fingerprint_is_that_of_the_solvers_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {file.name for file in solver_sources()}
    assert {"solve.py", "wall_shear.py", "walls.py", "equilibrium.py", "surface.py"} <= names
    assert not names & {"graph_cut.py", "averaging.py"}
    before, copy = code_fingerprint(), tmp_path / "solve.py"
    assert before == code_fingerprint()
    copy.write_bytes(Path(solve.__file__).read_bytes() + b"\n")
    changed = [copy if file.name == "solve.py" else file for file in solver_sources()]
    monkeypatch.setattr("aneuflow.verification.run.solver_sources", lambda: changed)
    assert code_fingerprint() != before
