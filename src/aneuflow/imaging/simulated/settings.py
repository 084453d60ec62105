"""What a user sets of a simulated angiogram."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import Field


class SimulationSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How an angiogram is made from a lumen."""

    modality: Literal["CTA", "MRA", "3DRA"] = Field("CTA", description="CTA, time-of-flight MRA or rotational angiogram.")
    seed: int = Field(0, ge=0, description="Seed of all that is drawn: anatomy, contrast, scanner and noise.")
    spacing_mm: float = Field(0.5, ge=0.1, le=2.0, description="Voxel size in the axial plane.")
    slice_mm: float | None = Field(None, ge=0.1, le=3.0, description="Slice distance; by default the voxel size.")
    margin_mm: float = Field(8.0, ge=0.0, le=60.0, description="How far the image goes beyond the lumen.")
    supersampling: int = Field(2, ge=1, le=6, description="Anatomy is drawn on voxels this many times finer along each axis.")
    fixed: dict[str, float] = Field({}, description="Drawn parameters to be held, by name, such as noise_hu = 10.")
