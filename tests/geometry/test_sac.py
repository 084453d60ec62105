"""Sacs found where they are, none where there is none, and how well real ones agree with an expert's labels."""

import json
from functools import cache

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aneuflow.errors import InputError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.sac import SacResult, find_aneurysm
from aneuflow.geometry.settings import ModelSettings
from aneuflow.numerics import surface as sf
from aneuflow.types import REGION_SAC, Surface
from tests.conftest import shared_data
from tests.sac_shapes import bend, beside_plate, fork, line_distance, lumen, straight

# The Dice overlap with the expert's labels is to stay above these: what was reached, less 0.03.
FAST = {"AN2": 0.93, "AN42-1": 0.94, "AN136": 0.94, "AN157": 0.88, "AN168-1": 0.92, "AN202": 0.93}


def sac_of(result: SacResult) -> np.ndarray:
    surface = result.lumen.surface
    return surface.triangles[(result.lumen.region[surface.triangles] == REGION_SAC).all(axis=1)]


@pytest.mark.parametrize(
    "vessel",
    [
        lambda: straight(),
        lambda: straight(radius=1.8, outlet_radius=1.1),
        lambda: straight(narrowing=0.5),
        lambda: straight(squeeze=1.5),
        lambda: bend(),
        lambda: bend(bend_radius=2.5),
        lambda: fork(),
        lambda: fork(half_angle_deg=80),
        lambda: fork(radii=(1.5, 1.2, 0.6)),
        lambda: beside_plate(),
    ],
    ids=["tube", "taper", "stenosis", "oval", "bend", "tight bend", "fork", "wide fork", "uneven fork", "sinus beside"],
)
def test_vessel_without_sac_has_no_aneurysm(vessel) -> None:
    assert find_aneurysm(*vessel()).aneurysm is None


@cache
def sidewall() -> SacResult:
    return find_aneurysm(*straight(sac=(3.5, 2.5)))


def test_sphere_on_the_side_of_a_tube_is_a_sidewall_aneurysm() -> None:
    aneurysm = sidewall().aneurysm
    assert aneurysm is not None
    assert aneurysm.kind == "sidewall"
    assert len(aneurysm.daughter_lines) == 1
    assert aneurysm.ostium.normal == pytest.approx([0, 1, 0], abs=0.05)
    assert aneurysm.ostium.confidence > 0.9


def test_sac_is_the_sphere_up_to_its_crease_with_the_tube() -> None:
    result = sidewall()
    surface = result.lumen.surface
    places = surface.points
    on_sphere = np.abs(np.linalg.norm(places - [0, 3.5, 0], axis=1) - 2.5) < 0.05
    outside_tube = np.hypot(places[:, 0], places[:, 1]) > 1.6
    truth, found = on_sphere & outside_tube, result.lumen.region == REGION_SAC
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.95


def test_neck_runs_along_edges_and_the_lumen_stays_closed() -> None:
    result = sidewall()
    assert sf.is_closed(result.lumen.surface.triangles)
    rim = sf.boundary_loops(sac_of(result))
    assert len(rim) == 1
    assert result.aneurysm is not None
    distance = cKDTree(result.aneurysm.ostium.neck_line_mm).query(result.lumen.surface.points[rim[0]])[0]
    assert distance == pytest.approx(0.0, abs=1e-9)


def test_parent_and_daughter_lines_follow_the_tube_and_end_at_the_neck() -> None:
    aneurysm = sidewall().aneurysm
    assert aneurysm is not None
    parent, daughter = aneurysm.parent_line, aneurysm.daughter_lines[0]
    for line in (parent, daughter):
        assert np.hypot(line.points_mm[:, 0], line.points_mm[:, 1]).max() < 0.15
        assert line.radius_mm == pytest.approx(1.5, rel=0.03)
    assert parent.points_mm[0, 2] < -7 and daughter.points_mm[-1, 2] > 7
    neck = aneurysm.ostium.neck_line_mm[:, 2]
    assert parent.points_mm[-1, 2] == pytest.approx(neck.min(), abs=0.4)
    assert daughter.points_mm[0, 2] == pytest.approx(neck.max(), abs=0.4)


def test_sphere_over_a_fork_is_a_bifurcation_aneurysm_with_the_wider_branch_first() -> None:
    aneurysm = find_aneurysm(*fork(sac=(3.5, 2.5))).aneurysm
    assert aneurysm is not None
    assert aneurysm.kind == "bifurcation"
    assert [line.end_cap for line in aneurysm.daughter_lines] == [2, 3]
    assert aneurysm.ostium.normal == pytest.approx([0, 0, 1], abs=0.1)


def test_small_sac_is_found() -> None:
    assert find_aneurysm(*straight(sac=(2.0, 1.2))).aneurysm is not None


def test_artery_with_a_closed_end_on_the_sac_is_no_part_of_it() -> None:
    axis, twig = np.array([[0.0, 0, -10], [0, 0, 10]]), np.array([[0.0, 3.5, 0], [9, 4.5, 0]])

    def distance(places: np.ndarray) -> np.ndarray:
        sac = np.linalg.norm(places - [0, 3.5, 0], axis=1) - 2.5
        tubes = [line_distance(places, line, np.full(2, radius)) for line, radius in ((axis, 1.5), (twig, 0.6))]
        return np.min([sac, *tubes], axis=0)

    ends = [((0, 0, -8), (0, 0, -1), 1.5, "inlet"), ((0, 0, 8), (0, 0, 1), 1.5, "outlet")]
    result = find_aneurysm(*lumen(distance, [-4, -4, -9], [11, 7, 9], ends))
    points = result.lumen.surface.points
    # The foot of the branch, half a millimeter of it, may count for the sac.
    assert not (result.lumen.region[points[:, 0] > 3.5] == REGION_SAC).any()
    assert (result.lumen.region[points[:, 1] > 5.5] == REGION_SAC).all()
    assert "sac_several_openings" in [note.code for note in result.notes]


def test_plane_decides_where_it_is_given() -> None:
    lumen, caps = straight(sac=(3.5, 2.5))
    result = find_aneurysm(lumen, caps, plane=(np.array([0.0, 2.0, 0.0]), np.array([0.0, 1.0, 0.0])))
    assert result.aneurysm is not None
    ostium = result.aneurysm.ostium
    assert ostium.origin == "plane"
    assert ostium.neck_line_mm[:, 1] == pytest.approx(2.0, abs=0.05)
    assert np.hypot(ostium.neck_line_mm[:, 0], ostium.neck_line_mm[:, 2]) == pytest.approx(2.0, abs=0.1)


def test_plane_that_cuts_no_sac_off_is_refused() -> None:
    lumen, caps = straight(sac=(3.5, 2.5))
    with pytest.raises(InputError, match="cuts no sac off"):
        find_aneurysm(lumen, caps, plane=(np.array([0.0, 20.0, 0.0]), np.array([0.0, 1.0, 0.0])))
    with pytest.raises(InputError, match="no direction"):
        find_aneurysm(lumen, caps, plane=(np.zeros(3), np.zeros(3)))


def test_label_decides_where_it_is_given() -> None:
    lumen, caps = straight(sac=(3.5, 2.5))
    hint = (lumen.surface.points[:, 1] > 3.0).astype(np.uint8)
    result = find_aneurysm(lumen, caps, hint=hint)
    assert result.aneurysm is not None
    assert result.aneurysm.ostium.origin == "label"
    assert result.aneurysm.ostium.center_mm[1] == pytest.approx(3.0, abs=0.15)


def agreement(name: str) -> float:
    """Dice overlap, over an expert-labeled segment's own points, of the sac found and the labels aneurysm and neck."""
    with np.load(shared_data(f"intra/annotated/{name}.npz")) as segment:
        points, triangles, labels = segment["points"].astype(float), segment["triangles"], segment["labels"]
    model = build_model(Surface(points, triangles.astype(np.int32)), ModelSettings())
    if model.aneurysm is None:
        return 0.0
    found = model.lumen.region[cKDTree(model.lumen.surface.points).query(points)[1]] == REGION_SAC
    return float(2 * (found & (labels > 0)).sum() / (found.sum() + (labels > 0).sum()))


@pytest.mark.parametrize(("name", "least"), FAST.items(), ids=FAST)
def test_real_sac_agrees_with_the_expert(name: str, least: float) -> None:
    assert agreement(name) > least


def lumen_volume(path: str) -> tuple[float, float | None]:
    """Volume of a stored surface's lumen and that of the sac found on it, mm3; None where none was found."""
    with np.load(shared_data(path)) as stored:
        surface = Surface(stored["points"].astype(float), stored["triangles"].astype(np.int32))
    model = build_model(surface, ModelSettings(inlet_extension_diameters=0, outlet_extension_diameters=0))
    points, triangles = model.lumen.surface.points, model.lumen.surface.triangles
    if model.aneurysm is None:
        return sf.signed_volume(points, triangles), None
    sac = triangles[(model.lumen.region[triangles] == REGION_SAC).all(axis=1)]
    count = len(points)
    ring = sf.boundary_loops(sac)[0]
    fan = np.stack([np.roll(ring, -1), ring, np.full(len(ring), count)], axis=1)
    closed = np.concatenate([points, points[ring].mean(axis=0)[None]])
    return sf.signed_volume(points, triangles), sf.signed_volume(closed, np.concatenate([sac, fan]))


@pytest.mark.parametrize(
    ("without", "with_sac", "tolerance"),
    [
        ("caput/experimentNo3_bifurcation_1_01_fluid.npz", "caput/experimentNo3_bifurcation_1_09_fluid.npz", 0.05),
        ("caput/experimentNo3_sidewall_1_1_fluid.npz", "caput/experimentNo3_sidewall_1_9_fluid.npz", 0.06),
        pytest.param(
            "surfaces/vmtk4aneurysms_idealised_healthy.npz",
            "surfaces/vmtk4aneurysms_idealised_model.npz",
            0.05,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["bifurcation phantom", "sidewall phantom", "ideal bifurcation"],
)
def test_sac_is_what_the_same_vessel_has_more_than_without_it(without: str, with_sac: str, tolerance: float) -> None:
    healthy, none = lumen_volume(without)
    diseased, sac = lumen_volume(with_sac)
    assert none is None
    assert sac == pytest.approx(diseased - healthy, rel=tolerance)


@pytest.mark.slow
def test_all_real_sacs_agree_with_the_expert_by_patient() -> None:
    """Median over patients, so that one with several segments counts once; misses are sacs not touched at all.

    Where the network decides it has seen these segments; docs/shape.md says what it reaches on patients left out.
    """
    index = [entry for entry in json.loads(shared_data("intra/annotated_index.json").read_text()) if entry["true_scale"]]
    by_patient: dict[str, list[float]] = {}
    for entry in index:
        by_patient.setdefault(entry["artery_id"], []).append(agreement(entry["name"]))
    patients = np.array([np.mean(values) for values in by_patient.values()])
    every = np.concatenate(list(by_patient.values()))
    assert np.median(patients) >= 0.92
    assert patients.mean() >= 0.86
    # What is asked of the method on single segments; none found counts as no overlap.
    assert np.median(every) >= 0.945
    assert every.mean() >= 0.90
    assert np.percentile(every, 10) >= 0.80
    assert (every > 0.1).mean() >= 0.95
