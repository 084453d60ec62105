"""Training on cohorts whose truth is known, and on the real table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.risk.clinical import Number
from aneuflow.risk.learned import read_model, resemblance, shipped_model
from aneuflow.risk.train import run as train_run
from aneuflow.risk.train import validate
from aneuflow.risk.train.models import candidates, fit_additive, imputation, phases_points
from aneuflow.risk.train.run import train_risk
from aneuflow.risk.train.table import Cohort, bundled_columns, read_cohort, read_columns
from aneuflow.risk.train.validate import ValidationPlan, center_predictions, compare, fold_rows, simplest_not_worse
from tests.conftest import shared_data


def made_cohort(count: int, missing: float = 0.0, acom: float = 1.2) -> Cohort:
    """Log-odds -1 + 1.5 (ln size - ln 5) + `acom` at that site, two aneurysms a patient, three centers."""
    generator = np.random.default_rng(0)
    size = np.exp(generator.normal(np.log(5.0), 0.5, count))
    site = [str(value) for value in generator.choice(["mca", "acom", "ica"], count)]
    logit = -1.0 + 1.5 * (np.log(size) - np.log(5.0)) + acom * np.array([value == "acom" for value in site])
    truth = generator.uniform(size=count) < 1 / (1 + np.exp(-logit))
    size[generator.uniform(size=count) < missing] = np.nan
    return Cohort(
        truth, np.arange(count) // 2, np.arange(count) % 3, ("a", "b", "c"), {"size_mm": size},
        {"site": list(site), "sex": [str(value) for value in generator.choice(["female", "male"], count)]},
        {"population": "europe"}, {"id": "made", "license": "none"}, 0, {},
    )  # fmt: skip


def test_a_large_cohort_gives_back_its_law() -> None:
    model = fit_additive(made_cohort(20000), 10.0, None)
    acom, mca, ica = (made_cohort(3).rows(np.array([0])) for _ in range(3))
    for rows, site in ((acom, "acom"), (mca, "mca"), (ica, "ica")):
        rows.numbers["size_mm"][:] = 8.0
        rows.levels["site"][:] = [site]
    logits = [float(np.log(p / (1 - p))) for p in (model(acom)[0], model(mca)[0], model(ica)[0])]
    assert logits[0] == pytest.approx(-1 + 1.5 * np.log(8 / 5) + 1.2, abs=0.1)
    assert logits[1] == pytest.approx(logits[2], abs=0.12) and logits[0] - logits[1] == pytest.approx(1.2, abs=0.12)


def test_patients_are_never_on_both_sides() -> None:
    cohort = made_cohort(200)
    for inside, held_out in fold_rows(cohort, 5, 1):
        assert not set(cohort.patient[inside]) & set(cohort.patient[held_out])


def test_being_unknown_is_no_input() -> None:
    cohort = made_cohort(400, missing=0.3)
    columns = imputation(cohort)(cohort)
    assert np.isfinite(columns).all()
    blank = cohort.rows(np.isnan(cohort.numbers["size_mm"]))
    assert np.ptp(imputation(cohort)(blank)[:, 0]) == 0.0


def test_comparison_finds_what_is_in_the_table_and_prefers_the_simple(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "BOOTSTRAPS", 200)
    cohort = made_cohort(400, acom=2.5)
    fast = [entrant for entrant in candidates(cohort) if entrant.name in ("size", "phases", "logistic")]
    results = compare(cohort, fast, ValidationPlan(1, 2))
    assert results["logistic"]["over_size"]["low"] > 0.0 and results["logistic"]["auc"] > 0.7
    assert results["logistic"]["calibration_error"] < 0.12
    assert simplest_not_worse(results) == "logistic"
    assert [entry["center"] for entry in results["logistic"]["centers"]] == ["a", "b", "c"]
    assert {group["group"] for group in results["logistic"]["subgroups"]} >= {"size under 5 mm", "site acom", "sex male"}


def test_a_center_with_few_cases_is_named_without_a_number() -> None:
    cohort = made_cohort(240)
    small = cohort.rows(np.flatnonzero((cohort.center < 2) | (np.arange(240) < 20)))
    results = center_predictions(candidates(small)[0], small, 1)
    assert [entry["auc"] is None for entry in results] == [False, False, True]


def test_the_model_file_says_what_the_fitted_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = made_cohort(400, missing=0.1)
    monkeypatch.setattr(validate, "BOOTSTRAPS", 100)
    monkeypatch.setattr(
        train_run, "candidates", lambda rows: [entrant for entrant in candidates(rows) if entrant.name in ("size", "logistic")]
    )
    made = train_risk(cohort, ValidationPlan(1, 3), {"site": {"basilar_tip": "mca"}})
    model = read_model(made.model, made.cases)
    fitted = fit_additive(cohort, model.content["penalty"], None)(cohort)
    for row in range(20):
        size = float(cohort.numbers["size_mm"][row])
        number = None if np.isnan(size) else Number(size, size, size)
        found = resemblance(model, {"size_mm": number, "site": cohort.levels["site"][row], "sex": cohort.levels["sex"][row]})
        if number is not None and not found.outside:
            assert found.probability.value == pytest.approx(100 * fitted[row], abs=0.02)
        assert found.probability.high is not None
        assert found.probability.low - 0.02 <= 100 * fitted[row] <= found.probability.high + 0.02
    assert "TRIPOD+AI" in made.card and "rupture resemblance score" in made.card
    assert all(f"| {number} |" in made.card for number in range(1, 28))
    json.dumps(made.results, allow_nan=False)


def test_phases_points_of_a_table_use_the_middle_of_what_is_possible() -> None:
    cohort = made_cohort(40)
    expected = [
        {"mca": 2, "acom": 4, "ica": 0}[str(site)] + sum(size >= limit for limit in (7,)) * 3
        + 3 * (size >= 10) + 4 * (size >= 20) + 0.5 + 0.5 + 0.5
        for size, site in zip(cohort.numbers["size_mm"], cohort.levels["site"], strict=True)
    ]  # fmt: skip
    assert phases_points(cohort) == pytest.approx(expected)


def written(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text, "utf-8")
    return path


ROWS = "".join(f"{'yes' if i % 2 else 'no'},{4 + i % 5},{'mca' if i % 3 else 'acom'}\n" for i in range(60))


def test_a_table_by_the_schema_needs_no_column_file(tmp_path: Path) -> None:
    cohort = read_cohort(written(tmp_path, "ruptured,size_mm,site\n" + ROWS))
    assert len(cohort) == 60 and set(cohort.levels) == {"site"} and set(cohort.numbers) == {"size_mm"}
    assert len(np.unique(cohort.patient)) == 60


@pytest.mark.parametrize(
    "text", ["", "ruptured,size_mm\n", "size_mm,site\n4,mca\n", "ruptured,size_mm\nyes,4\n", "ruptured,size_mm\nyes,4,9\n"]
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        read_cohort(written(tmp_path, text))


def test_column_files_that_come_along_fit_their_tables() -> None:
    files = {
        "bnaiar": "bnaiar_adb_raw.csv", "aneurisk": "aneurisk_morphology_hemodynamics.csv", "ican": "ican_simulated.csv.gz"
    }  # fmt: skip
    counts = {"bnaiar": (1245, 456), "aneurisk": (103, 44), "ican": (2505, 959)}
    assert set(files) == set(bundled_columns())
    for name, file in files.items():
        cohort = read_cohort(shared_data(f"clinical/{file}"), read_columns(name))
        assert (len(cohort), int(cohort.ruptured.sum())) == counts[name]
    bnaiar = read_cohort(shared_data("clinical/bnaiar_adb_raw.csv"), read_columns("bnaiar"))
    assert np.nanmax(bnaiar.numbers["age_years"]) <= 110 and np.nanmax(bnaiar.numbers["size_mm"]) <= 60


@pytest.mark.slow
def test_the_shipped_model_beats_size_alone_and_is_calibrated() -> None:
    cohort = read_cohort(shared_data("clinical/bnaiar_adb_raw.csv"), read_columns("bnaiar"))
    fast = [entrant for entrant in candidates(cohort) if entrant.name in ("size", "logistic")]
    result = compare(cohort, fast, ValidationPlan(10, 5))["logistic"]
    assert result["over_size"]["difference"] > 0.05 and result["over_size"]["low"] > 0.05
    assert result["calibration_error"] < 0.05
    recorded = shipped_model().content["performance"]
    assert (recorded["auc"], recorded["calibration_error"]) == pytest.approx(
        (result["auc"], result["calibration_error"]), abs=0.005
    )
