"""What a user can set of the shape measures."""

import pydantic


class MorphologySettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How far surface and neck may be from the truth; the intervals of all measures follow from it."""

    surface_uncertainty_mm: float | None = pydantic.Field(
        None,
        ge=0.0,
        le=1.0,
        description="Standard deviation of the wall's place along its normal, for the intervals. None: 0.13 mm, the spread "
        "of vessel radius between groups that segmented the same images (Voss 2019), or, where the lumen was made from "
        "larger voxels than 0.45 mm, their length over the root of 12.",
    )
    surface_correlation_mm: float = pydantic.Field(
        1.5,
        ge=0.2,
        le=20.0,
        description="Half of the wall's variance is the same all over the lumen, half varies from place to place over "
        "about this length.",
    )
    neck_uncertainty_mm: float = pydantic.Field(
        0.3,
        ge=0.0,
        le=3.0,
        description="Least standard deviation of the neck line's place along the wall; how far it moves under other "
        "weights of the method that found it is added in quadrature.",
    )
    resampling_pairs: int = pydantic.Field(
        20, ge=4, le=500, description="Pairs of random copies of the lumen that the intervals are drawn from."
    )
