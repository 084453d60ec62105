"""What a user may set about the inflow, the outlets and the blood."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from aneuflow.boundary.blood import parse_viscosity
from aneuflow.boundary.inflow import parse_flow


def _check_viscosity(value: Any) -> str:
    parse_viscosity(str(value))
    return str(value)


def _none_if_auto(value: Any) -> Any:
    return None if value == "auto" else value


class BoundarySettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Inflow, waveform, profile, outlets and blood."""

    flow_ml_s: Annotated[float | None, pydantic.BeforeValidator(lambda value: parse_flow(_none_if_auto(value)))] = Field(
        None,
        gt=0.0,
        le=50.0,
        description="Cycle-mean total inflow: mL/s, or a text with its unit such as '2.1 mL/s' or '126 mL/min'; "
        "left out or 'auto', it follows from the artery's size (wall shear 1.5 Pa).",
    )
    waveform: str = Field(
        "ica-older-adults",
        description="Shape of the flow through the cycle: a bundled waveform's name, or the path of a CSV file with columns "
        "t_s or t_over_T, and q_ml_s or q_over_mean.",
    )
    period_s: Annotated[float | None, pydantic.BeforeValidator(_none_if_auto)] = Field(
        None,
        ge=0.3,
        le=2.0,
        description='Length of the cardiac cycle in seconds; left out or "auto", 0.9 or that of the waveform file.',
    )
    profile: Literal["womersley", "parabolic", "plug"] = Field(
        "womersley",
        description="Velocity profile at the inlets: womersley (parabolic where the flow is steady), parabolic (the developed "
        "profile of the real cross section) or plug.",
    )
    outlets: Literal["murray", "zero-pressure"] = Field(
        "murray", description="Share of the flow in each outlet by Murray's law, or the same zero pressure at all outlets."
    )
    murray_exponent: float = Field(
        3.0, ge=2.0, le=3.0, description="Exponent of the radius in Murray's law, from 2 to 3; splits flow among inlets too."
    )
    density_kg_m3: float = Field(1060.0, ge=900.0, le=1200.0, description="Density of the blood in kg/m3.")
    viscosity: Annotated[str, pydantic.AfterValidator(_check_viscosity)] = Field(
        "newtonian:0.0035",
        description="Viscosity of the blood: newtonian:VALUE in Pa s, carreau-yasuda or casson.",
    )
