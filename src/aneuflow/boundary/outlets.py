"""Where the blood leaves: Murray's split of the flow, or the same zero pressure at all outlets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from aneuflow.errors import InputError
from aneuflow.types import FloatArray, Note, OutletCondition


def murray_shares(radii_mm: FloatArray, exponent: float) -> FloatArray:
    """Share of the flow in each outlet, (n,), proportional to radius to the power `exponent` (Murray 1926: 3)."""
    powers = np.asarray(radii_mm, dtype=np.float64) ** exponent
    return np.asarray(powers / powers.sum())


def outlet_conditions(
    radii_mm: Mapping[int, float], kind: Literal["murray", "zero-pressure"], exponent: float
) -> tuple[tuple[OutletCondition, ...], Note]:
    """The condition at each outlet and the note that says what was assumed.

    radii_mm: that of the artery at each outlet, by cap id.
    A single outlet takes all the flow: it gets zero pressure in either case. Raises InputError where there is none.
    """
    if not radii_mm:
        raise InputError(
            "The model has no outlet, so blood cannot leave it; open a second end or change the inlet with --inlet."
        )
    if len(radii_mm) == 1:
        return _zero_pressure(radii_mm), Note("outlet_single", {}, "information")
    if kind == "zero-pressure":
        return _zero_pressure(radii_mm), Note("outlets_zero_pressure", {"outlets": len(radii_mm)}, "assumption")
    shares = murray_shares(np.array(list(radii_mm.values())), exponent)
    conditions = tuple(
        OutletCondition(cap_id=id, kind="flow-split", flow_share=share)
        for id, share in zip(radii_mm, shares.tolist(), strict=True)
    )
    return conditions, Note("outlets_murray", {"outlets": len(radii_mm), "exponent": exponent}, "assumption")


def _zero_pressure(caps: Iterable[int]) -> tuple[OutletCondition, ...]:
    return tuple(OutletCondition(cap_id=id, kind="pressure", pressure=0.0) for id in caps)
