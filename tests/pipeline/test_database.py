"""A database is planned, run, stopped, gone on with, checked and packed; what no stage takes is refused with its reason."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from aneuflow.case.files import read_json, write_json
from aneuflow.errors import InputError
from aneuflow.pipeline.database import (
    array_path,
    pack_database,
    plan_database,
    read_plan,
    record_path,
    records,
    run_database,
)
from aneuflow.surrogate.card import OWN_TERMS, card, check, check_text
from aneuflow.surrogate.compact import read_compact
from aneuflow.surrogate.design import NEUTRAL, DesignSettings, write_table
from tests.conftest import shared_data

SETTINGS = DesignSettings(cases=4, pulsatile=0, ideal=0)


@pytest.fixture
def balls(tmp_path: Path) -> Path:
    """Shapes of three patients that no stage can take: spheres have no ends."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    for k in range(3):
        trimesh.creation.icosphere(subdivisions=2, radius=3 + k).export(folder / f"{k}.stl")
    (folder / "cohort.csv").write_text("name,patient,surface\n" + "".join(f"S{k},P{k},{k}.stl\n" for k in range(3)))
    return folder


def test_a_run_goes_on_where_it_stopped(balls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    plan = plan_database(balls, folder, SETTINGS)
    assert plan_database(balls, folder, SETTINGS) == plan
    assert run_database(folder, limit=2) == 2
    assert [record_path(folder, case.id).exists() for case in plan.cases] == [True, True, False, False]
    (folder / "cases" / f".{plan.cases[2].id}.npz").write_bytes(b"half a file of a killed run")
    before = record_path(folder, plan.cases[0].id).stat().st_mtime_ns
    assert run_database(folder) == 2
    assert run_database(folder) == 0
    assert record_path(folder, plan.cases[0].id).stat().st_mtime_ns == before
    assert sorted(path.name for path in (folder / "cases").iterdir()) == sorted(f"{case.id}.json" for case in plan.cases)
    found = check(plan.cases, records(folder, plan))
    assert (found.ended, sum(found.refused.values())) == (4, 4)
    assert {stage for stage, _ in found.refused} == {"model", "deform"}
    assert "model: The surface has # openings" in check_text(found)
    with pytest.raises(InputError, match="No case has entered"):
        pack_database(folder, tmp_path / "packed")


def test_a_case_of_another_version_is_named_when_packed(balls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    case = plan_database(balls, folder, SETTINGS).cases[0]
    row = {"id": case.id, "split": case.split, "kind": case.kind}
    write_json(record_path(folder, case.id), {"state": "entered", "stage": "", "reason": "", "cpu_s": 1.0, "row": row})
    np.savez(folder / "cases" / f"{case.id}.npz", wall_point=np.zeros((4, 3), np.float16))
    with pytest.raises(InputError, match=rf"{case.id} was solved by another version; delete .*{case.id}\.json"):
        pack_database(folder, tmp_path / "packed")


def test_a_case_that_was_put_off_comes_last(balls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    first, second, *rest = plan_database(balls, folder, SETTINGS).cases
    later = folder / "cases" / f"{first.id}.later"
    later.touch()
    assert run_database(folder, limit=1) == 1
    assert record_path(folder, second.id).exists() and not record_path(folder, first.id).exists()
    assert run_database(folder) == 1 + len(rest)
    assert record_path(folder, first.id).exists() and not later.exists()


def test_one_kind_of_cases_is_solved_alone(balls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    plan = plan_database(balls, folder, DesignSettings(cases=4, pulsatile=3, ideal=0))
    pulses = [case.id for case in plan.cases if case.kind == "pulsatile"]
    assert run_database(folder, kind="pulsatile") == len(pulses) > 0
    assert {case.id for case in plan.cases if record_path(folder, case.id).exists()} == set(pulses)


def test_a_folder_holds_one_plan_and_one_run(balls: Path, tmp_path: Path) -> None:
    folder = tmp_path / "db"
    plan_database(balls, folder, SETTINGS)
    with pytest.raises(InputError, match="another plan"):
        plan_database(balls, folder, DesignSettings(cases=5, pulsatile=0, ideal=0))
    with (folder / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="Another run is at work"):
            run_database(folder)
    with pytest.raises(InputError, match="holds no plan"):
        read_plan(tmp_path / "nothing")


@pytest.mark.slow
def test_a_real_shape_its_variant_and_its_artery_enter(tmp_path: Path) -> None:
    shapes = tmp_path / "shapes"
    shapes.mkdir()
    lines = [f"{name},{name},{shared_data(f'intra/annotated/{name}.npz')}\n" for name in ("AN202", "AN1", "AN2")]
    (shapes / "cohort.csv").write_text("name,patient,surface\n" + "".join(lines))
    folder = tmp_path / "db"
    plan_database(shapes, folder, DesignSettings(cases=3, pulsatile=0, ideal=0, resolution_mm=0.3))
    real = next(case for case in read_plan(folder).cases if case.base == "AN202")
    values = {**NEUTRAL, "sac_scale": 0.9, "tilt_along": 0.2, "caliber": 1.05, "flow_factor": 1.2}
    chosen = (real, replace(real, id="V", shape="variant", values=values), replace(real, id="A", shape="without-sac"))
    write_table(folder / "plan.csv", chosen)
    plan = read_plan(folder)
    assert run_database(folder, limit=1, patience_s=0.01) == 0
    assert (folder / "cases" / f"{chosen[0].id}.later").exists()
    assert run_database(folder) == 3
    ended = {case.id: read_json(record_path(folder, case.id)) for case in chosen}
    assert {record["state"] for record in ended.values()} == {"entered"}, ended
    sizes = pack_database(folder, tmp_path / "packed")
    assert sum(sizes.values()) < 1_000_000
    rows, arrays = read_compact(tmp_path / "packed", chosen[0].split)
    assert [row["id"] for row in rows] == [case.id for case in chosen]
    for k, row in enumerate(rows):
        fast = np.linalg.norm(arrays["lumen_velocity"][k].astype(float), axis=1).max()
        assert 0.5 < fast < 8.0
        sac = arrays["wall_region"][k] == 1
        if row["shape"] == "without-sac":
            assert not sac.any()
            continue
        shear = np.linalg.norm(arrays["wall_shear"][k].astype(float), axis=1)[sac]
        mean = np.average(shear, weights=arrays["wall_area"][k].astype(float)[sac]) * float(row["shear"])
        assert mean == pytest.approx(float(row["fine_sac_tawss_mean"]), rel=0.1)
        assert float(row["coarse_sac_tawss_mean"]) == pytest.approx(float(row["fine_sac_tawss_mean"]), rel=0.6)
    with np.load(array_path(folder, chosen[0].id)) as file:
        assert np.array_equal(file["wall_point"], arrays["wall_point"][0])
    text = card(
        plan.settings, OWN_TERMS, check(plan.cases, records(folder, plan)), [record["row"] for record in ended.values()]
    )
    assert "one who planned" in text and "| reynolds |" in text
