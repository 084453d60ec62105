"""The blood's density and viscosity law."""

from __future__ import annotations

from typing import Literal

from aneuflow.errors import InputError
from aneuflow.types import Blood, Note

NEWTONIAN_VISCOSITY = 0.0035
VISCOSITY_RANGE = (0.0005, 0.05)

# In each set `viscosity` is the high-shear limit, Pa s.
# Carreau-Yasuda: mu = v + (z - v) (1 + (t g)^a)^((n - 1) / a); Abraham, Behr and Heinkenschloss 2005.
CARREAU_YASUDA = {
    "viscosity": 0.0035,
    "zero_shear_viscosity": 0.16,
    "time_constant_s": 8.2,
    "yasuda_exponent": 0.64,
    "power_index": 0.2128,
}
# Casson: mu = (sqrt(v) + sqrt(y / g))^2; yield stress of blood at a hematocrit of 40 %, Merrill 1969.
CASSON = {"viscosity": 0.0035, "yield_stress_pa": 0.004}

ViscosityModel = Literal["newtonian", "carreau-yasuda", "casson"]


def parse_viscosity(text: str) -> tuple[ViscosityModel, dict[str, float]]:
    """Model and parameters (SI) of 'newtonian', 'newtonian:0.0035', 'carreau-yasuda' or 'casson'.

    Raises InputError for any other text and for a viscosity outside 0.0005 to 0.05 Pa s.
    """
    name, colon, value = text.strip().lower().partition(":")
    if name == "carreau-yasuda" and not colon:
        return "carreau-yasuda", dict(CARREAU_YASUDA)
    if name == "casson" and not colon:
        return "casson", dict(CASSON)
    if name != "newtonian":
        raise InputError(f"Viscosity '{text}' is not known; write newtonian:0.0035 (in Pa s), carreau-yasuda or casson.")
    try:
        viscosity = float(value) if colon else NEWTONIAN_VISCOSITY
    except ValueError:
        raise InputError(f"Viscosity '{text}' has no number after the colon; write newtonian:0.0035 (in Pa s).") from None
    low, high = VISCOSITY_RANGE
    if not low <= viscosity <= high:
        raise InputError(
            f"Viscosity {viscosity:g} Pa s is outside {low:g} to {high:g} Pa s; give it in Pa s, blood has about 0.0035."
        )
    return "newtonian", {"viscosity": viscosity}


def blood_of(density_kg_m3: float, viscosity: str) -> tuple[Blood, Note]:
    """The blood and the note that says what was assumed of it. Raises InputError as `parse_viscosity` does."""
    model, parameters = parse_viscosity(viscosity)
    values = {"density_kg_m3": density_kg_m3, "viscosity_mpa_s": 1e3 * parameters["viscosity"]}
    note = Note(f"blood_{model.replace('-', '_')}", values, "assumption")
    return Blood(density=density_kg_m3, model=model, parameters=parameters), note
