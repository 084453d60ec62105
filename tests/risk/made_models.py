"""Cohorts whose law is known, and models trained on them in a second, as folders of `aneuflow train risk`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aneuflow.risk.learned import CASES_FILE, MODEL_FILE, ORIGIN_FILE
from aneuflow.risk.train import run as train_run
from aneuflow.risk.train import validate
from aneuflow.risk.train.models import candidates
from aneuflow.risk.train.run import train_risk
from aneuflow.risk.train.table import Cohort
from aneuflow.risk.train.validate import ValidationPlan

HEADER = "patient,ruptured,size_mm,age_years,site,sex\n"


def made_rows(count: int, seed: int, acom: float = 1.5, name: str = "p") -> str:
    """Lines of a table: log-odds -0.6 + 1.5 (ln size - ln 5) + `acom` at that site, whatever age and sex."""
    generator = np.random.default_rng(seed)
    lines = []
    for row in range(count):
        size, site = float(np.exp(generator.normal(np.log(5.0), 0.5))), str(generator.choice(["mca", "acom", "ica"]))
        chance = 1 / (1 + np.exp(0.6 - 1.5 * np.log(size / 5.0) - acom * (site == "acom")))
        truth = "yes" if generator.uniform() < chance else "no"
        age = "" if generator.uniform() < 0.1 else str(int(generator.normal(57, 12)))
        lines.append(f"{name}{row},{truth},{size:.2f},{age},{site},{generator.choice(['female', 'male'])}\n")
    return "".join(lines)


def write_table(path: Path, rows: str) -> Path:
    path.write_text(HEADER + rows, "utf-8")
    return path


def train_into(folder: Path, cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of the cohort by logistic regression alone, with one penalty and few repeats."""
    monkeypatch.setattr(validate, "BOOTSTRAPS", 50)
    monkeypatch.setattr(train_run, "COVARIANCE_SAMPLES", 20)
    logistic = next(entrant for entrant in candidates(cohort) if entrant.name == "logistic")
    monkeypatch.setattr(train_run, "candidates", lambda rows: [replace(logistic, settings=(1.0,))])
    made = train_risk(cohort, ValidationPlan(1, 3))
    folder.mkdir()
    for name, content in ((MODEL_FILE, made.model), (CASES_FILE, made.cases), (ORIGIN_FILE, made.origin)):
        (folder / name).write_text(content, "utf-8")
    return folder
