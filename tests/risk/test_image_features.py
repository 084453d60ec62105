"""Image features in a model: refused without a reliability, kept with it, and filled from the case when it is graded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.report.text import note_text
from aneuflow.risk import Clinical, GradeSettings, assess_risk
from aneuflow.risk import assess as assess_module
from aneuflow.risk.clinical import Number
from aneuflow.risk.learned import Model, read_model
from aneuflow.risk.train import run as train_run
from aneuflow.risk.train import validate
from aneuflow.risk.train.image_features import check_reliable, read_retest
from aneuflow.risk.train.models import candidates
from aneuflow.risk.train.run import train_risk
from aneuflow.risk.train.table import read_cohort
from aneuflow.risk.train.validate import ValidationPlan
from aneuflow.types import Measure, Radiomics
from tests.cli.run import run
from tests.report.sample import sample_content

ENTROPY, SHADE = "radiomics_wall_histogram_entropy", "radiomics_sac_texture_cluster_shade_merged"
SETTINGS = {"spacing_mm": 0.4, "bins": 32}


def retest(**icc: float | None) -> dict[str, Any]:
    return {"settings": SETTINGS, "features": [{"id": id, "icc": value} for id, value in icc.items()]}


def written_cohort(folder: Path) -> Path:
    """A table in which entropy of the wall zone and aspect ratio go with rupture."""
    generator = np.random.default_rng(2)
    lines = [f"ruptured,age_years,aspect_ratio,{ENTROPY}\n"]
    for _ in range(300):
        entropy, aspect = generator.normal(3.5, 0.5), generator.normal(1.4, 0.4)
        truth = generator.uniform() < 1 / (1 + np.exp(-2.5 * (entropy - 3.5) - 2.0 * (aspect - 1.4)))
        lines.append(f"{'yes' if truth else 'no'},{generator.integers(30, 80)},{aspect:.3f},{entropy:.4f}\n")
    path = folder / "table.csv"
    path.write_text("".join(lines), "utf-8")
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    cohort = read_cohort(written_cohort(tmp_path_factory.mktemp("table")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "BOOTSTRAPS", 50)
        patch.setattr(train_run, "COVARIANCE_SAMPLES", 20)
        logistic = next(entrant for entrant in candidates(cohort) if entrant.name == "logistic")
        patch.setattr(train_run, "candidates", lambda rows: [replace(logistic, settings=(1.0,))])
        made = train_risk(cohort, ValidationPlan(1, 3), retest=retest(**{ENTROPY: 0.91, SHADE: 0.2}))
    return read_model(made.model, made.cases)


def test_a_column_without_a_recorded_reliability_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, output = str(written_cohort(tmp_path)), str(tmp_path / "out")
    code, _, err = run(capsys, "train", "risk", table, "-o", output)
    assert code == 2 and ENTROPY in err and "aneuflow radiomics --retest" in err
    for value, said in ((0.75, "is 0.75, not over 0.75"), (None, "is undefined")):
        (tmp_path / "retest.json").write_text(json.dumps(retest(**{ENTROPY: value})), "utf-8")
        code, _, err = run(capsys, "train", "risk", table, "-o", output, "--retest", str(tmp_path / "retest.json"))
        assert code == 2 and said in err and not (tmp_path / "out").exists()
    check_reliable(["size_mm", "aspect_ratio"], None)
    with pytest.raises(InputError, match="radiomics_of_a_later_version"):
        check_reliable(["radiomics_of_a_later_version"], retest(**{ENTROPY: 0.9}))


@pytest.mark.parametrize("text", ["", "[]", '{"features": []}', '{"settings": {}, "features": [{"id": "x", "icc": "high"}]}'])
def test_another_file_is_no_table_of_reliability(tmp_path: Path, text: str) -> None:
    (tmp_path / "retest.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="no table of reliability"):
        read_retest(tmp_path / "retest.json")


def test_a_model_keeps_settings_and_reliability_of_what_it_uses(model: Model) -> None:
    assert model.radiomics == {"settings": SETTINGS, "icc": {ENTROPY: 0.91}}
    assert {term["answer"] for term in model.terms} == {"age_years", "aspect_ratio", ENTROPY}


def test_a_case_fills_what_the_model_asks_by_quantity_ids(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    content = sample_content()
    change = type("Change", (), {"to_model": type("Name", (), {"id": "own"})(), "by": "A. Officer", "made": "2026-11-22"})()
    monkeypatch.setattr(assess_module, "accepted_model", lambda folder, digest: (model, change))
    clinical, settings = Clinical(age_years=55), GradeSettings(model="own", samples=8)

    def alike(image: Radiomics | None) -> Any:
        return assess_risk(content.model, content.morphology, None, clinical, settings, image=image)

    low, high = (alike(Radiomics((Measure(ENTROPY, value),), SETTINGS, {})) for value in (3.0, 4.0))
    assert low.resemblance.missing == () and low.resemblance.probability.value < high.resemblance.probability.value
    # The aspect ratio is the measured one, with its interval.
    aspect = next(m for m in content.morphology.measures if m.id == "aspect_ratio")
    term = next(part for part in low.resemblance.contributions if part.answer == "aspect_ratio")
    assert term.shown == f"{aspect.value:.3g}" and term.low < term.high
    without = alike(None)
    assert without.resemblance.missing == (ENTROPY,)
    other = alike(Radiomics((Measure(ENTROPY, 3.0),), {**SETTINGS, "bins": 64}, {}))
    assert other.resemblance.missing == (ENTROPY,)
    said = [note_text("en", note) for note in other.notes]
    assert any("other settings" in sentence for sentence in said) and not any(
        "other settings" in note_text("en", n) for n in low.notes
    )


def test_measured_answers_take_the_interval_of_a_measure(model: Model) -> None:
    found = assess_module.measured_answers(model, {"aspect_ratio": Number(1.5, 1.3, 1.7), "height": Number(4, 4, 4)}, None)
    assert found == {"aspect_ratio": Number(1.5, 1.3, 1.7)}
