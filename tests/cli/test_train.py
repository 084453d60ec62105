from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.run import run
from tests.conftest import shared_data


@pytest.mark.slow
def test_a_cohort_of_shapes_is_trained_on_and_compared_with_size(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = shared_data("clinical/aneurisk_morphology_hemodynamics.csv")
    options = ("--columns", "aneurisk", "-o", str(tmp_path), "--repeats", "1", "--folds", "3")
    code, _, err = run(capsys, "train", "risk", str(table), *options)
    assert code == 0, err
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert set(results["candidates"]) == {"size", "logistic", "ebm", "boosting"}
    over = results["candidates"]["logistic"]["over_size"]
    assert over["low"] < over["difference"] < over["high"] and over["high"] - over["low"] > 0.1
    card = (tmp_path / "card.md").read_text("utf-8")
    assert "no model trained on it is shipped" in card and "one center only" in card
    assert "AneuRisk" not in (Path(__file__).parents[2] / "src/aneuflow/data/risk/resemblance.json").read_text("utf-8")


def test_a_table_without_outcome_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("size_mm,site\n4,mca\n", "utf-8")
    code, _, err = run(capsys, "train", "risk", str(tmp_path / "t.csv"), "-o", str(tmp_path / "out"))
    assert code == 2 and "ruptured" in err and not (tmp_path / "out").exists()
