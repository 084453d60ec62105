"""The model file applied by hand, against scikit-learn, and over all that unknown answers can be."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from aneuflow.errors import InputError
from aneuflow.risk.clinical import Answer, Number
from aneuflow.risk.learned import Model, read_model, resemblance, shipped_model

CONTENT: dict[str, Any] = {
    "id": "hand", "base": -0.5,
    "terms": [
        {"answer": "size_mm", "kind": "number", "transform": "log", "knots": [5.0], "center": [1.5, 0.1], "scale": [0.5, 0.2],
         "coefficients": [0.4, -0.2], "range": [1.0, 20.0], "possible": [2.0, 5.0, 10.0]},
        {"answer": "site", "kind": "level", "levels": {"mca": {"share": 0.6, "coefficient": -0.3},
         "acom": {"share": 0.39, "coefficient": 0.7}, "a1": {"share": 0.01, "coefficient": 3.0}},
         "center": [0.6, 0.39, 0.01], "scale": [1, 1, 1], "aliases": {"a2": "acom"}},
    ],
    "covariance": np.zeros((5, 5)).tolist(),
}  # fmt: skip
CASES = "size_mm,site,ruptured\n4,mca,no\n8,acom,yes\n,acom,no\n"


def exactly(value: float) -> Number:
    return Number(value, value, value)


def by_hand(size: float, site: str) -> float:
    first = (np.log(size) - 1.5) / 0.5 * 0.4 + (max(np.log(size) - np.log(5.0), 0) - 0.1) / 0.2 * -0.2
    level = {"mca": -0.3, "acom": 0.7, "a1": 3.0}
    second = level[site] - (0.6 * -0.3 + 0.39 * 0.7 + 0.01 * 3.0)
    return float(100 / (1 + np.exp(-(-0.5 + first + second))))


@pytest.fixture
def model() -> Model:
    return read_model(json.dumps(CONTENT), CASES)


@pytest.mark.parametrize(("size", "site"), list(itertools.product((2.0, 5.0, 12.0), ("mca", "acom"))))
def test_probability_and_contributions_by_hand(model: Model, size: float, site: str) -> None:
    found = resemblance(model, {"size_mm": exactly(size), "site": site})
    assert found.probability.value == pytest.approx(by_hand(size, site))
    assert found.probability.low == pytest.approx(found.probability.high)
    logit = np.log(by_hand(size, site) / (100 - by_hand(size, site)))
    assert found.base + sum(part.value or 0.0 for part in found.contributions) == pytest.approx(logit)


def test_an_alias_counts_as_its_level(model: Model) -> None:
    ours, theirs = (resemblance(model, {"size_mm": exactly(4), "site": site}).probability for site in ("a2", "acom"))
    assert ours == theirs


def test_unknown_answers_span_what_the_table_holds_without_its_rarities(model: Model) -> None:
    found = resemblance(model, {"size_mm": exactly(4.0), "site": None})
    assert found.probability.value is None and found.missing == ("site",)
    assert found.probability.low == pytest.approx(by_hand(4.0, "mca"))
    assert found.probability.high == pytest.approx(by_hand(4.0, "acom"))


def test_an_interval_spans_its_ends_and_the_knots_between(model: Model) -> None:
    found = resemblance(model, {"size_mm": Number(6.0, 4.0, 9.0), "site": "mca"})
    every = [by_hand(size, "mca") for size in np.linspace(4.0, 9.0, 400)]
    assert found.probability.low == pytest.approx(min(every), rel=1e-3)
    assert found.probability.high == pytest.approx(max(every), rel=1e-3)


def test_outside_the_training_range_is_said(model: Model) -> None:
    assert resemblance(model, {"size_mm": exactly(35.0), "site": "pca"}).outside == {"size_mm": "1–20", "site": "mca, acom, a1"}


def test_uncertain_coefficients_widen_the_span() -> None:
    uncertain = read_model(json.dumps({**CONTENT, "covariance": (0.04 * np.eye(5)).tolist()}))
    span = resemblance(uncertain, {"size_mm": exactly(5.0), "site": "mca"}).probability
    assert span.high is not None and span.low < by_hand(5.0, "mca") - 2 and span.high > by_hand(5.0, "mca") + 2


def test_similar_cases_are_the_nearest(model: Model) -> None:
    assert [case.answers["size_mm"] for case in resemblance(model, {"size_mm": exactly(7.5), "site": "acom"}, 2).similar] == [
        "8",
        "",
    ]


def test_no_case_is_called_similar_while_most_answers_are_unknown() -> None:
    assert resemblance(shipped_model(), {"size_mm": exactly(6), "sex": "female", "site": "mca"}).similar == ()
    known: dict[str, Answer] = {"size_mm": exactly(6), "sex": "female", "site": "mca", "smoking": "never"}
    assert len(resemblance(shipped_model(), known).similar) == 5


@pytest.mark.parametrize("text", ["", "{}", '{"terms": 3}', json.dumps({**CONTENT, "covariance": [[1.0]]})])
def test_a_damaged_model_file_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        read_model(text)


def test_the_shipped_model_bears_its_card_and_license() -> None:
    facts = shipped_model().content["trained_on"]
    assert facts["license"] == "CC BY 4.0" and facts["ruptured"] == 456
    assert len(shipped_model().cases) == facts["cases"] == 1245
    assert not {"patient", "ID_2"} & set(shipped_model().cases[0].answers)


def test_the_shipped_model_has_the_directions_that_studies_found() -> None:
    base: dict[str, Answer] = {
        "age_years": exactly(55), "size_mm": exactly(6), "sex": "female", "smoking": "never", "hypertension": "no",
        "multiple": "no", "family_history": "no", "site": "mca",
    }  # fmt: skip

    def chance(**changes: Answer) -> float:
        value = resemblance(shipped_model(), {**base, **changes}, 0).probability.value
        assert value is not None
        return value

    assert chance(site="acom") > chance() > chance(site="ophthalmic_ica") > chance(site="cavernous_ica")
    assert chance(size_mm=exactly(12)) > chance(size_mm=exactly(3))


def test_a_model_is_applied_without_any_learning_library() -> None:
    script = (
        "import sys; sys.modules.update({'sklearn': None, 'interpret': None, 'pandas': None})\n"
        "from aneuflow.risk.learned import resemblance, shipped_model\n"
        "print(len(resemblance(shipped_model(), {}).contributions))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "8"
