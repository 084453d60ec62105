"""Viscosity laws as they are named."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.boundary.blood import blood_of, parse_viscosity


def test_newtonian_by_default_and_by_value() -> None:
    assert parse_viscosity("newtonian") == ("newtonian", {"viscosity": 0.0035})
    assert parse_viscosity("Newtonian:0.004") == ("newtonian", {"viscosity": 0.004})


def test_the_models_tend_to_the_newtonian_viscosity_where_shear_is_high() -> None:
    # 20 % above the limit at 1000 1/s at most, and at least ten times it at 0.01 1/s.
    _, p = parse_viscosity("carreau-yasuda")
    rate = np.array([0.01, 1000.0])
    exponent = (p["power_index"] - 1.0) / p["yasuda_exponent"]
    thinning = (1.0 + (p["time_constant_s"] * rate) ** p["yasuda_exponent"]) ** exponent
    carreau = p["viscosity"] + (p["zero_shear_viscosity"] - p["viscosity"]) * thinning
    _, p = parse_viscosity("casson")
    casson = (np.sqrt(p["viscosity"]) + np.sqrt(p["yield_stress_pa"] / rate)) ** 2
    for law in (carreau, casson):
        assert law[0] > 10 * 0.0035
        assert law[1] == pytest.approx(0.0035, rel=0.2)


@pytest.mark.parametrize("name", ["newtonian", "carreau-yasuda", "casson"])
def test_blood_says_what_was_assumed(name: str) -> None:
    blood, note = blood_of(1050.0, name)
    assert (blood.model, blood.density) == (name, 1050.0)
    assert note.code == f"blood_{name.replace('-', '_')}"
    assert note.values["viscosity_mpa_s"] == pytest.approx(3.5)
