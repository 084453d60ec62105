"""All cases, in the order of the table."""

from __future__ import annotations

from aneuflow.verification import openfoam, poiseuille
from aneuflow.verification.trial import Case


def all_cases() -> tuple[Case, ...]:
    return (*poiseuille.cases(), *openfoam.cases())
