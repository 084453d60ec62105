"""`aneuflow database` up to where the flows are solved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aneuflow.pipeline.database import read_plan
from tests.cli.run import run
from tests.conftest import shared_data


def test_intra_is_planned_with_its_terms(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = str(tmp_path / "db")
    options = ("--cases", "150", "--ideal", "2", "--pulsatile", "3")
    code, out, err = run(capsys, "database", "plan", str(shared_data("intra")), "-o", folder, *options)
    assert code == 0, err
    assert "153 cases of 75 shapes" in out
    plan = read_plan(tmp_path / "db")
    assert {case.split for case in plan.cases if plan.sources[case.base].ideal} == {"train"}
    for name in ("ideal-sidewall-000", "ideal-fork-001"):
        with np.load(plan.sources[name].file) as file:
            assert len(file["triangles"]) > 1000
    code, out, _ = run(capsys, "database", "check", folder)
    assert code == 0 and out.startswith("planned 153, ended 0, entered 0")
    code, out, _ = run(capsys, "database", "card", folder)
    assert code == 0 and "without stating a licence" in out and "| flow_factor:" in out


def test_what_is_wrong_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "database", "plan", str(tmp_path), "-o", str(tmp_path / "db"))
    assert code == 2 and "neither cohort.csv nor" in err
    code, _, err = run(capsys, "database", "run", str(tmp_path))
    assert code == 2 and "holds no plan" in err
    code, _, err = run(capsys, "database", "run", str(tmp_path), "--device", "tpu")
    assert code == 2 and "neither cpu nor gpu" in err
