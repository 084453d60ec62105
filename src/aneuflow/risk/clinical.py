"""What is asked about patient and aneurysm: each answer with its bounds; an answer that is not given stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pydantic
from pydantic import Field

Site = Literal[
    "cavernous_ica", "ophthalmic_ica", "pcom", "ica", "mca", "a1", "acom", "a2", "basilar_tip", "basilar", "vertebral", "pca",
    "other",
]  # fmt: skip
Population = Literal["europe", "north_america", "japan", "finland", "china", "other"]


class Clinical(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Answers about the patient; None is "not known" and widens every result that asks for it."""

    age_years: int | None = Field(None, ge=0, le=120, description="Age in completed years.")
    sex: Literal["female", "male"] | None = Field(None, description="Sex.")
    population: Population | None = Field(None, description="Population the patient belongs to (Finland apart from Europe).")
    hypertension: bool | None = Field(None, description="Arterial hypertension, treated or not.")
    smoking: Literal["never", "former", "current"] | None = Field(None, description="Smoking.")
    earlier_sah: bool | None = Field(None, description="Earlier subarachnoid hemorrhage from another aneurysm.")
    family_history: bool | None = Field(None, description="Aneurysm or subarachnoid hemorrhage in the family.")
    multiple: bool | None = Field(None, description="More than one aneurysm.")
    site: Site | None = Field(
        None,
        description="Artery the aneurysm sits on: ica is the internal carotid outside its cavernous, ophthalmic and posterior "
        "communicating parts; a1, a2 the anterior cerebral before and after the communicating artery (acom); vertebral with "
        "its branches; pca the posterior cerebral artery.",
    )
    size_mm: float | None = Field(
        None,
        gt=0.0,
        le=80.0,
        description="Largest diameter as read by a person; compared with the measured one.",
    )
    irregular: bool | None = Field(None, description="Irregular or lobulated shape as judged by a person.")
    daughter_sac: bool | None = Field(None, description="A daughter sac (bleb) as judged by a person.")
    growth: bool | None = Field(None, description="Growth between two examinations.")
    growth_mm: float | None = Field(None, ge=-20.0, le=60.0, description="Change of the largest diameter between examinations.")
    de_novo: bool | None = Field(None, description="The aneurysm was not there on an earlier examination.")
    polycystic_kidney: bool | None = Field(None, description="Autosomal dominant polycystic kidney disease.")
    drug_abuse: bool | None = Field(None, description="Current drug abuse (cocaine, amphetamines).")
    alcohol_abuse: bool | None = Field(None, description="Current alcohol abuse.")
    cranial_nerve_deficit: bool | None = Field(None, description="Cranial nerve deficit from the aneurysm.")
    mass_effect: bool | None = Field(None, description="Mass effect of the aneurysm, clinical or radiological.")
    thromboembolic_event: bool | None = Field(None, description="Thromboembolic event from the aneurysm.")
    epilepsy: bool | None = Field(None, description="Epilepsy from the aneurysm.")
    fear_of_rupture: bool | None = Field(None, description="Reduced quality of life from fear of rupture.")
    contralateral_stenosis: bool | None = Field(None, description="Steno-occlusive disease of the other side.")
    life_expectancy_years: float | None = Field(None, ge=0.0, le=120.0, description="Life expectancy in years.")
    neurocognitive_disorder: bool | None = Field(None, description="Neurocognitive disorder.")
    coagulopathy: bool | None = Field(None, description="Coagulopathy or thrombophilia.")
    psychiatric_disorder: bool | None = Field(None, description="Psychiatric disorder.")
    complex_treatment: bool | None = Field(None, description="Treatment judged to be of high complexity.")
    confirmed: tuple[str, ...] = Field((), description="Names of answers that were questioned and are confirmed as they stand.")

    @pydantic.field_validator("confirmed")
    @classmethod
    def _names_of_answers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in cls.model_fields or name == "confirmed":
                raise ValueError(f"{name!r} is no answer that could be confirmed")
        return names


@dataclass(frozen=True)
class Number:
    """A number that is known within an interval; low = value = high where it was simply given."""

    value: float
    low: float
    high: float


Answer = str | Number | None
Answers = Mapping[str, Answer]


def answers_from(clinical: Clinical) -> dict[str, Answer]:
    """The answers by name: yes or no for a truth, a Number for a number, None for what is not known."""
    found: dict[str, Answer] = {}
    for name in Clinical.model_fields:
        value = getattr(clinical, name)
        if name == "confirmed":
            continue
        if isinstance(value, bool):
            found[name] = "yes" if value else "no"
        elif isinstance(value, int | float):
            found[name] = Number(float(value), float(value), float(value))
        else:
            found[name] = value
    return found
