"""What a solved case must hold before it enters the database: all of it stands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from aneuflow.types import FlowSolution

MOST_IMBALANCE_PERCENT = 0.5
FINEST_MM = 0.12  # a finer lattice takes too long
GATES = {
    "opening": f"a narrowest opening of at least {6 * FINEST_MM:g} mm, for six cells across it",
    "converged": "wall shear, energy and pressure loss settled, or swing about means that stay",
    "mass": f"flow out of the lumen within {MOST_IMBALANCE_PERCENT:g} % of the flow into it",
    "finite": "every stored number finite in 16 bit",
}


def missed_gate(fine: FlowSolution, arrays: Mapping[str, npt.NDArray[Any]]) -> str | None:
    """The name of the first gate that a case misses, None where it holds all; arrays: what would be stored of it."""
    if not fine.numerics["converged"]:
        return "converged"
    if not float(fine.numerics["mass_imbalance_percent"]) <= MOST_IMBALANCE_PERCENT:
        return "mass"
    return None if all(np.isfinite(values).all() for values in arrays.values()) else "finite"
