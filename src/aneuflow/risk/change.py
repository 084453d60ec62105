"""Change control: what stands beside a model about its comparison with the one before, and which model may be used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from aneuflow.errors import InputError, ResourceError
from aneuflow.risk.learned import Model, model_in
from aneuflow.risk.settings import GradeSettings

CHANGES_FILE = "changes.json"
Decision = Literal["accepted", "refused"]


@dataclass(frozen=True)
class ModelName:
    """Which model: its id, the SHA-256 of its file, and that of the rows it was trained on (empty where not known)."""

    id: str
    sha256: str
    table_sha256: str


@dataclass(frozen=True)
class LockedSet:
    """Which rows two models were compared on; is_apart: whether the marks of both models' tables say that no patient of theirs
    is among them, False where a model has no marks; like: share of rows equal to one trained on, the larger of the two models',
    None where no marks or columns can tell.
    """

    table_sha256: str
    cases: int
    ruptured: int
    patients: int
    is_apart: bool
    like: float | None


@dataclass(frozen=True)
class Change:
    """One comparison and what was decided: when (UTC), by whom and why.

    present, proposed: AUC with its 95 % interval, calibration slope, intercept and error, Brier score of the two models on the
    locked set; difference: of the AUCs, proposed less present, with its 95 % interval by bootstrap of patients.
    """

    made: str
    by: str
    decision: Decision
    reason: str
    from_model: ModelName
    to_model: ModelName
    locked: LockedSet
    present: Mapping[str, float]
    proposed: Mapping[str, float]
    difference: Mapping[str, float]
    aneuflow: str


def name_of(model: Model) -> ModelName:
    return ModelName(model.content["id"], model.sha256, model.content.get("trained_on", {}).get("sha256", ""))


def read_changes(folder: Path) -> tuple[Change, ...]:
    """The comparisons that are recorded in a model's folder, the last one last. Raises InputError where the file is damaged."""
    file = folder / CHANGES_FILE
    if not file.exists():
        return ()
    try:
        return TypeAdapter(tuple[Change, ...]).validate_json(file.read_bytes())
    except (OSError, ValidationError):
        raise InputError(f"{file} cannot be read as a record of changes; restore it or compare the models again.") from None


def keep_change(folder: Path, change: Change) -> None:
    """Add a record behind those of a model's folder. Raises ResourceError where it cannot be written."""
    kept = [asdict(record) for record in (*read_changes(folder), change)]
    fresh = folder / f".{CHANGES_FILE}"
    try:
        fresh.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
        fresh.replace(folder / CHANGES_FILE)
    except OSError as error:
        raise ResourceError(f"Cannot write {folder / CHANGES_FILE}: {error.strerror}; check permission and space.") from error


def accepted_model(folder: Path, sha256: str = "") -> tuple[Model, Change]:
    """The model in `folder` and the record that accepts it; sha256: what its file has to be, empty where any will do.

    Raises InputError where there is none, where its file is another one, or where the last record on it does not accept it.
    """
    model = model_in(folder)
    if sha256 and model.sha256 != sha256:
        raise InputError(
            f"Model {folder} has changed since it was named for this case ({sha256[:12]}, now {model.sha256[:12]}); "
            "name it again with --model."
        )
    records = [change for change in read_changes(folder) if change.to_model.sha256 == model.sha256]
    if not records:
        raise InputError(
            f"Model {model.content['id']} in {folder} has no record of a comparison that accepts it; "
            "make one with `aneuflow model-change`."
        )
    if records[-1].decision != "accepted":
        raise InputError(
            f"Model {model.content['id']} in {folder} was refused by {records[-1].by} on {records[-1].made[:10]}; "
            "use another, or record a new decision with `aneuflow model-change`."
        )
    return model, records[-1]


def with_accepted_model(settings: GradeSettings) -> GradeSettings:
    """The settings with the hash of the model they name. Raises InputError where no record accepts it."""
    folder = str(Path(settings.model).absolute()) if settings.model else ""
    sha256 = accepted_model(Path(folder))[0].sha256 if folder else ""
    return settings.model_copy(update={"model": folder, "model_sha256": sha256})
