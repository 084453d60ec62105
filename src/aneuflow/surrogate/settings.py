"""What a user may set about predicted flow."""

from __future__ import annotations

from pydantic import BaseModel, Field


class PredictSettings(BaseModel, frozen=True, extra="forbid"):
    """Which networks predict the flow, from what, and whether a simulation is left out where they do."""

    fast: bool = Field(False, description="Predict the flow, and simulate only where the networks decline the case.")
    networks: str = Field("", description="Folder of `aneuflow train surrogate`; empty for the networks that ship.")
    coarse: bool = Field(True, description="Compute a coarse flow first, which the networks correct.")
