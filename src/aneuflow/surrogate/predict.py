"""The flow in a sac from the surrogate: in seconds, with intervals, and declined where the networks have not been trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.errors import InputError, MethodError
from aneuflow.numerics.lattice.voxels import voxelize
from aneuflow.numerics.surface import vertex_areas, vertex_normals
from aneuflow.surrogate.calibrate import half_width, outside
from aneuflow.surrogate.cycle import CYCLE, LOW_SHEAR_PA, tawss_over_cycle
from aneuflow.surrogate.network import CARD, Answer, Ensemble, ask
from aneuflow.surrogate.points import NUMBERS, SHAPE, Arrays, Facts, prepare, spread
from aneuflow.surrogate.sample import Place, Scales, sampled
from aneuflow.types import (
    REGION_SAC,
    WALL_PATCH,
    BoundaryConditions,
    FloatArray,
    FlowSolution,
    LumenModel,
    Measure,
    Morphology,
    Note,
    Prediction,
    Surface,
    VolumeField,
)

_NODE_SPACING_MM = 0.3
_LEAST_SHEAR_PA = 1e-3
_LEAST_AREA = 2.0  # % of the sac: about what they are off by in the median (docs/surrogate.md)
_SEED = 7
# Of the arrays sampled, those that the networks are not given.
_KEPT_BACK = (
    "wall_shear", "wall_pressure", "wall_tawss", "wall_osi", "wall_peak_shear", "lumen_velocity", "lumen_pressure",
    "coarse_wall_tawss", "coarse_wall_osi",
)  # fmt: skip
# Beside the distance in D: so that a point takes nothing from the far side of a thin wall, nor across the neck.
_NORMAL_WEIGHT, _REGION_WEIGHT = 0.5, 0.5
_LOGARITHMS = {"log_reynolds": "Reynolds number", "log_length_mm": "Parent diameter in mm"}
_NAMES = {
    "size_ratio": "Size ratio",
    "aspect_ratio": "Aspect ratio",
    "bottleneck_factor": "Bottleneck factor",
    "nonsphericity_index": "Non-sphericity",
    "aneurysm_angle": "Aneurysm angle in degrees",
    "outlets": "Number of outlets",
    "largest_share": "Share of the largest outlet",
}


# What a number cannot be over.
_MOST = {"sac_osi_mean": 0.5}


def predict(
    ensemble: Ensemble,
    model: LumenModel,
    boundary: BoundaryConditions,
    morphology: Morphology,
    coarse: FlowSolution | None = None,
) -> Prediction:
    """Wall shear, pressure and the numbers that have been calibrated; coarse: the flow on the coarse lattice of the card, over
    the cardiac cycle where `predicts_cycle`, steady otherwise.

    Raises InputError where the networks have no card, MethodError where the case lies outside of what they were trained on.
    """
    card = ensemble.card
    if not card:
        raise InputError(f"The networks have no {CARD}: their training was not finished; run `aneuflow train surrogate` again.")
    flow = still(model) if coarse is None else coarse
    scales, given, case = prepared(model, boundary, morphology, flow, coarse is not None)
    _refuse_outside(card["limits"], case)
    answer = ask(ensemble, case, coarse is not None)
    networks, cycle = "free" if coarse is None else "coarse", coarse is not None and predicts_cycle(card, boundary)
    factors = card["intervals"][CYCLE if cycle else networks]
    fields = _fields(answer, case, given, flow, scales, Place.of(model), coarse is not None)
    if cycle:
        fields |= _over_cycle(fields["TAWSS"], flow, factors)
    tawss, uncertain = fields["TAWSS"], fields.pop("spread")
    measures = _measures(answer, tawss, uncertain, flow, factors, scales, boundary)
    if "point" in factors:
        half = half_width(tawss, uncertain, factors["point"]["factor"], _sac_mean(tawss, flow))
        fields |= {"TAWSS_low": np.maximum(tawss - half, 0.0), "TAWSS_high": tawss + half}
        measures += _low_shear(fields, flow, {} if coarse is None else _parent_limit(tawss, flow, Place.of(model), scales))
    return Prediction(
        flow.wall,
        flow.region,
        {name: values.astype(np.float32) for name, values in fields.items()},
        measures,
        {
            "networks": ensemble.digest,
            **({"training_sha256": card["training_sha256"]} if "training_sha256" in card else {}),
            "members": len(ensemble.members[networks]),
            "coarse_flow": coarse is not None,
            "cycle": cycle,
        },
        _notes(card, factors, boundary, cycle),
    )


def predicts_cycle(card: Mapping[str, Any], boundary: BoundaryConditions) -> bool:
    """Whether a coarse flow over the cardiac cycle is asked for: there is a cycle, and the card has intervals for it."""
    return boundary.waveform is not None and bool(card.get("intervals", {}).get(CYCLE))


def prepared(
    model: LumenModel, boundary: BoundaryConditions, morphology: Morphology, flow: FlowSolution, known: bool
) -> tuple[Scales, Arrays, Arrays]:
    """The units of a case, the arrays sampled on its wall, and what the networks are given; known: `flow` is a coarse flow, and
    not one of nothing known (`still`). Raises MethodError where there is no aneurysm, or blood that is not Newtonian.
    """
    shape = {measure.id: measure.value for measure in morphology.measures}
    _refuse_other_kinds(model, boundary, shape)
    scales = Scales.of(shape["parent_diameter"], boundary)
    arrays = sampled(model, Place.of(model), scales, flow, flow, np.random.default_rng(_SEED))
    given = {name: values for name, values in arrays.items() if name not in _KEPT_BACK}
    if not known:
        given = {name: values for name, values in given.items() if not name.startswith("coarse_")}
    facts = facts_of(model, boundary, shape, scales, flow if known else None)
    return scales, given, prepare(facts, given, np.random.default_rng(_SEED))


def _refuse_other_kinds(model: LumenModel, boundary: BoundaryConditions, measures: Mapping[str, float]) -> None:
    if model.aneurysm is None or "parent_diameter" not in measures:
        raise MethodError("The surrogate knows vessels with an aneurysm, and this model has none; simulate its flow instead.")
    if boundary.blood.model != "newtonian":
        raise MethodError(
            f"The surrogate knows Newtonian blood, not {boundary.blood.model}; simulate the flow, or set "
            "--viscosity newtonian:PA_S."
        )


def _refuse_outside(limits: Mapping[str, Any], case: Arrays) -> None:
    found = outside(limits, case["scalars"].astype(np.float64))
    if found is None:
        return
    name, value, low, high = found
    if name == "distance":
        raise MethodError(
            f"The surrogate declines: this combination of shape and flow lies {value:.1f} standard deviations from what it was "
            f"trained on, beyond {high:.1f}; simulate the flow instead."
        )
    if name in _LOGARITHMS:
        value, low, high = np.exp([value, low, high])
    raise MethodError(
        f"The surrogate declines: {(_LOGARITHMS | _NAMES)[name]} {value:.4g} is outside of {low:.3g} to {high:.3g}, which it "
        "was trained on; simulate the flow instead."
    )


def facts_of(
    model: LumenModel,
    boundary: BoundaryConditions,
    measures: Mapping[str, float],
    scales: Scales,
    coarse: FlowSolution | None,
) -> Facts:
    """What the networks are told of the whole vessel; the outlets' shares are those of `coarse` where pressures set them."""
    radii = {cap.id: cap.radius_mm for cap in model.caps}
    outlet_radii = np.array([radii[outlet.cap_id] for outlet in boundary.outlets])
    shares = np.array([np.nan if outlet.flow_share is None else outlet.flow_share for outlet in boundary.outlets])
    if not np.isfinite(shares).all():  # pressures set the split: as the radii would, until a coarse flow says better
        shares = outlet_radii**3 / (outlet_radii**3).sum()
        if coarse is not None:
            flows = [coarse.history[f"outflow_{outlet.cap_id}"] for outlet in boundary.outlets]
            # Over a cycle the mean, as in the database; a steady flow comes to its end at the last.
            out = np.array([each.mean() if "OSI" in coarse.wall_fields else each[-1] for each in flows])
            shares = out / out.sum()
    known = {} if coarse is None else {m.id: m.value for m in coarse.measures}
    units = {"pressure_loss": scales.pressure, "inflow_fraction": 1.0}
    assert model.aneurysm is not None
    normal = model.aneurysm.ostium.normal
    return Facts(
        up=normal / np.linalg.norm(normal),
        length_mm=scales.length_mm,
        reynolds=scales.reynolds,
        outlet_radii=outlet_radii / scales.length_mm,
        outlet_shares=shares,
        measures={id: measures[id] for id in SHAPE if id in measures},
        coarse={id: known[id] / units[id] for id in NUMBERS if id in known},
        coarse_spacing=np.nan if coarse is None else float(coarse.numerics["resolution_mm"]) / scales.length_mm,
    )


def still(model: LumenModel) -> FlowSolution:
    """A flow of nothing known, on the lumen's wall: no shear, no pressure, and 1 m/s on lattice nodes to say where lumen is."""
    lumen = model.lumen
    triangles = lumen.surface.triangles[lumen.patch == WALL_PATCH]
    used, renumbered = np.unique(triangles, return_inverse=True)
    wall = Surface(lumen.surface.points[used], renumbered.reshape(-1, 3).astype(np.int32))
    voxels = voxelize(lumen.surface.points, lumen.surface.triangles, _NODE_SPACING_MM)
    velocity = np.tile(np.array([1.0, 0.0, 0.0], dtype=np.float32), (voxels.count, 1))
    # One cell, the first with a neighbor along x: all that is read of the cells is how far its corners are apart.
    every = np.arange(voxels.count, dtype=np.int32)
    following = voxels.streaming.neighbors(every, np.ones_like(every))
    start = int(np.flatnonzero(following >= 0)[0])
    pair = np.array([start, following[start]], dtype=np.int32)
    volume = VolumeField(voxels.points, velocity, np.zeros(voxels.count, np.float32), np.tile(pair, (1, 4)))
    nothing = np.zeros(len(used), dtype=np.float32)
    shear = np.zeros((len(used), 3), dtype=np.float32)
    fields = {"TAWSS": nothing, "OSI": nothing, "WSS_mean": shear, "WSS_peak": shear, "pressure": nothing}
    return FlowSolution(wall, lumen.region[used], fields, volume, (), {}, {"resolution_mm": _NODE_SPACING_MM})


def _fields(
    answer: Answer,
    case: Arrays,
    given: Mapping[str, npt.NDArray[Any]],
    flow: FlowSolution,
    scales: Scales,
    place: Place,
    corrects: bool,
) -> dict[str, FloatArray]:
    """The answer on the wall's points in SI: what the networks change of a coarse flow is interpolated, not the flow itself."""
    wall, frame = flow.wall, case["frame"].astype(np.float64)
    normals = vertex_normals(wall.points, wall.triangles)

    def where(points: FloatArray, normal: FloatArray, region: npt.NDArray[Any]) -> FloatArray:
        return np.column_stack([points, _NORMAL_WEIGHT * normal, _REGION_WEIGHT * (region == REGION_SAC)])

    sources = where(*(given[name].astype(np.float64) for name in ("wall_point", "wall_normal", "wall_region")))
    index, weight = spread(sources, where((wall.points - place.origin_mm) / scales.length_mm, normals, flow.region))

    def at(values: npt.NDArray[Any]) -> FloatArray:
        return np.asarray(np.einsum("nk,nk...->n...", weight, values[index]))

    shear, pressure = answer.mean["shear"], answer.mean["pressure"]
    if corrects:
        shear, pressure = shear - case["coarse_shear_base"], pressure - case["coarse_pressure_base"]
    vectors = at(shear) @ frame * scales.shear + flow.wall_fields["WSS_mean"]
    vectors -= np.einsum("nd,nd->n", vectors, normals)[:, None] * normals
    return {
        "WSS_mean": vectors,
        "TAWSS": np.linalg.norm(vectors, axis=1),
        "pressure": at(pressure) * scales.pressure + flow.wall_fields["pressure"],
        "spread": at(answer.spread["size"]) * scales.shear,
    }


def _over_cycle(mean: FloatArray, coarse: FlowSolution, factors: Mapping[str, Any]) -> dict[str, FloatArray]:
    """Fields of the cycle; mean (n,): length of its corrected mean shear, Pa. OSI is the coarse flow's, with its interval, so
    residence time changes as the inverse of TAWSS.
    """
    osi = coarse.wall_fields["OSI"].astype(np.float64)
    coarse_mean = np.linalg.norm(coarse.wall_fields["WSS_mean"].astype(np.float64), axis=1)
    tawss = tawss_over_cycle(mean, coarse_mean, coarse.wall_fields["TAWSS"].astype(np.float64))
    half = half_width(osi, 0.0, factors["osi_point"]["factor"], _sac_mean(osi, coarse))
    residence = coarse.wall_fields["RRT"] * coarse.wall_fields["TAWSS"] / np.maximum(tawss, _LEAST_SHEAR_PA)
    limits = {"OSI_low": np.maximum(osi - half, 0.0), "OSI_high": np.minimum(osi + half, 0.5)}
    return {"TAWSS": tawss, "OSI": osi, "RRT": residence, **limits}


def _sac_mean(values: FloatArray, flow: FlowSolution) -> float:
    areas = vertex_areas(flow.wall.points, flow.wall.triangles) * (flow.region == REGION_SAC)
    return float(np.average(values, weights=areas))


def _measures(
    answer: Answer,
    tawss: FloatArray,
    uncertain: FloatArray,
    flow: FlowSolution,
    factors: Mapping[str, Any],
    scales: Scales,
    boundary: BoundaryConditions,
) -> tuple[Measure, ...]:
    """The numbers that have an interval; a number whose interval was never calibrated is not given."""
    mean_flow = sum(inlet.mean_flow_ml_s for inlet in boundary.inlets)
    mean, wide = (_sac_mean(values, flow) for values in (tawss, uncertain))
    found = {"sac_mean": {"sac_tawss_mean": (mean, wide, 1.0)}}
    if "osi_mean" in factors:
        found["osi_mean"] = {"sac_osi_mean": (_sac_mean(flow.wall_fields["OSI"].astype(np.float64), flow), 0.0, 1.0)}
    units = {"pressure_loss": scales.pressure, "inflow_fraction": 1.0}
    for place, id in enumerate(NUMBERS):
        value, spread_of = float(answer.mean["numbers"][place]), float(answer.spread["numbers"][place])
        found[id] = {id: (value, spread_of, units[id])}
        if id == "inflow_fraction":
            found[id]["inflow_rate"] = (value, spread_of, 0.01 * mean_flow)
    made = []
    for name, entries in found.items():
        for id, (value, spread_of, unit) in entries.items() if name in factors else ():
            half = float(half_width(value, spread_of, factors[name]["factor"]))
            high = min(value + half, _MOST.get(id, np.inf))
            made.append(Measure(id, float(value * unit), float(max(value - half, 0.0) * unit), float(high * unit)))
    return tuple(made)


def _parent_limit(tawss: FloatArray, coarse: FlowSolution, place: Place, scales: Scales) -> dict[str, float]:
    """The limit under which the sac's shear is low against the parent artery's, Pa, by the quantity that it is for.

    The coarse flow's own, times what the networks change its mean by within one diameter of the neck.
    """
    known = {measure.id: measure.value for measure in coarse.measures}
    if not {"parent_tawss_mean", "parent_tawss_sd"} <= known.keys():
        return {}
    along = place.along_mm[cKDTree(place.points_mm).query(coarse.wall.points)[1]]
    near = (np.abs(along) <= scales.length_mm) & (coarse.region != REGION_SAC)
    areas = vertex_areas(coarse.wall.points, coarse.wall.triangles) * near
    changed = float((areas * tawss).sum() / max(float((areas * coarse.wall_fields["TAWSS"]).sum()), 1e-12))
    return {"low_shear_area": changed * (known["parent_tawss_mean"] - known["parent_tawss_sd"])}


def _low_shear(fields: Mapping[str, FloatArray], flow: FlowSolution, limits: Mapping[str, float]) -> tuple[Measure, ...]:
    """Parts of the sac under 0.4 Pa and under further limits, %; from the bounds of its points, so wider than 90 % asks for."""
    areas = vertex_areas(flow.wall.points, flow.wall.triangles) * (flow.region == REGION_SAC)

    def part(name: str, limit: float) -> float:
        return 100.0 * float(areas[fields[name] < limit].sum() / areas.sum())

    def measure(id: str, limit: float) -> Measure:
        value = part("TAWSS", limit)
        low, high = min(part("TAWSS_high", limit), value - _LEAST_AREA), max(part("TAWSS_low", limit), value + _LEAST_AREA)
        return Measure(id, value, max(low, 0.0), min(high, 100.0))

    return tuple(measure(id, limit) for id, limit in {**limits, "low_shear_area_absolute": LOW_SHEAR_PA}.items())


def _notes(card: Mapping[str, Any], factors: Mapping[str, Any], boundary: BoundaryConditions, cycle: bool) -> tuple[Note, ...]:
    notes = [Note("surrogate_trained", {"cases": card["cases"]["train"], "patients": card["patients"]["train"]}, "information")]
    if cycle:
        notes.append(Note("surrogate_cycle", {}, "assumption"))
    elif boundary.waveform is not None:
        notes.append(Note("surrogate_steady", {}, "assumption"))
    warranted = min((entry["level"] for entry in factors.values()), default=0.0)
    if warranted < 0.9:
        patients = min((entry["patients"] for entry in factors.values()), default=0)
        notes.append(Note("surrogate_few_patients", {"patients": patients, "level_percent": 100.0 * warranted}))
    return tuple(notes)
