"""Image features as columns of a cohort: only those that were found reliable, by a table of `aneuflow radiomics --retest`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from aneuflow.errors import InputError

PREFIX = "radiomics_"
# Over this an intraclass correlation is called good (Koo and Li 2016).
LEAST_ICC = 0.75


def read_retest(path: Path) -> dict[str, Any]:
    """The table as it was written. Raises InputError where the file is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
        sound = isinstance(content["settings"], dict) and all(
            isinstance(row["id"], str) and (row["icc"] is None or isinstance(row["icc"], int | float))
            for row in content["features"]
        )
    except OSError as error:
        raise InputError(f"Retest file {path}: {error.strerror}; check the path.") from error
    except (ValueError, KeyError, TypeError, RecursionError):
        sound = False
    if not sound:
        raise InputError(f"{path} is no table of reliability; give a file written by `aneuflow radiomics --retest`.")
    return dict(content)


def check_reliable(columns: Iterable[str], retest: Mapping[str, Any] | None) -> None:
    """Raises InputError naming the first column of an image feature that has no recorded intraclass correlation over 0.75."""
    icc = _icc(retest)
    for name in columns:
        if not name.startswith(PREFIX):
            continue
        if name not in icc:
            raise InputError(
                f"Column {name} is an image feature without a recorded reliability; measure it with `aneuflow radiomics "
                "--retest` and give that file with --retest, or leave the column out."
            )
        value = icc[name]
        if value is None or value <= LEAST_ICC:
            said = "is undefined" if value is None else f"is {value:.2f}"
            raise InputError(
                f"Column {name} is an image feature whose intraclass correlation {said}, not over {LEAST_ICC:g}; leave it out."
            )


def reliability_of(answers: Iterable[str], retest: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a model file keeps under `radiomics` of the image features among its answers: their settings and reliability."""
    icc = _icc(retest)
    used = {name: icc[name] for name in answers if name.startswith(PREFIX)}
    return {"radiomics": {"settings": retest["settings"], "icc": used}} if retest is not None and used else {}


def _icc(retest: Mapping[str, Any] | None) -> dict[str, float | None]:
    return {row["id"]: row["icc"] for row in retest["features"]} if retest is not None else {}
