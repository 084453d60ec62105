"""What a user can set of the grade: how uncertain flow and surface are, whether flow is used, and the rules."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Literal

import pydantic
from pydantic import Field


class Rule(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One line of evidence: points by the value of a number (`steps`: [from, points]) or by an answer (`points`).

    Of the rules of one `group` only that with most points counts. What an `optional` rule asks for may be unknown without
    widening the grade.
    """

    id: str
    of: str = Field(description="Quantity id, score outcome or answer the rule looks at.")
    steps: tuple[tuple[float, float], ...] = ()
    points: dict[str, float] = {}
    group: str = ""
    optional: bool = False

    @pydantic.model_validator(mode="after")
    def _has_one_table(self) -> Rule:
        if bool(self.steps) == bool(self.points):
            raise ValueError(f"rule {self.id} needs either steps or points")
        if list(self.steps) != sorted(self.steps):
            raise ValueError(f"the steps of rule {self.id} must ascend")
        return self

    @property
    def maximum(self) -> float:
        return max((points for _, points in self.steps), default=max(self.points.values(), default=0.0))


class Rules(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A table of rules: the sum of points from which each grade begins, and the lines of evidence."""

    name: str = Field(max_length=120, description="Name and version of the table, shown with every grade.")
    moderate: float = Field(description="Points from which the grade is moderate.")
    high: float = Field(description="Points from which the grade is high.")
    very_high: float = Field(description="Points from which the grade is very high.")
    rule: tuple[Rule, ...] = Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _ascends(self) -> Rules:
        if not 0 < self.moderate < self.high < self.very_high:
            raise ValueError("moderate, high and very_high must ascend from above 0")
        if len({rule.id for rule in self.rule}) < len(self.rule):
            raise ValueError("two rules have the same id")
        return self


@cache
def default_rules() -> Rules:
    """The table that comes with the package."""
    file = resources.files("aneuflow") / "data" / "risk" / "rules.toml"
    return Rules.model_validate(tomllib.loads(file.read_text("utf-8")))


class GradeSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How the grade is made."""

    flow: Literal["auto", "none"] = Field("auto", description="auto uses the flow where it is current; none leaves it out.")
    flow_uncertainty_percent: float = Field(
        20.0, ge=0.0, le=100.0, description="Standard deviation of the inflow assumed for the stability of regions."
    )
    surface_uncertainty_mm: float = Field(
        0.13,
        ge=0.0,
        le=1.0,
        description="Standard deviation of the wall's place assumed for the stability of regions (Voss 2019).",
    )
    samples: int = Field(64, ge=8, le=1000, description="Samples of flow and surface for the stability of regions.")
    similar_cases: int = Field(5, ge=0, le=20, description="Similar cases of the training table that are shown.")
    model: str = Field(
        "", description="Folder of `aneuflow train risk` whose model was accepted; empty for the one that ships."
    )
    model_sha256: str = Field(
        "", description="Hash of that model's file, kept when it is named: a file that has changed is refused."
    )
    regions_model: str = Field(
        "", description="ONNX file of `aneuflow train regions` whose regions are shown; empty for the one that ships."
    )
    regions_model_sha256: str = Field(
        "", description="Hash of that file, kept when it is named: a file that has changed is refused."
    )
    rules: Rules | None = Field(None, description="A table of rules in place of the package's (docs/risk.md).")
