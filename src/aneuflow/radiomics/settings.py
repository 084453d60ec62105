"""What a user can set of image features; every value is stored with the settings it was made by."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator


class RadiomicsSettings(BaseModel, frozen=True, extra="forbid"):
    """How the image is processed before features are computed, in the order of the IBSI reference manual."""

    spacing_mm: float = Field(0.4, ge=0.1, le=2.0, description="Cubic voxels that image (trilinear) and mask are resampled to.")
    wall_width_mm: float = Field(
        1.6, ge=0.4, le=6.0, description="Width of the wall zone: half of it inside the sac's wall, half of it outside."
    )
    low: float | None = Field(None, description="Intensities under this one are left out (re-segmentation).")
    high: float | None = Field(None, description="Intensities over this one are left out (re-segmentation).")
    outliers_sd: float | None = Field(
        None, gt=0.0, le=10.0, description="Intensities farther from the mean than so many standard deviations are left out."
    )
    bins: int = Field(32, ge=2, le=256, description="Levels from least to largest intensity (fixed bin number).")
    bin_width: float | None = Field(
        None, gt=0.0, description="Width of a level in place of their number (fixed bin size), from `low` or the least on."
    )

    @model_validator(mode="after")
    def _range_ascends(self) -> RadiomicsSettings:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be under high")
        return self
