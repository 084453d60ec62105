"""The references are read as their authors meant them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from aneuflow.numerics.distance import distance_to_surface
from aneuflow.numerics.surface import signed_volume
from aneuflow.types import WALL_PATCH
from aneuflow.verification import aneumo, nozzle
from aneuflow.verification.cases import all_cases
from aneuflow.verification.openfoam import VESSELS, WallReference, conditions, read_vessel
from tests.conftest import SHARED_DATA, shared_data


@pytest.mark.parametrize("vessel", VESSELS)
def test_openfoam_means_and_areas_are_those_of_its_table(vessel: str) -> None:
    folder = shared_data(f"openfoam/{vessel}")
    setup = json.loads((folder / "case.json").read_text("utf-8"))
    level = min(setup["levels"], key=lambda grid: grid["cell_size_mm"])
    wall = WallReference.read(folder / level["file"])
    size = np.linalg.norm(wall.fields["wss"], axis=1)
    assert np.average(size[wall.sac], weights=wall.areas[wall.sac]) == pytest.approx(
        level["wss"]["sac"]["mean_wss_Pa"], rel=1e-3
    )
    model = read_vessel(folder)
    surface = model.lumen.surface
    assert signed_volume(surface.points, surface.triangles) == pytest.approx(setup["surface_volume_mm3"], rel=1e-4)
    for cap, patch in zip(model.caps, setup["patches"][1:], strict=True):
        assert cap.area_mm2 == pytest.approx(patch["area_mm2"], rel=1e-3)
        np.testing.assert_allclose(cap.normal, patch["outward_normal"], atol=1e-3)
    inlet = conditions(setup, model).inlets[0]
    assert inlet.mean_flow_ml_s == pytest.approx(setup["mean_inlet_velocity_m_s"] * model.caps[0].area_mm2, rel=1e-3)


def test_openfoam_cycle_is_that_of_its_table() -> None:
    wall = WallReference.read(shared_data("openfoam/AN202/wall_pulsatile_h200.vtp"))
    areas = wall.areas[wall.sac]
    assert np.average(wall.fields["tawss"][wall.sac], weights=areas) == pytest.approx(3.0796, rel=1e-3)
    assert np.average(wall.fields["osi"][wall.sac], weights=areas) == pytest.approx(0.0321, abs=1e-4)


def test_aneumo_enters_uniformly_and_lies_in_the_mask() -> None:
    data = shared_data("aneumo").parent
    cloud = aneumo.read_cloud(data)
    place, normal = cloud.inlet
    at_inlet = (np.abs((cloud.points - place) @ normal) < 1e-3) & (cloud.depth_mm > 0.0)
    at_inlet &= np.linalg.norm(cloud.points - place, axis=1) < 2.0
    entering = -cloud.velocity[at_inlet] @ normal
    moving = entering[entering > 0.02]
    assert len(moving) > 500
    np.testing.assert_allclose(np.quantile(moving, [0.1, 0.5, 0.9]), 0.3057, atol=5e-4)
    model = aneumo.model_of(data, cloud)
    assert [cap.role for cap in model.caps] == ["inlet", "outlet"]
    for cap, (place, normal) in zip(model.caps, (cloud.inlet, cloud.outlet), strict=True):
        np.testing.assert_allclose(cap.normal, normal, atol=1e-6)
        assert (place - cap.center_mm) @ normal == pytest.approx(0.15, abs=1e-3)
        assert np.linalg.norm(cap.center_mm - place) < 0.2
    surface, wall = model.lumen.surface, model.lumen.surface.triangles[model.lumen.patch == WALL_PATCH]
    on_wall = cloud.points[(cloud.depth_mm == 0.0) & (np.linalg.norm(cloud.velocity, axis=1) == 0.0)]
    away = [np.abs((on_wall - place) @ normal) > 1.0 for place, normal in (cloud.inlet, cloud.outlet)]
    assert distance_to_surface(surface.points, wall, on_wall[np.logical_and(*away)]).mean() < 0.02


def test_nozzle_has_the_size_of_the_experiment() -> None:
    setup = json.loads(shared_data(nozzle.SETUP).read_text("utf-8"))
    surface = nozzle.nozzle_model(setup).lumen.surface
    cone = np.pi * 22.685 / 3.0 * (36.0 + 12.0 + 4.0)
    exact = np.pi * 36.0 * (92.0 - 62.685) + cone + np.pi * 4.0 * 40.0 + np.pi * 36.0 * 92.0
    assert signed_volume(surface.points, surface.triangles) == pytest.approx(exact, rel=2e-3)


def test_nozzle_profiles_carry_the_nominal_flow() -> None:
    """Within the laboratories' own scatter of some tenths."""
    stations, _ = nozzle.read_stations(shared_data(nozzle.PROFILES), 6.0)
    assert len(stations) == 12
    for station in stations[:2]:
        mean = np.nanmean(station.velocity, axis=0)
        flow = np.trapezoid(np.pi * np.abs(station.x_mm) * np.nan_to_num(mean), station.x_mm)
        assert flow == pytest.approx(5.206, rel=0.1)


def test_spread_of_the_laboratories() -> None:
    labs = np.array([[1.0, 0.5, np.nan], [1.2, 0.5, 0.1], [1.1, 0.5, 0.1]])
    np.testing.assert_allclose(nozzle.beyond_spread(np.array([1.15, 0.9, 0.1]), labs)[:2], [0.0, (0.9 - 0.61) / 1.1])
    assert np.isnan(nozzle.beyond_spread(np.array([1.15, 0.9, 0.1]), labs)[2])


def test_every_trial_has_its_own_name_and_finds_its_data() -> None:
    shared_data("openfoam")
    trials = [trial for case in all_cases() for trial in case.trials]
    by_name = {trial.name: trial for trial in trials}
    assert all(by_name[trial.name].settings == trial.settings for trial in trials)
    assert all((SHARED_DATA / path).exists() for trial in trials for path in trial.data)
    assert all(set(case.quick) <= {trial.name for trial in case.trials} for case in all_cases())
    assert len({case.name for case in all_cases()}) == len(all_cases())
