"""Settings of the boundary: what is understood, and the sentence where it is not."""

from __future__ import annotations

import pydantic
import pytest

from aneuflow.boundary import BoundarySettings
from aneuflow.errors import InputError


@pytest.mark.parametrize(
    ("text", "flow_ml_s"),
    [
        ("2.1 mL/s", 2.1),
        ("126 mL/min", 2.1),
        ("0.126 l/min", 2.1),
        ("2.1e-6 m3/s", 2.1),
        (2.1, 2.1),
        ("2.1", 2.1),
        (None, None),
    ],
)
def test_flow_is_read_with_its_unit(text: object, flow_ml_s: float | None) -> None:
    assert BoundarySettings(flow_ml_s=text).flow_ml_s == pytest.approx(flow_ml_s)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["2.1 pints", "much", "mL/s", ""])
def test_a_flow_without_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="write a number and a unit"):
        BoundarySettings(flow_ml_s=text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("water", "'water' is not known"),
        ("newtonian:thick", "no number after the colon"),
        ("newtonian:3.5", "3.5 Pa s is outside 0.0005 to 0.05"),
        ("newtonian:nan", "outside"),
        ("casson:0.004", "is not known"),
    ],
)
def test_a_viscosity_without_sense_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        BoundarySettings(viscosity=text)


@pytest.mark.parametrize(
    "values",
    [
        {"murray_exponent": 3.5},
        {"period_s": 9.0},
        {"density_kg_m3": 1.06},
        {"flow_ml_s": -1.0},
        {"profile": "flat"},
        {"colour": 1},
    ],
)
def test_values_out_of_bounds_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        BoundarySettings(**values)  # type: ignore[arg-type]


def test_every_setting_is_described() -> None:
    assert all(field.description for field in BoundarySettings.model_fields.values())
