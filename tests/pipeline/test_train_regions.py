"""Regions from readers' labels: their consensus, how far they agree, how a network is judged, and the whole way once."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree
from typer.testing import CliRunner

from aneuflow.case.files import PolyData
from aneuflow.case.label_store import LUMEN, WallLabels, write_labels
from aneuflow.case.risk_store import read_risk
from aneuflow.cli.app import app
from aneuflow.errors import InputError
from aneuflow.numerics.agreement import dice
from aneuflow.numerics.surface import vertex_areas
from aneuflow.pipeline.regions_cases import RegionsCase, majority, painted_cases
from aneuflow.pipeline.train_regions import compared, prepare_regions, reader_agreement
from aneuflow.report.risk_section import risk_values
from aneuflow.types import REGION_SAC

TRAINING_PYTHON = Path(__file__).parents[2] / ".venv-train" / "bin" / "python"
SIDE = 40


def flat_case(id: str, patient: str, classes: np.ndarray, **readings: np.ndarray) -> RegionsCase:
    """A square of 10 mm by 10 mm with a point every quarter of a millimeter; classes (40, 40)."""
    points = np.stack([*np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij"), np.zeros((SIDE, SIDE))], axis=-1) * 0.25
    arrays = {"points": points.reshape(-1, 3), "areas": np.full(SIDE**2, 0.0625), "classes": classes.ravel()}
    return RegionsCase(id, patient, "test", arrays, {name: values.ravel() for name, values in readings.items()})


def marks(*rows: tuple[int, int, int]) -> np.ndarray:
    """(40, 40) classes: `number` on the rows from first to last."""
    made = np.zeros((SIDE, SIDE), dtype=np.int64)
    for first, last, number in rows:
        made[first:last] = number
    return made


def test_the_consensus_is_what_most_readers_say() -> None:
    readings = [np.array(values) for values in ([1, 1, 1, 0, 2, 1], [1, 1, 0, 0, 1, 2], [1, 0, 0, 0, 0, 2])]
    assert majority(readings).tolist() == [1, 1, 0, 0, 0, 2]
    assert majority(readings[:2]).tolist() == [1, 1, 0, 0, 0, 0]
    assert majority(readings[:1]).tolist() == readings[0].tolist()


def test_agreement_is_that_of_the_shared_cases() -> None:
    one, other = marks((0, 10, 1)), marks((5, 15, 1), (30, 40, 2))
    cases = [flat_case("a", "a", one, ann=one, ben=other), flat_case("b", "b", one, ann=one)]
    found = reader_agreement(cases, ("low_shear", "impingement"))
    assert found["readers"] == ["ann", "ben"] and found["shared_cases"] == 1
    assert found["dice"]["ann and ben"] == {"low_shear": pytest.approx(0.5), "impingement": 0.0}
    # 20 of 40 rows are called alike; of 80 calls 50 are no mark, 20 the first class, 10 the second.
    chance = (50 / 80) ** 2 + (20 / 80) ** 2 + (10 / 80) ** 2
    assert found["kappa"] == pytest.approx((20 / 40 - chance) / (1.0 - chance))
    assert reader_agreement(cases[1:], ("low_shear",))["kappa"] is None


def test_dice_is_taken_by_patient_and_of_all_areas() -> None:
    truth = {"a": marks((0, 10, 1)), "b": marks((0, 20, 1)), "c": marks((0, 10, 1)), "d": marks()}
    found = {"a": marks((0, 10, 1)), "b": marks(), "c": marks((5, 15, 1)), "d": marks()}
    cases = [flat_case(id, "p" if id in "ab" else id, classes) for id, classes in truth.items()]
    made = compared(cases, lambda case: found[case.id].ravel(), ("low_shear", "impingement"))["low_shear"]
    assert made["cases"] == {"a": 1.0, "b": 0.0, "c": pytest.approx(0.5)}
    assert made["patients"] == pytest.approx((0.5 + 0.5) / 2) and made["cases_mean"] == pytest.approx(0.5)
    assert made["pooled"] == pytest.approx(2 * (10 + 5) / (10 + 20 + 10 + 10 + 10))


def test_parts_under_a_square_millimeter_do_not_count() -> None:
    classes, speck = marks((0, 10, 1)), marks((0, 10, 1))
    speck[30:33, 30:33] = 1
    made = compared([flat_case("a", "a", classes)], lambda _: speck.ravel(), ("low_shear",))
    assert made["low_shear"]["cases"] == {"a": 1.0}


def test_a_source_without_labels_or_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        prepare_regions(tmp_path / "none", None, tmp_path / "made")
    with pytest.raises(InputError, match="no case folder with labels"):
        painted_cases(tmp_path)
    (tmp_path / "cases.csv").write_text("id\n")
    with pytest.raises(InputError, match="--networks"):
        prepare_regions(tmp_path, None, tmp_path / "made")
    with pytest.raises(InputError, match=r"holds no cases\.json"):
        prepare_regions(tmp_path, tmp_path / "other", tmp_path / "made")


def has_torch() -> bool:
    asked = [str(TRAINING_PYTHON), "-c", "import torch, onnx"]
    return TRAINING_PYTHON.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
def test_painting_training_and_grading_with_own_labels(tmp_path: Path) -> None:
    if not has_torch():
        pytest.skip("training needs torch: make test-train")
    lumen, cases, own = resources.files("aneuflow") / "data" / "bench" / "lumen.nii.gz", tmp_path / "cases", tmp_path / "own"
    cases.mkdir()

    def done(*arguments: object) -> str:
        ended = CliRunner().invoke(app, [str(each) for each in arguments])
        assert ended.exit_code == 0, ended.output
        return ended.output

    done("assess", lumen, "-o", cases / "first", "--fast", "--shape-only")
    wall = PolyData(cases / "first" / LUMEN)
    flow = PolyData(cases / "first" / "prediction" / "wall.vtp")
    sac = wall.point_arrays["region"] == REGION_SAC
    shear = flow.point_arrays["TAWSS"][cKDTree(flow.points).query(wall.points)[1]]
    painted = sac & (shear < np.median(shear[sac]))
    shutil.copytree(cases / "first", cases / "second")
    for case in cases.iterdir():
        for reader, percent in (("ann", 50), ("ben", 55), ("eve", 48)):
            label = sac & (shear < np.percentile(shear[sac], percent))
            write_labels(case, reader, WallLabels(label.astype(np.uint8), ("suspicious",)))

    said = done("train", "regions", cases, "-o", own, "--python", TRAINING_PYTHON, "--threads", 1)
    assert "3 readers, Fleiss' kappa" in said and "left out, network" in said
    results = json.loads((own / "results.json").read_text())
    assert 0.8 < results["agreement"]["kappa"] < 0.95
    assert results["left out"]["network"]["suspicious"]["patients"] > 0.8
    assert "ann and ben" in (own / "card.md").read_text()

    before = read_risk(cases / "first" / "risk")
    done("grade", cases / "first", "--regions-model", own / "regions.onnx")
    risk = read_risk(cases / "first" / "risk")
    assert risk.wall is not None and risk.regions_model is not None and risk.regions_model.labels == "readers"
    there = painted[cKDTree(wall.points).query(risk.wall.points)[1]]
    found = risk.fields["learned_suspicious_region"] > 0
    assert dice(found, there, vertex_areas(risk.wall.points, risk.wall.triangles)) > 0.75
    assert risk.grade == before.grade and risk.defined == before.defined
    shown = risk_values(risk, "en")
    assert shown is not None and "3 readers painted on 2 walls" in shown["learned"]
