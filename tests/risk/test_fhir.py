from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from aneuflow.errors import InputError
from aneuflow.risk.clinical import Clinical
from aneuflow.risk.fhir import answers_from_fhir

TODAY = date(2026, 11, 21)


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


PATIENT = {"resourceType": "Patient", "gender": "female", "birthDate": "1961-12-24", "name": [{"family": "Never read"}]}
HYPERTENSION = {"resourceType": "Condition", "code": coded("http://hl7.org/fhir/sid/icd-10", "I10")}
SMOKER = {
    "resourceType": "Observation", "status": "final", "code": coded("http://loinc.org", "72166-2"),
    "valueCodeableConcept": coded("http://snomed.info/sct", "8517006"),
}  # fmt: skip


def test_a_bundle_becomes_answers() -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": part} for part in (PATIENT, HYPERTENSION, SMOKER)]}
    answers = answers_from_fhir(bundle, TODAY)
    assert answers == {"sex": "female", "age_years": 64, "hypertension": True, "smoking": "former"}
    assert Clinical(**answers).age_years == 64


def test_silence_is_not_no_but_a_refuted_condition_is() -> None:
    assert answers_from_fhir([PATIENT], TODAY) == {"sex": "female", "age_years": 64}
    refuted = {**HYPERTENSION, "verificationStatus": coded("x", "refuted")}
    assert answers_from_fhir([refuted], TODAY) == {"hypertension": False}
    mistaken = {**HYPERTENSION, "verificationStatus": coded("x", "entered-in-error")}
    assert answers_from_fhir([mistaken], TODAY) == {}


@pytest.mark.parametrize(("born", "age"), [("1961-11-21", 65), ("1961-11-22", 64), ("1961", 65), ("1961-12", 64)])
def test_age_counts_completed_years(born: str, age: int) -> None:
    assert answers_from_fhir({**PATIENT, "birthDate": born}, TODAY)["age_years"] == age


@pytest.mark.parametrize(
    "content",
    [
        {}, {"resourceType": "Medication"}, [PATIENT, PATIENT], {**PATIENT, "birthDate": "last year"}, 7,
        {"resourceType": "Bundle", "entry": {"a": 1}}, {"resourceType": "Bundle", "entry": [1]}, {"resourceType": ["Patient"]},
        {"resourceType": "Condition", "code": "I10"}, {"resourceType": "Condition", "code": {"coding": [None]}},
    ],
)  # fmt: skip
def test_what_is_no_such_record_is_refused(content: Any) -> None:
    with pytest.raises(InputError):
        answers_from_fhir(content, TODAY)
