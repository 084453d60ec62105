"""How much blood flows in: as given, or from the artery's size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aneuflow.errors import InputError
from aneuflow.types import Blood, Note

# Cycle-mean wall shear that arteries keep by adapting their caliber (Kamiya and Togawa 1980; 1.5 Pa: Malek 1999).
WALL_SHEAR_PA = 1.5
FLOW_RANGE_ML_S = (0.2, 15.0)

_FLOW_UNITS = {"ml/s": 1.0, "ml/min": 1.0 / 60.0, "l/min": 1000.0 / 60.0, "m3/s": 1e6}


def parse_flow(value: Any) -> float | None:
    """Flow in mL/s from a number in mL/s or a text with its unit ('2.1 mL/s', '126 mL/min', '0.126 L/min', '2.1e-6 m3/s').

    Raises InputError where number or unit is not understood.
    """
    if value is None or isinstance(value, int | float):
        return value
    text = str(value).strip()
    number, _, unit = text.partition(" ")
    try:
        return float(number) * _FLOW_UNITS[unit.strip().lower() or "ml/s"]
    except (ValueError, KeyError):
        raise InputError(
            f"Flow '{text}' is not understood; write a number and a unit, such as '2.1 mL/s' or '126 mL/min'."
        ) from None


def poiseuille_flow_ml_s(radius_mm: float, wall_shear_pa: float, viscosity: float) -> float:
    """Flow in mL/s whose Poiseuille wall shear in a round tube is `wall_shear_pa`: Q = pi r^3 tau / (4 mu), mu in Pa s."""
    return math.pi * (1e-3 * radius_mm) ** 3 * wall_shear_pa / (4.0 * viscosity) * 1e6


def inlet_flows(
    radii_mm: Mapping[int, float], total_ml_s: float | None, exponent: float, blood: Blood
) -> tuple[dict[int, float], Note]:
    """Cycle-mean flow in mL/s by inlet cap id, and the note that says where it comes from.

    radii_mm: that of the artery behind each inlet, by cap id.
    total_ml_s given: split by radius to the power `exponent`. None: each inlet by 1.5 Pa wall shear in its own radius.
    Raises InputError where there is no inlet, or where the rule gives more than 15 mL/s in one inlet or less than
    0.2 mL/s in all: then the size is not that of a cerebral artery, or not in mm.
    """
    if not radii_mm:
        raise InputError("The model has no inlet, so no flow can be set; name one of its caps with --inlet.")
    radii = np.array(list(radii_mm.values()))
    ids = list(radii_mm)
    low, high = FLOW_RANGE_ML_S
    if total_ml_s is not None:
        weights = radii**exponent / np.sum(radii**exponent)
        note = Note("inflow_given", {"flow_ml_s": total_ml_s, "inlets": len(ids)}, "information")
        if not low <= total_ml_s <= high:
            note = Note("inflow_unusual", {"flow_ml_s": total_ml_s, "low_ml_s": low, "high_ml_s": high}, "warning")
        return dict(zip(ids, (total_ml_s * weights).tolist(), strict=True)), note
    flows = [poiseuille_flow_ml_s(radius, WALL_SHEAR_PA, blood.parameters["viscosity"]) for radius in radii.tolist()]
    largest = int(np.argmax(flows))
    if flows[largest] > high or sum(flows) < low:
        raise InputError(
            f"Inlet {ids[largest]} has radius {radii[largest]:.2f} mm, which gives an inflow of {flows[largest]:.2g} mL/s, "
            f"outside {low:g} to {high:g} mL/s; check the units of the surface, or give the flow with --flow."
        )
    values = {"flow_ml_s": sum(flows), "radius_mm": float(radii[largest]), "wall_shear_pa": WALL_SHEAR_PA, "inlets": len(ids)}
    return dict(zip(ids, flows, strict=True)), Note("inflow_from_radius", values, "assumption")
