"""Codes of the DICOM objects: SNOMED CT, LOINC, IBSI and UCUM where they fit, else the private scheme 99ANEUFLOW."""

from __future__ import annotations

import hashlib
from typing import Any

from aneuflow.errors import ResourceError
from aneuflow.quantities import Quantity

PRIVATE_SCHEME = "99ANEUFLOW"
MANUFACTURER = "aneuflow"
# CodeValue has VR SH.
_LONGEST_CODE = 16

ANEURYSM = ("SCT", "85659009", "Aneurysm")
ARTERY = ("SCT", "51114001", "Artery")
INTRACRANIAL = ("SCT", "128319008", "Intracranial structure")
ABNORMAL_STRUCTURE = ("SCT", "49755003", "Morphologically abnormal structure")
BODY_STRUCTURE = ("SCT", "123037004", "Body structure")
ANGIOGRAPHY = ("SCT", "77343006", "Angiography")
COMMENT = ("DCM", "121106", "Comment")
MEASUREMENT_REPORT = ("DCM", "126000", "Imaging Measurement Report")
UPPER = ("SCT", "371886008", "+, range of upper measurement uncertainty")
LOWER = ("SCT", "371885007", "-, range of lower measurement uncertainty")
ENGLISH = ("RFC5646", "en", "English")
FUNCTION = ("SCT", "246464006", "Function")
SURFACE_MODEL = (PRIVATE_SCHEME, "surface_model", "Inside of a lumen surface")
WALL_DEFINITION = (PRIVATE_SCHEME, "wall_definition", "Wall that meets a written definition")

_UNIT_NAMES = {
    "mm": "millimeter", "mm2": "square millimeter", "mm3": "cubic millimeter", "deg": "degree", "1": "no units",
    "%": "percent", "Pa": "pascal", "/Pa": "per pascal", "mL/s": "milliliter per second", "s": "second",
}  # fmt: skip


def highdicom() -> Any:
    """The library that writes DICOM objects. Raises ResourceError naming the extra to install where it is missing."""
    try:
        import highdicom
    except ImportError:
        raise ResourceError('DICOM objects need the package highdicom; run pip install "aneuflow[dicom]".') from None
    return highdicom


def concept(code: tuple[str, ...]) -> Any:
    """A coded concept from (scheme, value, meaning)."""
    scheme, value, meaning = code
    return highdicom().sr.CodedConcept(value, scheme, meaning)


def quantity_code(entry: Quantity) -> tuple[str, str, str]:
    """(scheme, value, meaning) of a quantity: the registry's standard code, else its id in the private scheme.

    An id too long for a code value is cut and made unique by the first digits of its SHA-1.
    """
    if entry.code:
        scheme, value, meaning = entry.code
        return scheme, value, meaning
    value = entry.id
    if len(value) > _LONGEST_CODE:
        value = f"{value[: _LONGEST_CODE - 5]}-{hashlib.sha1(value.encode()).hexdigest()[:4]}"
    return PRIVATE_SCHEME, value, entry.name_en[:64]


def unit_code(unit: str) -> tuple[str, str, str]:
    """(UCUM, code, name) of a unit of the registry."""
    code = unit.replace("²", "2").replace("³", "3").replace("°", "deg").replace("1/", "/").replace("mmHg", "mm[Hg]")
    return "UCUM", code, _UNIT_NAMES.get(code, code)
