"""The plan of a database: the same from the same seed, parted by patient, balanced from its beginning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.surrogate.cohort import Source, read_sources, split_by_patient
from aneuflow.surrogate.compact import CHANNELS
from aneuflow.surrogate.design import AXES, NEUTRAL, DesignSettings, PlannedCase, planned, read_table, write_table
from aneuflow.surrogate.gates import GATES

SOURCES = [Source(f"S{k}", f"P{k // 2 if k < 8 else k}", Path(f"S{k}.stl")) for k in range(40)]
SETTINGS = DesignSettings(cases=200, pulsatile=10, seed=5)


@pytest.fixture(scope="module")
def cases() -> tuple[PlannedCase, ...]:
    return planned(SOURCES, split_by_patient((s.patient for s in SOURCES), SETTINGS.seed), SETTINGS)


def test_the_same_seed_gives_the_same_plan(cases: tuple[PlannedCase, ...]) -> None:
    again = planned(SOURCES, split_by_patient((s.patient for s in reversed(SOURCES)), SETTINGS.seed), SETTINGS)
    assert again == cases
    other = DesignSettings(cases=200, pulsatile=10, seed=6)
    assert planned(SOURCES, split_by_patient((s.patient for s in SOURCES), 6), other) != cases


def test_no_patient_is_in_two_splits(cases: tuple[PlannedCase, ...]) -> None:
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.patient, set()).add(case.split)
    assert all(len(found) == 1 for found in splits.values())
    count = [sum(found == {name} for found in splits.values()) for name in ("train", "validation", "test")]
    assert count == [26, 5, 5]


def test_real_shapes_come_first_as_they_are(cases: tuple[PlannedCase, ...]) -> None:
    first = cases[: len(SOURCES)]
    assert {case.base for case in first} == {source.name for source in SOURCES}
    assert all(case.shape == "real" and case.values == NEUTRAL for case in first)
    assert all(case.shape != "real" for case in cases[len(SOURCES) : 200])
    assert len({case.id for case in cases}) == len(cases) == 210


def test_every_part_from_the_start_holds_all_splits(cases: tuple[PlannedCase, ...]) -> None:
    whole = np.mean([case.split == "test" for case in cases[:40]])
    for count in (15, 40, 60, 90, 150):
        assert np.mean([case.split == "test" for case in cases[:count]]) == pytest.approx(whole, abs=0.07)


def test_the_design_fills_its_ranges(cases: tuple[PlannedCase, ...]) -> None:
    variants = [case for case in cases if case.shape != "real" and case.kind == "steady"]
    for axis in AXES:
        values = np.array([case.values[axis.name] for case in variants])
        assert values.min() >= axis.low - 1e-4 and values.max() <= axis.high + 1e-4
        middle = axis.value(0.5)
        assert np.mean(values < middle) == pytest.approx(0.5, abs=0.03), axis.name
    lost = sum(case.shape == "without-sac" for case in variants)
    assert lost == pytest.approx(len(variants) / 6, abs=8)


def test_ideal_shapes_follow_the_real_ones() -> None:
    sources = [*SOURCES, Source("ideal-fork-001", "ideal-fork-001", Path("f.npz"), ideal=True)]
    split = {**split_by_patient((s.patient for s in SOURCES), 5), "ideal-fork-001": "train"}
    cases = planned(sources, split, SETTINGS)
    assert [case.shape for case in cases[: len(sources)]] == ["real"] * len(SOURCES) + ["ideal"]
    assert cases[2 * len(sources) - 1].base == "ideal-fork-001" and cases[2 * len(sources) - 1].shape != "ideal"


def test_pulsatile_cases_repeat_steady_ones(cases: tuple[PlannedCase, ...]) -> None:
    steady = {case.id: case for case in cases if case.kind == "steady"}
    pulses = [case for case in cases if case.kind == "pulsatile"]
    assert len(pulses) == 10
    assert all(steady[case.id.removesuffix("-pulse")].values == case.values for case in pulses)


def test_pulsatile_cases_have_a_sac_and_begin_with_those_that_nothing_is_trained_on() -> None:
    settings = DesignSettings(cases=200, pulsatile=120, seed=5)
    cases = planned(SOURCES, split_by_patient((s.patient for s in SOURCES), settings.seed), settings)
    pulses = [case for case in cases if case.kind == "pulsatile"]
    assert len(pulses) == sum(case.shape != "without-sac" for case in cases[:120]) < 120
    order = ["test", "validation", "train"]
    for part, rest in (("real", pulses[:40]), ("variant", pulses[40:])):
        assert {case.shape for case in rest} == {part}
        assert [case.split for case in rest] == sorted((case.split for case in rest), key=order.index)


def test_the_table_is_read_as_it_was_written(cases: tuple[PlannedCase, ...], tmp_path: Path) -> None:
    write_table(tmp_path / "plan.csv", cases)
    assert read_table(tmp_path / "plan.csv") == cases
    (tmp_path / "plan.csv").write_text("id,base\nA,B\n")
    with pytest.raises(InputError, match="no plan of this version"):
        read_table(tmp_path / "plan.csv")


def test_shapes_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.stl").touch()
    (tmp_path / "cohort.csv").write_text("name,patient,surface\nA,P1,a.stl\n")
    assert read_sources(tmp_path) == (Source("A", "P1", tmp_path / "a.stl"),)
    (tmp_path / "cohort.csv").write_text("name,patient,surface\nA,P1,a.stl\nA,P2,a.stl\n")
    with pytest.raises(InputError, match="the shape A twice"):
        read_sources(tmp_path)
    (tmp_path / "cohort.csv").write_text("name,patient,surface\nA,P1,b.stl\n")
    with pytest.raises(InputError, match=r"b\.stl is missing"):
        read_sources(tmp_path)
    (tmp_path / "cohort.csv").write_text("name,patient,surface\n../A,P1,a.stl\n")
    with pytest.raises(InputError, match="letters, digits"):
        read_sources(tmp_path)


def test_segments_of_intra_that_are_of_true_scale(tmp_path: Path) -> None:
    entries = [{"name": "AN1", "artery_id": "B1", "true_scale": True}, {"name": "AN6", "artery_id": "B6", "true_scale": False}]
    (tmp_path / "annotated_index.json").write_text(json.dumps(entries))
    (tmp_path / "annotated").mkdir()
    (tmp_path / "annotated" / "AN1.npz").touch()
    assert [source.name for source in read_sources(tmp_path)] == ["AN1"]


def test_too_few_patients_are_refused() -> None:
    with pytest.raises(InputError, match="2 patients"):
        split_by_patient(["A", "B", "B"], 1)


def test_the_page_says_what_the_design_and_the_files_hold() -> None:
    page = (Path(__file__).parents[2] / "docs" / "database.md").read_text("utf-8")
    for axis in AXES:
        assert f"| `{axis.name}` | {axis.low:g} | {axis.high:g} | {axis.meaning} |" in page
    for name, channel in CHANNELS.items():
        assert (
            f"| `{name}`{'*' if channel.pulsatile else ''} | {channel.width or 1} | {channel.meaning} | {channel.unit} |"
            in page
        )
    assert all(f"- {name}: {meaning}" in page for name, meaning in GATES.items())
