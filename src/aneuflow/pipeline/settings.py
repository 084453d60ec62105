"""All settings of a case, one table a stage; TOML files and command line options are two ways to write them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from aneuflow.boundary.settings import BoundarySettings
from aneuflow.errors import InputError
from aneuflow.flow.settings import FlowSettings
from aneuflow.geometry.settings import ModelSettings
from aneuflow.morphology.settings import MorphologySettings
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.risk import Clinical, GradeSettings
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.surrogate.settings import PredictSettings

# What is given beside the input has a folder of the case of its own.
WAVEFORM_FOLDER, RECORDS = "waveform", ("doppler", "pressure")


class InputSettings(BaseModel, frozen=True, extra="forbid"):
    """How the input file is to be read."""

    kind: Literal["auto", "image", "mask", "surface"] = Field("auto", description="What the input is; auto goes by the file.")
    units: Literal["auto", "mm", "cm", "m"] = Field("auto", description="Length unit of a surface file.")
    modality: Literal["auto", "CTA", "MRA", "3DRA"] = Field("auto", description="What kind of angiogram the image is.")


class ReportSettings(BaseModel, frozen=True, extra="forbid"):
    """How the report is written."""

    language: Literal["en", "zh"] = Field("en", description="Language of the report: English or Simplified Chinese.")
    title: str = Field("", max_length=80, description="Heading of the report, such as a study id; never a patient's name.")
    credit: str = Field("", max_length=400, description="Origin and licence of the input, printed in the report.")


class Settings(BaseModel, frozen=True, extra="forbid"):
    """One table a stage."""

    input: InputSettings = InputSettings()
    segment: SegmentSettings = SegmentSettings()
    model: ModelSettings = ModelSettings()
    measure: MorphologySettings = MorphologySettings()
    boundary: BoundarySettings = BoundarySettings()
    simulate: FlowSettings = FlowSettings()
    predict: PredictSettings = PredictSettings()
    radiomics: RadiomicsSettings = RadiomicsSettings()
    clinical: Clinical = Clinical()
    grade: GradeSettings = GradeSettings()
    report: ReportSettings = ReportSettings()


Tables = Mapping[str, Mapping[str, Any]]


def _checked(tables: Mapping[str, Any]) -> Tables:
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise InputError(f"Setting {name} = {table!r} stands outside a table; write it under [simulate] or the like.")
    return tables


def settings_from(*layers: Tables) -> Settings:
    """Settings from tables laid over each other, the last on top. Raises InputError naming the first wrong setting."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for name, table in _checked(layer).items():
            merged[name] = {**merged.get(name, {}), **table}
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        given = "" if isinstance(first["input"], dict) else f" is {first['input']!r}"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"Setting {name}{given}: {message}; correct it or leave it out.") from None


def read_settings(path: Path) -> Tables:
    """The tables of a TOML file. Raises InputError where it is missing or no TOML."""
    try:
        return _checked(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise InputError(f"Settings file {path}: {error.strerror}; check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"Settings file {path} is no TOML: {error}; correct that place.") from error
