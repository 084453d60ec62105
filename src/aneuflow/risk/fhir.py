"""Clinical answers from FHIR R4 resources: Patient, Condition and Observation, alone, in a list or in a Bundle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from aneuflow.errors import InputError

# SNOMED CT and ICD-10 codes (ICD by the beginning of the code). A condition that is listed means yes; one that is not listed
# stays unknown: a record that is silent does not say no.
CONDITIONS = {
    "hypertension": ({"38341003", "59621000"}, ("I10", "I11", "I12", "I13", "I15")),
    "earlier_sah": ({"21454007"}, ("I60",)),
    "polycystic_kidney": ({"28728008", "765330003"}, ("Q61.2",)),
    "epilepsy": ({"84757009"}, ("G40",)),
    "coagulopathy": ({"64779008", "234467004"}, ("D65", "D66", "D67", "D68")),
    "family_history": ({"430706009"}, ("Z82.49",)),
}
SMOKING_STATUS = "72166-2"
SMOKING = {
    "449868002": "current", "428041000124106": "current", "77176002": "current", "428071000124103": "current",
    "428061000124105": "current", "8517006": "former", "266919005": "never", "LA18976-3": "current", "LA18977-1": "current",
    "LA15920-4": "former", "LA18978-9": "never",
}  # fmt: skip
REFUTED = {"refuted", "entered-in-error"}


def answers_from_fhir(content: Any, today: date) -> dict[str, Any]:
    """The answers that the resources give, as settings of [clinical]. Names, addresses and identifiers are not read.

    Raises InputError where the content holds no resource of these kinds, more than one patient, a birth date that is none, or
    parts that are not of FHIR's form.
    """
    resources = list(_resources(content))
    kinds = {str(resource.get("resourceType")) for resource in resources}
    if not kinds & {"Patient", "Condition", "Observation"}:
        raise InputError(f"The FHIR file holds {sorted(kinds) or 'nothing'}; give Patient, Condition or Observation resources.")
    patients = [resource for resource in resources if resource.get("resourceType") == "Patient"]
    if len(patients) > 1:
        raise InputError(f"The FHIR file holds {len(patients)} patients; give one.")
    answers: dict[str, Any] = {}
    for patient in patients:
        answers |= _patient(patient, today)
    for resource in resources:
        if resource.get("resourceType") == "Condition":
            answers |= _condition(resource)
        elif resource.get("resourceType") == "Observation":
            answers |= _observation(resource)
    return answers


def _resources(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, list):
        for part in content:
            yield from _resources(part)
    elif isinstance(content, Mapping):
        if content.get("resourceType") == "Bundle":
            for entry in _objects(content.get("entry"), "entry"):
                yield from _resources(entry.get("resource"))
        else:
            yield content


def _patient(patient: Mapping[str, Any], today: date) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    if patient.get("gender") in ("female", "male"):
        answers["sex"] = patient["gender"]
    if born := patient.get("birthDate"):
        try:
            parts = [int(part) for part in str(born).split("-")]
            birth = date(*(parts + [7, 1][len(parts) - 1 :])[:3])
        except (ValueError, TypeError):
            raise InputError(f'Patient.birthDate "{born}" is no date; write YYYY-MM-DD.') from None
        answers["age_years"] = today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))
    return answers


def _objects(part: Any, name: str) -> list[Mapping[str, Any]]:
    """The objects of a list that may be left out."""
    if part is None:
        return []
    if not isinstance(part, list) or not all(isinstance(item, Mapping) for item in part):
        raise InputError(f"In the FHIR file {name} is no list of objects, as FHIR R4 has it; export the file again.")
    return part


def _codes(concept: Any) -> list[str]:
    (whole,) = _objects([{} if concept is None else concept], "a coded concept")
    return [str(coding.get("code", "")) for coding in _objects(whole.get("coding"), "coding")]


def _condition(resource: Mapping[str, Any]) -> dict[str, Any]:
    status = _codes(resource.get("verificationStatus"))
    codes = _codes(resource.get("code"))
    found = {
        name
        for name, (snomed, icd) in CONDITIONS.items()
        if any(code in snomed or code.replace("_", ".").startswith(icd) for code in codes)
    }
    if "entered-in-error" in status:
        return {}
    return dict.fromkeys(found, "refuted" not in status)


def _observation(resource: Mapping[str, Any]) -> dict[str, Any]:
    if str(resource.get("status")) in REFUTED or SMOKING_STATUS not in _codes(resource.get("code")):
        return {}
    values = [SMOKING[code] for code in _codes(resource.get("valueCodeableConcept")) if code in SMOKING]
    return {"smoking": values[0]} if values else {}
