"""Learned regions: found where the network says, beside the defined ones, turning with the wall, naming what they rest on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from aneuflow.errors import InputError
from aneuflow.numerics.agreement import dice
from aneuflow.quantities import quantity
from aneuflow.risk.learned_regions import (
    RegionsModel,
    chosen_regions_model,
    learned_kind,
    learned_marks,
    load_regions_model,
    shipped_regions_model,
    with_regions_model,
)
from aneuflow.risk.regions import Wall, find_regions, region_totals
from aneuflow.risk.settings import GradeSettings
from aneuflow.risk.wall_features import FEATURES
from aneuflow.surrogate.network import shipped_networks
from aneuflow.types import RegionsOrigin, Surface
from tests.risk.made_walls import sphere_wall

SETTINGS = GradeSettings(samples=8)
ORIGIN = RegionsOrigin("definitions", ("low_shear", "impingement"), 1, 1, "0" * 64, "1" * 64)


@pytest.fixture(scope="module")
def wall() -> Wall:
    return sphere_wall(struck=True)


def _by_the_definitions(given: dict[str, np.ndarray]) -> np.ndarray:
    """As likely as the definitions hold: a network that has learned them whole."""
    low, struck = (given["features"][:, FEATURES.index(name)] for name in ("low", "struck"))
    return np.stack([np.full(len(low), 0.5), low, struck], axis=1)


def test_what_has_learned_the_definitions_marks_what_they_do(wall: Wall) -> None:
    marks = learned_marks(wall, SETTINGS, RegionsModel(ORIGIN, _by_the_definitions))
    assert tuple(marks) == ("learned_low_shear_region", "learned_impingement_region")
    found = find_regions(wall, SETTINGS, marks)
    kinds = [region.kind for region in found.regions]
    assert kinds == ["impingement_region", "low_shear_region", "learned_low_shear_region", "learned_impingement_region"]
    assert [region.is_learned for region in found.regions] == [False, False, True, True]
    for name in ORIGIN.classes:
        assert dice(found.flags[f"{name}_region"], found.flags[learned_kind(name)], wall.areas) > 0.85
    low, learned = (
        next(r for r in found.regions if r.kind == kind) for kind in ("low_shear_region", "learned_low_shear_region")
    )
    assert learned.stability == low.stability == 1.0 and learned.place == low.place
    assert quantity(learned.kind).unit == "mm2" and not found.flags["learned_low_shear_region"][~wall.sac].any()


def test_learned_regions_are_no_evidence(wall: Wall) -> None:
    alone = find_regions(wall, SETTINGS)
    beside = find_regions(wall, SETTINGS, learned_marks(wall, SETTINGS, RegionsModel(ORIGIN, _by_the_definitions)))
    assert region_totals(wall, beside) == region_totals(wall, alone)
    assert beside.regions[: len(alone.regions)] == alone.regions


def test_the_network_that_ships_turns_with_the_wall_and_repeats_itself(wall: Wall) -> None:
    model = shipped_regions_model()
    assert model.origin.labels == "definitions" and model.origin.classes == ("low_shear", "impingement")
    turn = Rotation.from_rotvec([0.4, 2.0, -0.9]).as_matrix()
    turned = replace(wall, surface=Surface(wall.surface.points @ turn.T, wall.surface.triangles))
    here, again, there = (learned_marks(each, SETTINGS, model) for each in (wall, wall, turned))
    for kind, marks in here.items():
        np.testing.assert_array_equal(marks.here, again[kind].here)
        assert all((a == b).all() for a, b in zip(marks.sampled, again[kind].sampled, strict=True))
        assert (marks.here != there[kind].here).mean() < 0.005


def test_the_network_that_ships_knows_low_shear_from_quiet_flow(wall: Wall) -> None:
    model = shipped_regions_model()
    here = learned_marks(wall, SETTINGS, model)["learned_low_shear_region"].here
    assert dice(here, wall.sac & (wall.tawss < 0.4), wall.areas) > 0.75
    quiet = learned_marks(sphere_wall(struck=False), SETTINGS, model)
    assert not any(marks.here.any() for marks in quiet.values())


def test_a_file_that_is_no_such_network_is_refused_by_name(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.onnx"
    with pytest.raises(InputError, match=r"nothing\.onnx: No such file"):
        load_regions_model(nothing)
    nothing.write_bytes(b"no network")
    with pytest.raises(InputError, match="no ONNX file that can be run"):
        load_regions_model(nothing)
    with pytest.raises(InputError, match="is no regions model of aneuflow"):
        load_regions_model(shipped_networks() / "coarse-0.onnx")


def test_a_network_named_once_is_that_one_or_none(tmp_path: Path) -> None:
    from importlib import resources

    file = tmp_path / "own.onnx"
    file.write_bytes((resources.files("aneuflow") / "data" / "risk" / "regions.onnx").read_bytes())
    settings = with_regions_model(GradeSettings(regions_model=str(file)))
    assert settings.regions_model_sha256 == shipped_regions_model().origin.sha256
    assert chosen_regions_model(settings).origin == shipped_regions_model().origin
    with pytest.raises(InputError, match=r"own\.onnx has changed"):
        chosen_regions_model(settings.model_copy(update={"regions_model_sha256": "0" * 64}))
    assert with_regions_model(GradeSettings(regions_model="", regions_model_sha256="0" * 64)).regions_model_sha256 == ""
