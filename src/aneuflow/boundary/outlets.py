"""Where the blood leaves: Murray's split, the same zero pressure at all outlets, or given resistances and Windkessels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from aneuflow.boundary.settings import BoundarySettings
from aneuflow.errors import InputError
from aneuflow.numerics.windkessel import Circuit, shared_out
from aneuflow.types import PA_PER_MMHG, FloatArray, Note, OutletCondition

# mmHg s/mL and mL/mmHg in SI.
RESISTANCE, COMPLIANCE = PA_PER_MMHG * 1e6, 1e-6 / PA_PER_MMHG
# Of the arterial pressure in late diastole.
DECAY_TIME_S = 1.5


def murray_shares(radii_mm: FloatArray, exponent: float) -> FloatArray:
    """Share of the flow in each outlet, (n,), proportional to radius to the power `exponent` (Murray 1926: 3)."""
    powers = np.asarray(radii_mm, dtype=np.float64) ** exponent
    return np.asarray(powers / powers.sum())


def outlet_conditions(radii_mm: Mapping[int, float], kind: str, exponent: float) -> tuple[tuple[OutletCondition, ...], Note]:
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


def assumed_loads(
    radii_mm: Mapping[int, float], settings: BoundarySettings, mean_flow_ml_s: float
) -> tuple[tuple[OutletCondition, ...], Note]:
    """Resistances or Windkessels as the settings give them: by outlet, or in all and shared out by Murray's law.

    Raises InputError where the table of outlets does not name each outlet once.
    """
    venous = settings.venous_pressure_mmhg * PA_PER_MMHG
    if settings.outlet_loads:
        return _from_table(radii_mm, settings, venous)
    total = settings.resistance_mmhg_s_ml
    if total is None:
        total = (settings.mean_pressure_mmhg - settings.venous_pressure_mmhg) / mean_flow_ml_s
    whole = Circuit(total * RESISTANCE, distal_pressure=venous)
    if settings.outlets == "windkessel":
        part = 0.01 * settings.proximal_percent
        distal = (1.0 - part) * total * RESISTANCE
        given = settings.compliance_ml_mmhg
        whole = Circuit(
            part * total * RESISTANCE, DECAY_TIME_S / distal if given is None else given * COMPLIANCE, distal, venous
        )
    shares = murray_shares(np.array(list(radii_mm.values())), settings.murray_exponent)
    conditions = tuple(loaded(cap, circuit) for cap, circuit in zip(radii_mm, shared_out(whole, shares), strict=True))
    values = {
        "resistance_mmhg_s_ml": total,
        "compliance_ml_mmhg": whole.compliance / COMPLIANCE,
        "venous_mmhg": settings.venous_pressure_mmhg,
        "mean_mmhg": settings.venous_pressure_mmhg + total * mean_flow_ml_s,
        "outlets": len(radii_mm),
    }
    known = settings.resistance_mmhg_s_ml is not None
    return conditions, Note(f"outlets_{settings.outlets}_{'given' if known else 'assumed'}", values, "assumption")


def _from_table(
    radii_mm: Mapping[int, float], settings: BoundarySettings, venous_pa: float
) -> tuple[tuple[OutletCondition, ...], Note]:
    named = [load.cap for load in settings.outlet_loads]
    if sorted(named) != sorted(radii_mm):
        raise InputError(
            f"The table outlet_loads names the caps {sorted(named)}, but the outlets are {sorted(radii_mm)}; name each once."
        )
    conditions = tuple(
        loaded(
            load.cap,
            Circuit(
                load.resistance_mmhg_s_ml * RESISTANCE,
                load.compliance_ml_mmhg * COMPLIANCE if load.distal_resistance_mmhg_s_ml else 0.0,
                load.distal_resistance_mmhg_s_ml * RESISTANCE,
                venous_pa,
            ),
        )
        for load in sorted(settings.outlet_loads, key=lambda load: list(radii_mm).index(load.cap))
    )
    return conditions, Note("outlet_loads_given", {"outlets": len(named)}, "information")


def loaded(cap_id: int, circuit: Circuit) -> OutletCondition:
    """The outlet that ends in `circuit`."""
    if not circuit.compliance:
        total = circuit.resistance + circuit.distal_resistance
        return OutletCondition(cap_id, "resistance", pressure=circuit.distal_pressure, resistance=total)
    return OutletCondition(
        cap_id,
        "windkessel",
        pressure=circuit.distal_pressure,
        resistance=circuit.resistance,
        compliance=circuit.compliance,
        distal_resistance=circuit.distal_resistance,
    )


def _zero_pressure(caps: Iterable[int]) -> tuple[OutletCondition, ...]:
    return tuple(OutletCondition(cap_id=id, kind="pressure", pressure=0.0) for id in caps)
