"""What a user may set about the flow simulation."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import Field


class FlowSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Resolution, duration and accuracy of the flow simulation."""

    resolution_mm: float = Field(0.2, ge=0.05, le=1.0, description="Distance between lattice nodes in mm.")
    steady: bool = Field(False, description="Solve the steady flow at the cycle-mean inflow instead of the pulsatile one.")
    cycles: int = Field(3, ge=1, le=20, description="Largest number of cardiac cycles; fewer where two agree earlier.")
    convergence_percent: float = Field(
        1.0,
        gt=0.0,
        le=10.0,
        description="Change of wall shear, from cycle to cycle or still to come in a steady flow, that ends the run, in %.",
    )
    max_mach: float = Field(
        0.0,
        ge=0.0,
        le=0.3,
        description="Lattice Mach number at the highest expected velocity, for the time step; 0: 0.2, in a long lumen with a "
        "pulse 0.15.",
    )
    threads: int = Field(0, ge=0, le=256, description="Processor threads; 0 takes all there are.")
    device: Literal["cpu", "gpu"] = Field("cpu", description="Where the lattice runs; gpu: an NVIDIA GPU, with the extra gpu.")
