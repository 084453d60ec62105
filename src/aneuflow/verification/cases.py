"""All cases, in the order of the table."""

from __future__ import annotations

from aneuflow.verification import (
    aneumo,
    bend,
    nozzle,
    openfoam,
    poiseuille,
    refinement,
    thinning,
    vessel_pulse,
    windkessel_pipe,
    womersley_tube,
)
from aneuflow.verification.trial import Case

_MODULES = (poiseuille, womersley_tube, bend, thinning, windkessel_pipe, openfoam, vessel_pulse, aneumo, nozzle, refinement)


def all_cases() -> tuple[Case, ...]:
    """Exact problems first, then references, then the experiment, then refinement."""
    return tuple(case for module in _MODULES for case in module.cases())
