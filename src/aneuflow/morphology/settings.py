"""What a user can set of the shape measures."""

import pydantic


class MorphologySettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How far surface and neck may be from the truth; the intervals of all measures follow from it."""

    surface_uncertainty_mm: float = pydantic.Field(
        0.13,
        ge=0.0,
        le=1.0,
        description="The wall is moved this far outward and inward for the intervals; the default is the spread "
        "of vessel radius between groups that segmented the same images (Voss 2019).",
    )
    neck_uncertainty_mm: float = pydantic.Field(
        0.5,
        ge=0.0,
        le=3.0,
        description="The neck line is moved along the wall by this length, scaled by how unsure it is (1 - confidence), "
        "toward the dome and toward the artery for the intervals.",
    )
