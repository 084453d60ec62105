"""All cases, in the order of the table."""

from __future__ import annotations

from aneuflow.verification import bend, openfoam, poiseuille, thinning, vessel_pulse, womersley_tube
from aneuflow.verification.trial import Case


def all_cases() -> tuple[Case, ...]:
    return (
        *poiseuille.cases(),
        *womersley_tube.cases(),
        *bend.cases(),
        *thinning.cases(),
        *vessel_pulse.cases(),
        *openfoam.cases(),
    )
