"""The analysis of real vessels' flow on a flow that is a formula, whose indices follow from many points."""

from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pyvista

from aneuflow.errors import InputError, MethodError
from aneuflow.pipeline import uncertainty
from aneuflow.pipeline.uncertainty import PAGE, RESULTS, RUNS, run_uncertainty
from aneuflow.surrogate.ideal import ideal_vessel
from aneuflow.surrogate.uncertainty import UNCERTAIN, WALL, UncertaintySettings, values_at
from aneuflow.types import Measure

SETTINGS = UncertaintySettings(shapes=1, points=32, steady=True)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """A fork and a sidewall vessel, which has one outlet."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    with (folder / "cohort.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("name", "patient", "surface"))
        for number, kind in enumerate(("fork", "sidewall")):
            made = ideal_vessel(kind, np.random.default_rng(number + 3))
            pyvista.PolyData.from_regular_faces(made.points, made.triangles).save(folder / f"{kind}.vtp")
            table.writerow((kind, f"p{number}", f"{kind}.vtp"))
    return folder


def shear(flow: Any, viscosity: Any, radius: Any) -> Any:
    """Poiseuille's, Pa."""
    return 4.0 * viscosity * flow / (np.pi * radius**3) * 1e3


def as_formula(vessel: Any, boundary: Any, settings: Any) -> Any:
    radius = next(cap.radius_mm for cap in vessel.caps if cap.role == "inlet")
    flow, viscosity = boundary.inlets[0].mean_flow_ml_s, boundary.blood.parameters["viscosity"]
    return SimpleNamespace(measures=(Measure("sac_tawss_mean", float(shear(flow, viscosity, radius))), Measure("other", 1.0)))


def many(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """First-order and total indices of the formula by Saltelli's estimators from 2^15 points of each kind."""
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 2**15, len(UNCERTAIN)))

    def at(points: np.ndarray) -> np.ndarray:
        given = np.array([list(values_at(point).values()) for point in points])
        return np.asarray(shear(given[:, 0], 1e-3 * given[:, 1], radius + given[:, 3]))

    of_a, of_b = at(a), at(b)
    variance, first, total = np.var(of_a), [], []
    for k in range(len(UNCERTAIN)):
        mixed = a.copy()
        mixed[:, k] = b[:, k]
        of_mixed = at(mixed)
        first.append(np.mean(of_b * (of_mixed - of_a)) / variance)
        total.append(0.5 * np.mean((of_a - of_mixed) ** 2) / variance)
    return np.array(first), np.array(total)


def test_indices_of_a_formula_and_going_on_after_a_kill(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]

    def killed(vessel: Any, boundary: Any, settings: Any) -> Any:
        calls[0] += 1
        if calls[0] == 6:
            raise KeyboardInterrupt
        return as_formula(vessel, boundary, settings)

    monkeypatch.setattr(uncertainty, "simulate", killed)
    with pytest.raises(KeyboardInterrupt):
        run_uncertainty(cohort, tmp_path / "out", SETTINGS)
    results = run_uncertainty(cohort, tmp_path / "out", SETTINGS)
    assert calls[0] == 33  # 32 and the one that was killed
    assert list(results["shapes"]) == ["fork"]
    found = results["shapes"]["fork"]["sac_tawss_mean"]
    assert set(results["shapes"]["fork"]) == {"sac_tawss_mean"} and found["explained"] > 0.98
    model = uncertainty.build_model(uncertainty.read_shape(uncertainty.read_sources(cohort)[0]), uncertainty.ModelSettings())
    first, total = many(next(cap.radius_mm for cap in model.caps if cap.role == "inlet"))
    np.testing.assert_allclose(list(found["first"].values()), first, atol=0.03)
    np.testing.assert_allclose(list(found["total"].values()), total, atol=0.03)
    assert WALL in (tmp_path / "out" / PAGE).read_text() and (tmp_path / "out" / RESULTS).is_file()


def test_a_shape_that_takes_long_is_left_for_a_run_with_more_patience(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(10.0 * k for k in range(1000))
    monkeypatch.setattr(uncertainty, "time", SimpleNamespace(process_time=lambda: next(ticks)))
    monkeypatch.setattr(uncertainty, "simulate", as_formula)
    results = run_uncertainty(cohort, tmp_path / "out", SETTINGS, patience_s=5.0)
    assert results["shapes"] == {} and "more than 5 s" in results["left_out"]["fork"]
    assert list(run_uncertainty(cohort, tmp_path / "out", SETTINGS)["shapes"]) == ["fork"]


def test_what_cannot_be_asked_of_a_shape_leaves_it_out(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*given: Any) -> Any:
        raise MethodError("The flow stays unstable.")

    monkeypatch.setattr(uncertainty, "simulate", refused)
    results = run_uncertainty(cohort, tmp_path / "out", SETTINGS)
    assert results["shapes"] == {}
    assert results["left_out"]["fork"] == "The flow stays unstable." and "single outlet" in results["left_out"]["sidewall"]
    assert len(list((tmp_path / "out" / RUNS).glob("*.json"))) == 2
    with pytest.raises(InputError, match="other settings"):
        run_uncertainty(cohort, tmp_path / "out", SETTINGS.model_copy(update={"points": 64}))
