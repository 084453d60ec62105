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


class OutletLoad(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The vessels beyond one outlet: a resistance, then a compliance beside a distal resistance, if there are such."""

    cap: int = Field(description="Cap id of the outlet (model/caps.json).")
    resistance_mmhg_s_ml: float = Field(
        gt=0.0, le=1e4, description="Proximal resistance, or the whole where no other is given."
    )
    compliance_ml_mmhg: float = Field(0.0, ge=0.0, le=10.0, description="Compliance.")
    distal_resistance_mmhg_s_ml: float = Field(0.0, ge=0.0, le=1e4, description="Distal resistance.")


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
    doppler: tuple[str, ...] = Field(
        (),
        description="Doppler or flow records, each a file (CSV, JSON or DICOM waveform) or CAP=file; one without a cap is the "
        "largest inlet's. They set inflow and waveform.",
    )
    doppler_velocity: Literal["record", "peak", "mean"] = Field(
        "record", description="What the recorded velocity is: peak (envelope), mean over the section, or as the record says."
    )
    doppler_diameter_mm: float | None = Field(
        None, ge=0.5, le=20.0, description="Inner diameter at the gate; left out, the record's, else that of the inlet."
    )
    doppler_angle_deg: float | None = Field(
        None,
        ge=0.0,
        le=80.0,
        description="Angle of beam and vessel; left out, the record's; without one velocities count as corrected.",
    )
    pressure: tuple[str, ...] = Field(
        (),
        description="Arterial pressure records, each a file or CAP=file; outlets get resistances or Windkessels to meet them.",
    )
    outlets: Literal["murray", "zero-pressure", "resistance", "windkessel"] = Field(
        "murray",
        description="Share of the flow in each outlet by Murray's law, the same zero pressure at all, or what lies beyond as "
        "resistances or Windkessels. With a pressure record murray means Windkessels shared out by Murray's law.",
    )
    outlet_loads: tuple[OutletLoad, ...] = Field(
        (), description="Resistance or Windkessel of each outlet, for outlets = resistance or windkessel."
    )
    resistance_mmhg_s_ml: float | None = Field(
        None, gt=0.0, le=1e3, description="Of all outlets side by side; left out, what mean_pressure_mmhg asks for."
    )
    compliance_ml_mmhg: float | None = Field(
        None, gt=0.0, le=10.0, description="Of all outlets together; left out, that of a decay time of 1.5 s."
    )
    proximal_percent: float = Field(10.0, gt=0.0, lt=100.0, description="Part of the resistance before the compliance, in %.")
    mean_pressure_mmhg: float = Field(93.0, ge=30.0, le=200.0, description="Mean arterial pressure, where none is recorded.")
    venous_pressure_mmhg: float = Field(5.0, ge=-10.0, le=40.0, description="Pressure where resistances end.")
    murray_exponent: float = Field(
        3.0, ge=2.0, le=3.0, description="Exponent of the radius in Murray's law, from 2 to 3; splits flow among inlets too."
    )
    density_kg_m3: float = Field(1060.0, ge=900.0, le=1200.0, description="Density of the blood in kg/m3.")
    viscosity: Annotated[str, pydantic.AfterValidator(_check_viscosity)] = Field(
        "newtonian:0.0035",
        description="Viscosity of the blood: newtonian:VALUE in Pa s, carreau-yasuda or casson.",
    )
