"""Settings of the segmentation stage."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import Field


class SegmentSettings(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How arteries are taken from the image."""

    segmenter: Literal["threshold", "network"] = Field(
        "threshold",
        description="Method: threshold (local half maximum, no network) or network (a trained model finds vessels).",
    )
    model: str | None = Field(
        None, description="ONNX file of a segmenter made by `aneuflow train segmenter`, for network; else the one that ships."
    )
    threshold: float | None = Field(
        None,
        description="Grey value (HU in CT) of the vessel wall; by default half way between each vessel and what surrounds it.",
    )
    minimum_diameter_mm: float = Field(
        0.8, ge=0.0, le=5.0, description="Vessels thinner than this are left out, with what hangs on them alone."
    )
    trees: int = Field(1, ge=1, le=20, description="How many of the largest connected vessel trees are kept.")
    working_spacing_mm: float | None = Field(
        None,
        ge=0.1,
        le=1.0,
        description="Voxel size of the label map; by default the finest spacing of the image, at least 0.25 mm.",
    )
