"""What a user can set of the lumen model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic


def _none_if_auto(value: Any) -> Any:
    return None if value == "auto" else value


class NeckPlane(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A plane that parts the sac from its artery, instead of the automatic neck."""

    point_mm: tuple[float, float, float] = pydantic.Field(description="A point of the plane, patient LPS, mm.")
    normal: tuple[float, float, float] = pydantic.Field(description="The plane's normal, pointing into the sac.")

    @pydantic.field_validator("normal")
    @classmethod
    def _has_direction(cls, normal: tuple[float, float, float]) -> tuple[float, float, float]:
        if not any(normal):
            raise ValueError("a normal needs a direction, such as [0, 0, 1]")
        return normal


class ModelSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Settings of the stage that makes the lumen model."""

    target_edge_mm: float = pydantic.Field(
        0.3, ge=0.05, le=1.0, description="Coarser surfaces are subdivided until their median edge is not longer than this."
    )
    smoothing_steps: int = pydantic.Field(
        10, ge=0, le=100, description="Pairs of volume-keeping smoothing steps on the surface made from a label map."
    )
    least_outlet_diameter_mm: float = pydantic.Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="In label maps and closed trees, branches are trimmed back to where they are this wide (and two "
        "voxels); 0 keeps all. The flow needs five lattice cells across an outlet.",
    )
    inlet_extension_diameters: float = pydantic.Field(
        5.0, ge=0.0, le=20.0, description="Length of the flow extension at each inlet, in diameters of the inlet; 0 for none."
    )
    outlet_extension_diameters: float = pydantic.Field(
        3.0, ge=0.0, le=20.0, description="Length of the flow extension at each outlet, in diameters of the outlet; 0 for none."
    )
    inlet_caps: tuple[int, ...] = pydantic.Field(
        (), description="Ids of the caps by which blood enters; empty for the automatic choice (the widest end)."
    )
    neck_plane: Annotated[NeckPlane | None, pydantic.BeforeValidator(_none_if_auto)] = pydantic.Field(
        None, description='A plane that parts the sac from its artery; "auto" for automatic.'
    )
    candidate: Annotated[int | None, pydantic.BeforeValidator(_none_if_auto)] = pydantic.Field(
        None,
        ge=1,
        le=20,
        description="In a whole artery tree: which of the candidate aneurysms, by rank, the model is made around; "
        '"auto" for the first if it is a clear one.',
    )
    region_diameters: float = pydantic.Field(
        6.0,
        ge=0.0,
        le=50.0,
        description="Of a whole artery tree (over 35 mm, four ends or more) the vessels up to so many diameters of the parent "
        "artery from the aneurysm are kept, along the vessel; 0 keeps the tree.",
    )
    aneurysm: Literal["auto", "none"] = pydantic.Field(
        "auto", description="auto: an aneurysm is looked for; none: the vessel is taken as being without one."
    )
