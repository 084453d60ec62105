"""Two models on a locked set: the numbers against scikit-learn, what is no locked set, and which model a grade may use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.errors import InputError
from aneuflow.pipeline.run import _keep_settings
from aneuflow.pipeline.settings import settings_from
from aneuflow.report.content import ReportContent
from aneuflow.report.text import note_text
from aneuflow.risk import Clinical, GradeSettings, assess_risk
from aneuflow.risk.change import CHANGES_FILE, Change, accepted_model, keep_change, read_changes
from aneuflow.risk.learned import MODEL_FILE, Model, model_in, origin_in, shipped_model, shipped_origin
from aneuflow.risk.origin import Origin
from aneuflow.risk.train.change import Verdict, compare_on_locked
from aneuflow.risk.train.models import model_of
from aneuflow.risk.train.origin import overlap, table_hash
from aneuflow.risk.train.table import Cohort, read_cohort, read_columns
from tests.cli.run import run
from tests.conftest import shared_data
from tests.report.sample import sample_content
from tests.risk.made_models import made_rows, train_into, write_table

VERDICT = Verdict("A. Officer", "accepted", "Better at acom.")


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return sample_content()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A present model that knows no effect of the site, a new one that learned it."""
    root = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        made = [
            train_into(root / name, read_cohort(write_table(root / f"{name}.csv", made_rows(500, seed, acom, name))), patch)
            for name, seed, acom in (("old", 1, 0.0), ("new", 2, 1.5))
        ]
    return made[0], made[1]


def both(folders: tuple[Path, Path]) -> list[tuple[Model, Origin]]:
    return [(model_in(folder), origin_in(folder)) for folder in folders]


def locked(folder: Path, rows: str = "") -> Cohort:
    return read_cohort(write_table(folder / "locked.csv", rows or made_rows(400, 3, name="locked")))


def compared(folders: tuple[Path, Path], cohort: Cohort, verdict: Verdict = VERDICT) -> Change:
    present, proposed = both(folders)
    return compare_on_locked(present, proposed, cohort, verdict)


def test_the_numbers_of_a_record_are_those_of_scikit_learn(folders: tuple[Path, Path], tmp_path: Path) -> None:
    cohort = locked(tmp_path)
    change = compared(folders, cohort)
    for folder, numbers in zip(folders, (change.present, change.proposed), strict=True):
        chance = model_of(model_in(folder).content)(cohort)
        assert numbers["auc"] == pytest.approx(roc_auc_score(cohort.ruptured, chance), abs=1e-4)
        assert numbers["brier"] == pytest.approx(brier_score_loss(cohort.ruptured, chance), abs=1e-4)
        line = LogisticRegression(C=np.inf, tol=1e-8).fit(np.log(chance / (1 - chance))[:, None], cohort.ruptured)
        assert numbers["calibration_slope"] == pytest.approx(line.coef_[0, 0], abs=1e-3)
        assert numbers["calibration_intercept"] == pytest.approx(line.intercept_[0], abs=1e-3)
    assert change.difference["low"] > 0.0 and change.difference["difference"] > 0.05
    assert (
        (change.locked.cases, change.locked.patients) == (400, 400)
        and change.locked.like is not None
        and change.locked.like < 0.01
        and change.locked.is_apart
    )
    assert change.to_model.sha256 == model_in(folders[1]).sha256 and len(change.to_model.table_sha256) == 64


def test_what_a_model_was_trained_on_is_no_locked_set(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for name, seed, acom in (("old", 1, 0.0), ("new", 2, 1.5)):
        rows = made_rows(500, seed, acom, name)
        with pytest.raises(InputError, match="500 rows of patients that model"):
            compared(folders, locked(tmp_path, rows))
        with pytest.raises(InputError, match="rows of the locked set are equal to rows that model"):
            compared(folders, locked(tmp_path, rows.replace(name, "renamed")))


def test_of_one_hospitals_own_patients_few_are_alike_by_chance() -> None:
    cohort = read_cohort(shared_data("clinical/bnaiar_adb_raw.csv"), read_columns("bnaiar"))
    found = overlap(shipped_origin(), cohort)
    assert found.of_patients == 1245 and found.of_rows == 1183
    assert shipped_origin().table == shipped_model().content["trained_on"]["sha256"] == table_hash(cohort)
    order = np.random.default_rng(0).permutation(len(cohort))
    assert table_hash(cohort.rows(order)) == table_hash(cohort) != table_hash(cohort.rows(order[1:]))


def test_a_model_of_several_sites_is_compared_unchecked_until_a_site_keeps_its_part(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "federated"
    model.mkdir()
    (model / MODEL_FILE).write_bytes((folders[1] / MODEL_FILE).read_bytes())
    table = write_table(tmp_path / "locked.csv", made_rows(500, 2, 1.5, "new"))
    given = (
        "model-change",
        "--from",
        str(folders[0]),
        "--to",
        str(model),
        "--locked",
        str(table),
        "--by",
        "A",
        "--reason",
        "B",
    )
    code, out, err = run(capsys, *given, "--refuse")
    assert code == 0 and "Not checked: that it is apart" in out, err
    assert read_changes(model)[0].locked.is_apart is False and read_changes(model)[0].locked.like is not None
    code, out, err = run(capsys, "train", "reference", str(model), str(table))
    assert code == 0 and "500 cases" in out, err
    assert origin_in(model) == origin_in(folders[1])
    code, _, err = run(capsys, *given, "--accept")
    assert code == 2 and "500 rows of patients" in err
    code, _, err = run(capsys, "train", "reference", str(model), str(table))
    assert code == 2 and "is there already" in err


def test_a_model_without_a_record_that_accepts_it_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    new, cohort = folders[1], locked(tmp_path)
    (new / CHANGES_FILE).unlink(missing_ok=True)
    with pytest.raises(InputError, match="has no record of a comparison"):
        accepted_model(new)
    for decision, refused in (("accepted", False), ("refused", True)):
        keep_change(new, compared(folders, cohort, Verdict("A. Officer", decision, "Because.")))
        if refused:
            with pytest.raises(InputError, match=r"was refused by A\. Officer on 20"):
                accepted_model(new)
        else:
            assert accepted_model(new)[1].by == "A. Officer"
    assert [change.decision for change in read_changes(new)] == ["accepted", "refused"]
    with pytest.raises(InputError, match="has changed since it was named"):
        accepted_model(new, "0" * 64)
    (new / CHANGES_FILE).write_text("[{}]")
    with pytest.raises(InputError, match="cannot be read as a record"):
        accepted_model(new)


def test_a_record_is_of_one_file_alone(folders: tuple[Path, Path], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folders[1].iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / CHANGES_FILE).unlink(missing_ok=True)
    keep_change(copy, compared(folders, locked(tmp_path)))
    assert accepted_model(copy)[0].content["id"] == model_in(folders[1]).content["id"]
    (copy / MODEL_FILE).write_text((copy / MODEL_FILE).read_text().replace('"penalty": ', '"penalty": 1'))
    with pytest.raises(InputError, match="has no record of a comparison"):
        accepted_model(copy)
    with pytest.raises(InputError, match="of another model than the"):
        origin_in(copy)


def test_a_grade_names_its_own_model_and_who_accepted_it(
    folders: tuple[Path, Path], content: ReportContent, tmp_path: Path
) -> None:
    new = folders[1]
    (new / CHANGES_FILE).unlink(missing_ok=True)
    clinical, settings = Clinical(age_years=58, sex="female", site="mca"), GradeSettings(model=str(new), samples=8)
    with pytest.raises(InputError, match="model-change"):
        assess_risk(content.model, content.morphology, None, clinical, settings)
    keep_change(new, compared(folders, locked(tmp_path)))
    risk = assess_risk(content.model, content.morphology, None, clinical, settings)
    assert risk.resemblance is not None and risk.resemblance.sha256 == model_in(new).sha256
    assert risk.resemblance.table_sha256 == origin_in(new).table and risk.resemblance.ruptured_share is not None
    said = next(note for note in risk.notes if note.code == "own_risk_model")
    assert "accepted by A. Officer on 20" in note_text("en", said) and "A. Officer" in note_text("zh", said)


def test_a_case_keeps_the_hash_of_the_model_that_was_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    new, case = folders[1], CaseFolder(tmp_path / "case")
    case.path.mkdir()
    case.save(Manifest({"kind": "mask", "sha256": "0"}, {}))
    given = {"grade": {"model": str(new)}}
    (new / CHANGES_FILE).unlink(missing_ok=True)
    with pytest.raises(InputError, match="has no record"):
        _keep_settings(case, settings_from(given), given)
    keep_change(new, compared(folders, locked(tmp_path)))
    kept = _keep_settings(case, settings_from(given), given)
    assert kept.grade.model_sha256 == model_in(new).sha256
    assert case.manifest().settings["grade"] == {"model": str(new), "model_sha256": model_in(new).sha256}
    back = {"grade": {"model": ""}}
    assert _keep_settings(case, settings_from(case.manifest().settings, back), back).grade.model_sha256 == ""


def test_the_command_compares_and_records(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = map(str, folders)
    (folders[1] / CHANGES_FILE).unlink(missing_ok=True)
    table = write_table(tmp_path / "locked.csv", made_rows(400, 3, name="locked"))
    given = ("model-change", "--from", old, "--to", new, "--locked", str(table), "--by", "A. Officer", "--reason", "Better.")
    code, out, err = run(capsys, *given, "--accept")
    assert code == 0, err
    assert "difference of AUC" in out and "Accepted by A. Officer" in out
    record = json.loads((folders[1] / CHANGES_FILE).read_text("utf-8"))[0]
    assert record["reason"] == "Better." and record["locked"]["cases"] == 400 and record["made"].endswith("+00:00")
    code, _, err = run(capsys, "model-change", "--from", new, *given[3:], "--accept")
    assert code == 2 and "is the present one" in err
    code, _, err = run(capsys, *given[:1], *given[3:], "--accept")
    assert code == 2 and "no column smoking" in err
