"""How much of a cell's third-order moments a collision keeps."""

from __future__ import annotations

# (tau - 1/2)(tau_3 - 1/2), with tau_3 the relaxation time of the third-order moments. It alone sets the error of a steady flow
# (Ginzburg and d'Humieres 2003: 1/12 cancels the third-order error, 1/6 the fourth). With tau_3 = 1, as in a plain regularised
# collision, it falls with the time step, and thin boundary layers thicken (docs/decisions/lattice.md).
PRODUCT = 0.125


def third_order_keep(tau: float) -> float:
    """1 - 1/tau_3 for a fluid of relaxation time `tau`, in steps."""
    return 1.0 - 1.0 / (0.5 + PRODUCT / (tau - 0.5))
