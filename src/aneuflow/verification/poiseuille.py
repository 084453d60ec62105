"""Poiseuille flow in tubes that lie any way in the lattice, at Reynolds numbers of cerebral arteries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from aneuflow.types import FloatArray
from aneuflow.verification.exact import flow_ml_s, poiseuille_shear_pa, poiseuille_velocity
from aneuflow.verification.trial import Case, Found, Gate, Means, Plot, Row, Trial
from aneuflow.verification.tubes import PLASMA, RADIUS_MM, outlet_offset, pressure_gradient, solve_tube, tube_errors

DIRECTIONS = ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 2, 3), (2, 1, 5), (3, 1, 0))
DIAMETERS = 4.0
CELLS_ACROSS = 20
GRIDS = (12, 16, 24)
ORDER_MACH = 0.1  # on the coarsest
SLOW, FAST = 100.0, 500.0
FORGETFUL = 30.0  # the flow has forgotten the inlet within half the tube: what is left is walls, collision and the reading
_PART = (0.6, 0.85)  # of the length


def developed_flow(means: Means, direction: tuple[int, int, int], cells_across: int, reynolds: float, max_mach: float) -> Found:
    """The errors of one tube; the pressure's too, with what the outlet leaves of its zero, over rho U^2."""
    axis: FloatArray = np.array(direction, dtype=np.float64)
    flow, length = flow_ml_s(reynolds, RADIUS_MM, PLASMA), 2.0 * RADIUS_MM * DIAMETERS
    viscosity = PLASMA.parameters["viscosity"]
    solution = solve_tube(means, axis, DIAMETERS, cells_across, flow, PLASMA, max_mach=max_mach)
    part = (_PART[0] * length, _PART[1] * length)
    shear = poiseuille_shear_pa(flow, RADIUS_MM, viscosity)
    numbers = tube_errors(solution, axis, part, partial(poiseuille_velocity, flow, RADIUS_MM), shear)
    exact_gradient = 2.0 * shear / RADIUS_MM
    dynamic = PLASMA.density * (flow / (np.pi * RADIUS_MM**2)) ** 2
    numbers["pressure_gradient_percent"] = 100.0 * (pressure_gradient(solution, axis, part) / exact_gradient - 1.0)
    numbers["outlet_offset_percent"] = 100.0 * outlet_offset(solution, axis, length) / dynamic
    return Found(numbers)


def _name(prefix: str, direction: tuple[int, int, int], cells_across: int, reynolds: float) -> str:
    return f"{prefix}-{''.join(map(str, direction))}-re{reynolds:g}-{cells_across}"


def _trial(prefix: str, direction: tuple[int, int, int], cells_across: int, reynolds: float, max_mach: float = 0.0) -> Trial:
    settings = {"cells_across": cells_across, "reynolds": reynolds, "max_mach": max_mach}
    run = partial(developed_flow, direction=direction, **settings)  # type: ignore[arg-type]
    return Trial(_name(prefix, direction, cells_across, reynolds), {"direction": list(direction), **settings}, run)


def _worst(found: Mapping[str, Found], key: str) -> float | None:
    """Of all directions the value farthest from zero."""
    values = [one.numbers[key] for one in found.values()]
    return max(values, key=abs) if values else None


def _rows(found: Mapping[str, Found], velocity: Gate, mean: Gate, scatter: Gate) -> tuple[Row, ...]:
    of = f"worst of {len(found)} direction{'s' if len(found) > 1 else ''}"
    return (
        Row(f"velocity L2, {of}", "%", velocity, _worst(found, "velocity_l2_percent")),
        Row(f"mean wall shear, {of}", "%", mean, _worst(found, "shear_percent")),
        Row(f"scatter of wall shear, {of}", "%", scatter, _worst(found, "shear_scatter_percent")),
        Row(f"pressure gradient, {of}", "%", Gate(), _worst(found, "pressure_gradient_percent")),
        Row(f"pressure left at the outlet over rho U2, {of}", "%", Gate(), _worst(found, "outlet_offset_percent")),
    )


def _judge_slow(found: Mapping[str, Found]) -> tuple[Row, ...]:
    return _rows(found, Gate(1.0, 0.5), Gate(1.5, 0.75), Gate(2.0, 1.0))


def _judge_fast(found: Mapping[str, Found]) -> tuple[Row, ...]:
    tau = max((one.numbers["relaxation_time"] for one in found.values()), default=None)
    rows = _rows(found, Gate(2.0, 1.0), Gate(2.0, 1.0), Gate(5.0, 2.0))
    return (*rows, Row("largest relaxation time", "1", Gate(0.507), tau))


def observed_order(cells_across: list[float], errors: list[float]) -> float:
    """Exponent of the spacing in the error: slope of a line through the logarithms."""
    return -float(np.polyfit(np.log(cells_across), np.log(np.abs(errors)), 1)[0])


def _order_name(direction: tuple[int, int, int], cells_across: int) -> str:
    return _name("order", direction, cells_across, FORGETFUL)


def _series(
    found: Mapping[str, Found], key: str, directions: tuple[tuple[int, int, int], ...] = DIRECTIONS
) -> tuple[list[float], list[float]]:
    """Cells across, and the root mean square of an error over the directions on each grid that has them all."""
    grids = [n for n in GRIDS if all(_order_name(direction, n) in found for direction in directions)]
    errors = [[found[_order_name(direction, n)].numbers[key] for direction in directions] for n in grids]
    return [float(n) for n in grids], [float(np.sqrt(np.mean(np.square(of_grid)))) for of_grid in errors]


_CONVERGING = {"velocity L2": "velocity_l2_percent", "mean wall shear": "shear_percent", "scatter": "shear_scatter_percent"}


def _judge_order(found: Mapping[str, Found]) -> tuple[Row, ...]:
    gates = {"velocity L2": Gate(1.8, 2.0, least=True), "mean wall shear": Gate(1.8, 2.0, least=True), "scatter": Gate()}
    why = f"needs all directions with {', '.join(map(str, GRIDS))} cells across"
    rows = []
    for what, key in _CONVERGING.items():
        series = [_series(found, key), *(_series(found, key, (direction,)) for direction in DIRECTIONS)]
        whole, *single = (observed_order(*one) if len(one[0]) == len(GRIDS) else None for one in series)
        rows.append(Row(f"order of accuracy, {what}", "1", gates[what], whole, "" if whole is not None else why))
        known = [order for order in single if order is not None]
        rows.append(Row(f"least of one direction alone, {what}", "1", Gate(), min(known, default=None), "" if known else why))
    return tuple(rows)


def _plot_order(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    curves = {what: _series(found, key) for what, key in _CONVERGING.items()}
    grids = curves["velocity L2"][0]
    if len(grids) < 2:
        return ()
    first = curves["velocity L2"][1][0]
    curves["second order"] = (grids, [first * (grids[0] / n) ** 2 for n in grids])
    points = tuple(_CONVERGING)
    return (
        Plot(
            "Error over resolution, root mean square of the directions",
            "cells per diameter",
            "error, %",
            curves,
            points,
            log=True,
        ),
    )


def _plot_directions(found: Mapping[str, Found]) -> tuple[Plot, ...]:
    names = list(found)
    keys = {"velocity L2": "velocity_l2_percent", "mean wall shear": "shear_percent", "scatter": "shear_scatter_percent"}
    places = [float(k) for k in range(len(names))]
    curves = {what: (places, [found[name].numbers[key] for name in names]) for what, key in keys.items()}
    label = "direction: " + ", ".join(f"{k} = {name.split('-')[1]}" for k, name in enumerate(names))
    return (Plot("Error by direction of the tube", label, "error, %", curves, tuple(keys)),) if names else ()


def cases() -> tuple[Case, ...]:
    slow = tuple(_trial("tube", direction, CELLS_ACROSS, SLOW) for direction in DIRECTIONS)
    fast = tuple(_trial("tube", direction, CELLS_ACROSS, FAST) for direction in DIRECTIONS)
    order = tuple(
        _trial("order", direction, cells, FORGETFUL, ORDER_MACH * GRIDS[0] / cells)
        for direction in DIRECTIONS
        for cells in GRIDS
    )
    return (
        Case(
            "poiseuille",
            f"Poiseuille flow, {CELLS_ACROSS} cells per diameter, Reynolds number {SLOW:g}",
            slow,
            _judge_slow,
            _plot_directions,
            quick=(slow[0].name, slow[3].name),
        ),
        Case(
            "poiseuille-fast",
            f"Poiseuille flow, {CELLS_ACROSS} cells per diameter, Reynolds number {FAST:g}, relaxation time at most 0.507",
            fast,
            _judge_fast,
            _plot_directions,
            quick=(fast[3].name,),
        ),
        Case(
            "order",
            f"Order of accuracy, {len(DIRECTIONS)} directions",
            order,
            _judge_order,
            _plot_order,
            note=f"Reynolds number {FORGETFUL:g}, low enough to forget the inlet; the relaxation time stays from grid to grid. "
            "Root mean square over the directions: where one tube's wall happens to lie between the nodes of three lattices "
            "moves its errors as much as they fall.",
        ),
    )
