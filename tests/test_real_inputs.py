"""The chain, unattended, on the real inputs that are at hand; slow, so CI runs a part at a time."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case import store
from aneuflow.case.files import write_polydata
from aneuflow.pipeline.batch import read_list, run_batch
from aneuflow.pipeline.run import assess
from aneuflow.types import REGION_SAC, no_progress
from tests.conftest import shared_data

pytestmark = pytest.mark.slow

STEADY = {"simulate": {"steady": True, "resolution_mm": 0.2}}
GROUPS = 36  # two segments each: CI runs them one at a time, none longer than some minutes
DOMAINS = 10


def batch(surfaces: list[Path], folder: Path) -> list[dict[str, str]]:
    """The rows of the batch table, after surfaces stored as arrays have been written as VTP."""
    for source in surfaces:
        arrays = np.load(source)
        write_polydata(folder / f"{source.stem}.vtp", arrays["points"], triangles=arrays["triangles"])
    (folder / "list.txt").write_text("".join(f"{source.stem}.vtp\n" for source in surfaces))
    ended = run_batch(read_list(folder / "list.txt"), folder / "cases", STEADY, no_progress)
    return list(csv.DictReader(ended.table.read_text("utf-8").splitlines()))


def assert_sound(case: Path) -> None:
    """Mass is kept, what was asked for was reached, and the report is there."""
    flow = store.read_flow(case / "flow")
    assert flow.numerics["mass_imbalance_percent"] < 0.5
    assert flow.numerics["converged"], case.name
    artery = flow.region != REGION_SAC  # a giant sac has next to no shear: AN11's is three quarters of its wall
    assert 0.2 < np.median(flow.wall_fields["TAWSS"][artery]) < 20.0
    assert (case / "report/report.html").stat().st_size > 100_000


@pytest.mark.parametrize("group", range(GROUPS))
def test_intra_segments(group: int, tmp_path: Path) -> None:
    index = json.loads(shared_data("intra/annotated_index.json").read_text())
    names = [entry["name"] for entry in index if entry["true_scale"]]
    stored = [path for name in names if (path := shared_data("intra/annotated") / f"{name}.npz").exists()]
    rows = batch(stored[group::GROUPS], tmp_path)
    failed = [(row["case"], row["reason"]) for row in rows if row["state"] != "done"]
    assert len(failed) <= 0.1 * len(rows) + 0.5, failed
    for row in rows:
        if row["state"] == "done":
            assert_sound(tmp_path / "cases" / row["case"])


@pytest.mark.parametrize("number", range(DOMAINS))
def test_caput_fluid_domains(number: int, tmp_path: Path) -> None:
    """Closed, caps in, normals inward."""
    available = sorted(shared_data("caput").glob("*_fluid.npz"))
    chosen = available[:: max(1, len(available) // DOMAINS)][number]
    (row,) = batch([chosen], tmp_path)
    assert (row["state"], row["reason"]) == ("done", "")
    assert_sound(tmp_path / "cases" / row["case"])


@pytest.mark.parametrize(
    "relative",
    ["surfaces/aneurisk_C0015_artery.vtp", "imaging/topcow/dummy_mra.mha", "imaging/topcow/dummy_cta.mha"],
)
def test_single_inputs(relative: str, tmp_path: Path) -> None:
    assess(shared_data(relative), tmp_path / "case", STEADY)
    assert_sound(tmp_path / "case")


def test_a_healthy_circle_of_willis(tmp_path: Path) -> None:
    assess(shared_data("imaging/niivue/chris_MRA.nii.gz"), tmp_path / "case", STEADY)
    model = store.read_model(tmp_path / "case/model")
    assert model.aneurysm is None
    assert sum(cap.role == "inlet" for cap in model.caps) == 3
    assert_sound(tmp_path / "case")
