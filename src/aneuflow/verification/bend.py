"""Developed flow in a curved tube against correlations for its friction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from aneuflow.flow.settings import FlowSettings
from aneuflow.flow.solve import simulate
from aneuflow.verification.exact import flow_ml_s, poiseuille_shear_pa
from aneuflow.verification.shapes import bend_model
from aneuflow.verification.trial import Case, Found, Gate, Means, Row, Trial
from aneuflow.verification.tubes import PLASMA, RADIUS_MM, settings_reached, tube_conditions

BEND_RADIUS_MM, ANGLE, STRAIGHT_MM = 16.0, 1.3 * np.pi, 4.0
DEVELOPED = (0.8 * np.pi, 1.2 * np.pi)
FLOWS = (100.0, 200.0)
CELLS_ACROSS = 16


def friction_white(dean: float) -> float:
    """Friction of a curved over that of a straight tube, Dean number Re sqrt(r / R) of 11.6 to 2000: White 1929."""
    return float(1.0 / (1.0 - (1.0 - (11.6 / dean) ** 0.45) ** 2.2))


def friction_manlapaz(dean: float, ratio: float) -> float:
    """The same by Manlapaz and Churchill 1980; ratio: of the tube's radius to the bend's."""
    exponent = 2.0 if dean < 20.0 else (1.0 if dean < 40.0 else 0.0)
    low = (1.0 - 0.18 / np.sqrt(1.0 + (35.0 / dean) ** 2)) ** exponent
    return float(np.sqrt(low + (1.0 + ratio / 3.0) ** 2 * dean / 88.33))


def curved_flow(means: Means, reynolds: float, cells_across: int) -> Found:
    """Pressure gradient along the axis in the developed part over that of a straight tube, and the correlations' value."""
    flow = flow_ml_s(reynolds, RADIUS_MM, PLASMA)
    model = bend_model(RADIUS_MM, BEND_RADIUS_MM, ANGLE, STRAIGHT_MM)
    settings = FlowSettings(
        resolution_mm=2.0 * RADIUS_MM / cells_across, steady=True, threads=means.threads, convergence_percent=0.2
    )
    solution = simulate(model, tube_conditions(flow, PLASMA), settings, means.progress, means.checkpoint)
    points = solution.volume.points_mm
    angle = np.mod(np.arctan2(points[:, 1], points[:, 0]), 2.0 * np.pi)
    moving = np.abs(solution.volume.velocity).sum(axis=1) > 0.0
    inside = moving & (angle > DEVELOPED[0]) & (angle < DEVELOPED[1])
    gradient = -np.polyfit(angle[inside], solution.volume.pressure[inside].astype(np.float64), 1)[0] / BEND_RADIUS_MM
    straight = 2.0 * poiseuille_shear_pa(flow, RADIUS_MM, PLASMA.parameters["viscosity"]) / RADIUS_MM
    ratio = RADIUS_MM / BEND_RADIUS_MM
    dean = reynolds * np.sqrt(ratio)
    measured, white, manlapaz = gradient / straight, friction_white(dean), friction_manlapaz(dean, ratio)
    numbers = {
        "dean": float(dean),
        "friction_ratio": float(measured),
        "white": white,
        "manlapaz": manlapaz,
        "over_white_percent": float(100.0 * (measured / white - 1.0)),
        "over_manlapaz_percent": float(100.0 * (measured / manlapaz - 1.0)),
    }
    return Found(numbers | settings_reached(solution))


def _judge(found: Mapping[str, Found]) -> tuple[Row, ...]:
    if not found:
        return (Row("friction over White's", "%", Gate(), None),)
    rows = []
    for one in found.values():
        at, numbers = f"Dean number {one.numbers['dean']:.1f}", one.numbers
        rows += [
            Row(f"{at}: friction over White's ({numbers['white']:.3f})", "%", Gate(), numbers["over_white_percent"]),
            Row(f"{at}: over Manlapaz' ({numbers['manlapaz']:.3f})", "%", Gate(), numbers["over_manlapaz_percent"]),
        ]
    return tuple(rows)


def cases() -> tuple[Case, ...]:
    trials = tuple(
        Trial(
            f"bend-re{reynolds:g}",
            {"reynolds": reynolds, "cells_across": CELLS_ACROSS, "bend_radius_mm": BEND_RADIUS_MM, "angle": ANGLE},
            partial(curved_flow, reynolds=reynolds, cells_across=CELLS_ACROSS),
        )
        for reynolds in FLOWS
    )
    title = f"Curved tube (Dean flow), radius of the bend {BEND_RADIUS_MM / RADIUS_MM:g} times the tube's, {CELLS_ACROSS} cells"
    return (
        Case("bend", title, trials, _judge, note="The correlations differ by 1 to 2 % from each other and from experiments."),
    )
