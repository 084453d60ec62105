from __future__ import annotations

import json
from pathlib import Path

import pytest

from aneuflow.cli.grade import read_answers
from aneuflow.errors import InputError
from aneuflow.risk.clinical import Clinical
from tests.cli.run import run


def test_answers_from_toml_json_and_fhir(tmp_path: Path) -> None:
    files = {
        "a.toml": '[clinical]\nage_years = 61\nsite = "mca"\n',
        "b.json": json.dumps({"age_years": 61, "site": "mca"}),
        "c.json": json.dumps({"resourceType": "Patient", "gender": "male"}),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert read_answers(tmp_path / "a.toml") == read_answers(tmp_path / "b.json") == {"age_years": 61, "site": "mca"}
    assert read_answers(tmp_path / "c.json") == {"sex": "male"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.toml", "age_years = [", "no TOML"), ("a.json", "{", "neither TOML nor JSON"), ("a.json", '{"agee": 4}', "'agee'"),
        ("a.json", "7", "no clinical answers"), ("a.toml", "clinical = 3", "under .clinical."),
        ("a.json", "[" * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_in_a_sentence(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        read_answers(tmp_path / name)
    with pytest.raises(InputError, match="No such file"):
        read_answers(tmp_path / "missing.json")


def test_an_impossible_answer_is_refused_by_name_and_value(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text(json.dumps({"input": {"kind": "surface", "sha256": "x"}, "settings": {}}), "utf-8")
    (tmp_path / "patient.toml").write_text("age_years = 2039\n", "utf-8")
    code, _, err = run(capsys, "grade", str(tmp_path), "--clinical", str(tmp_path / "patient.toml"))
    assert code == 2 and "clinical.age_years is 2039" in err
    (tmp_path / "rules.toml").write_text('name = "x"\nmoderate = 5\nhigh = 2\nvery_high = 9\nrule = []\n', "utf-8")
    code, _, err = run(capsys, "grade", str(tmp_path), "--rules", str(tmp_path / "rules.toml"))
    assert code == 2 and "grade.rules" in err
    code, _, err = run(capsys, "grade", str(tmp_path), "--site", "aorta")
    assert code == 2 and "clinical.site is 'aorta'" in err


def test_what_is_no_answer_cannot_be_confirmed() -> None:
    assert Clinical(confirmed=("age_years",)).confirmed == ("age_years",)
    for name in ("nonsense", "confirmed"):
        with pytest.raises(ValueError, match="no answer that could be confirmed"):
            Clinical(confirmed=(name,))
