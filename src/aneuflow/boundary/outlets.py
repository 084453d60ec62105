"""Where the blood leaves: Murray's split of the flow, or the same zero pressure at all outlets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from aneuflow.errors import InputError
from aneuflow.types import Cap, FloatArray, Note, OutletCondition


def murray_shares(radii_mm: FloatArray, exponent: float) -> FloatArray:
    """Share of the flow in each outlet, (n,), proportional to radius to the power `exponent` (Murray 1926: 3)."""
    powers = np.asarray(radii_mm, dtype=np.float64) ** exponent
    return np.asarray(powers / powers.sum())


def outlet_conditions(
    outlets: Sequence[Cap], kind: Literal["murray", "zero-pressure"], exponent: float
) -> tuple[tuple[OutletCondition, ...], Note]:
    """The condition at each outlet and the note that says what was assumed.

    A single outlet takes all the flow: it gets zero pressure in either case. Raises InputError where there is none.
    """
    if not outlets:
        raise InputError(
            "The model has no outlet, so blood cannot leave it; open a second end or change the inlet with --inlet."
        )
    if len(outlets) == 1:
        return _zero_pressure(outlets), Note("outlet_single", {}, "information")
    if kind == "zero-pressure":
        return _zero_pressure(outlets), Note("outlets_zero_pressure", {"outlets": len(outlets)}, "assumption")
    shares = murray_shares(np.array([cap.radius_mm for cap in outlets]), exponent)
    conditions = tuple(
        OutletCondition(cap_id=cap.id, kind="flow-split", flow_share=share)
        for cap, share in zip(outlets, shares.tolist(), strict=True)
    )
    return conditions, Note("outlets_murray", {"outlets": len(outlets), "exponent": exponent}, "assumption")


def _zero_pressure(outlets: Sequence[Cap]) -> tuple[OutletCondition, ...]:
    return tuple(OutletCondition(cap_id=cap.id, kind="pressure", pressure=0.0) for cap in outlets)
