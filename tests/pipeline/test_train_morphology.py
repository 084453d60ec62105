"""Training of the network of the sac's measures: its shapes, the correction of its readout, and how it is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.morphology.learned.model import corrected
from aneuflow.morphology.learned.names import CLOUDS, MEASURES, POINTS
from aneuflow.morphology.learned.train.plan import read_plan
from aneuflow.pipeline.database import plan_database
from aneuflow.pipeline.database import read_plan as read_database
from aneuflow.pipeline.morphology_shapes import PREPARED, prepare_shapes
from aneuflow.pipeline.train_morphology import Read, fitted_correction, judged, plan_training
from aneuflow.surrogate.design import NEUTRAL, DesignSettings, write_table
from aneuflow.surrogate.ideal import ideal_vessel

NO_LIMITS = {"low": [-1e3] * 8, "high": [1e3] * 8}


def read_shape(seed: int, correction: np.ndarray, patient: str) -> Read:
    rng = np.random.default_rng(seed)
    value = np.array([6.0, 4.0, 5.0, 0.2, 0.1, 1.2, 100.0, 80.0]) * rng.uniform(0.7, 1.3, 8)
    each = np.stack([value, value])
    return Read(patient, "real", each, corrected(value, correction))


def test_the_correction_that_was_made_is_found_again_past_outliers() -> None:
    rng = np.random.default_rng(1)
    true = np.zeros((8, 8))
    true[:, 0] = rng.uniform(-0.05, 0.05, 8)
    true[1, 1], true[6, 6] = 0.1, -6.0
    shapes = [read_shape(seed, true, f"p{seed}") for seed in range(4000)]
    missed = Read("p", "real", shapes[0].each, shapes[0].true * 3.0)
    unknown = Read("q", "real", shapes[0].each, np.where(np.arange(8) == 7, np.nan, shapes[0].true))
    np.testing.assert_allclose(fitted_correction([*shapes, missed, unknown]), true, atol=0.02 * (1 + np.abs(true).max()))


def test_errors_are_counted_as_asked() -> None:
    card = {"correction": np.zeros((8, 8)).tolist(), "limits": NO_LIMITS, "intervals": {id: {"factor": 1.0} for id in MEASURES}}
    value = np.array([6.0, 4.0, 5.0, 0.2, 0.1, 1.2, 100.0, 80.0])
    right = Read("a", "real", np.stack([value, value]), value)
    off = Read(
        "b", "real", np.stack([value, value]), value * np.array([1.25, 1, 1, 1, 1, 1, 1, 1]) + np.array([0] * 6 + [9.0, 0])
    )
    without = Read("b", "real", np.stack([value, value]), np.where(np.arange(8) == 7, np.nan, value))
    found = judged([right, off, without], card)
    assert (found["shapes"], found["patients"], found["declined"], found["outside"]) == (3, 2, 0, 1)
    assert found["measures"]["maximum_diameter"]["p90"] == pytest.approx(0.8 * 0.2)  # a fifth of the true one, in one of three
    assert found["measures"]["maximum_diameter"]["inside"] == pytest.approx(2 / 3)
    assert found["measures"]["inflow_angle"]["p90"] == pytest.approx(0.8 * 9.0)
    assert found["measures"]["outflow_angle"]["shapes"] == 2
    strict = judged([right, off], {**card, "limits": {"low": (value - 0.1).tolist(), "high": (value + 0.1).tolist()}})
    assert strict["declined"] == 0
    assert judged([right], {**card, "limits": {**NO_LIMITS, "high": (value - 0.1).tolist()}})["declined"] == 1


def test_shapes_are_prepared_once_and_a_variant_keeps_its_neck(tmp_path: Path) -> None:
    shapes, folder, target = tmp_path / "shapes", tmp_path / "db", tmp_path / "made"
    shapes.mkdir()
    made = ideal_vessel("sidewall", np.random.default_rng(4))
    np.savez(shapes / "one.npz", points=made.points, triangles=made.triangles)
    (shapes / "cohort.csv").write_text("name,patient,surface\n" + "".join(f"{name},{name},one.npz\n" for name in "abc"))
    plan_database(shapes, folder, DesignSettings(cases=3, pulsatile=0, ideal=0))
    first = next(case for case in read_database(folder).cases if case.split == "train")
    wide = {**NEUTRAL, "sac_scale": 1.3}
    variant = type(first)("a-01", first.base, first.patient, "train", "variant", "steady", wide)
    crossed = type(first)("a-02", first.base, first.patient, "train", "variant", "steady", {**NEUTRAL, "sac_scale": 30.0})
    write_table(folder / "plan.csv", (first, variant, crossed))
    records = prepare_shapes(folder, target)
    assert [bool(entry["reason"]) for entry in records] == [False, False, True]
    times = {file: file.stat().st_mtime_ns for file in (target / PREPARED).iterdir()}
    assert prepare_shapes(folder, target) == records
    assert times == {file: file.stat().st_mtime_ns for file in (target / PREPARED).iterdir()}
    base, grown = (np.load(target / PREPARED / f"{case.id}.npz") for case in (first, variant))
    assert base["points"].shape == (CLOUDS, POINTS, 3)
    assert 0.1 < base["sac"].mean() < 0.9
    measures = dict(zip(MEASURES, zip(base["measures"], grown["measures"], strict=True), strict=True))
    assert measures["height"][1] == pytest.approx(1.3 * measures["height"][0], rel=0.02)
    assert measures["inflow_angle"][1] == pytest.approx(measures["inflow_angle"][0], abs=1.0)
    necks = (each["places"][0][0] * each["scale_mm"][0] + each["points"][0].mean(axis=0) for each in (base, grown))
    assert all(np.isfinite(neck).all() for neck in necks)
    with pytest.raises(InputError, match="None of the shapes of the split validation"):
        plan_training(target, records)
    others = [{**records[0], "split": split} for split in ("validation", "test")]
    assert plan_training(target, [*records, *others]) == {"train": 2, "validation": 1, "test": 1}
    plan = read_plan(target)
    assert plan.train == [first.id, "a-01"] and plan.weights == pytest.approx([2**-0.5] * 2)
    assert plan.card["shapes"] == 2 and plan.card["patients"] == 1
