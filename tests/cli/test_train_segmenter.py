"""`aneuflow train segmenter` reads both layouts, parts folds by patient, and says what is wrong with a folder."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from aneuflow.errors import InputError, ResourceError
from aneuflow.pipeline.train_segmenter import prepare, read_cohort_layout, train_fold
from tests.cli.run import run

SPACING = (0.45, 0.45, 0.7)


def write_case(image: Path, labels: Path, seed: int) -> None:
    """A bright tube and a bright plate in noise, labels 1 and 7, a ball at the tube, label 4."""
    x, y, z = np.indices((40, 40, 26)).astype(float)
    tube, ball = np.hypot(y - 20, z - 12) < 4, (x - 20) ** 2 + (y - 26) ** 2 + (z - 12) ** 2 < 25
    mask = np.where(ball, 4, np.where(tube, 1, np.where(x > 36, 7, 0))).astype(np.uint8)
    values = 100 + 400 * (mask > 0) + np.random.default_rng(seed).normal(0, 10, mask.shape)
    for file, content in ((image, values.astype(np.float32)), (labels, mask)):
        file.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(content, np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1])), file)


@pytest.fixture
def nnunet(tmp_path: Path) -> Path:
    """Four cases of three patients."""
    folder = tmp_path / "Dataset001"
    for k in range(4):
        write_case(folder / f"imagesTr/case{k}_0000.nii.gz", folder / f"labelsTr/case{k}.nii.gz", k)
    about = {
        "channel_names": {"0": "MRA"},
        "labels": {"background": 0, "artery": 1, "aneurysm": 4, "bone": 7},
        "file_ending": ".nii.gz",
        "patients": {"case0": "one", "case1": "one"},
    }
    (folder / "dataset.json").write_text(json.dumps(about))
    return folder


def test_a_folder_of_nnunet_is_prepared(nnunet: Path, tmp_path: Path) -> None:
    cohort = read_cohort_layout(nnunet)
    assert cohort.classes == ("background", "artery", "aneurysm", "bone") and cohort.values == (0, 1, 4, 7)
    assert not cohort.is_ct
    target = tmp_path / "out"
    assert prepare(cohort, target, 5, 3) == ("0", "1", "2")
    plan = json.loads((target / "plan.json").read_text())
    assert plan["spacing_mm"] == pytest.approx(0.5) and plan["epochs"] == 3 and plan["patch"] == 32
    with np.load(target / "prepared/case0.npz") as file:
        image, labels, share = file["image"], file["labels"], file["share"] / 255
    assert image.shape == labels.shape == share.shape == (36, 36, 36)
    volume = np.pi * 4**2 * 40 * np.prod(SPACING) * 1.0
    assert set(np.unique(labels)) == {0, 1, 2, 3}
    assert share.sum() * 0.5**3 == pytest.approx(np.isin(labels, (1, 2)).sum() * 0.5**3, rel=0.05)
    assert share.sum() * 0.5**3 > volume
    assert image[labels == 1].mean() > 1.2 and abs(float(np.median(image))) < 0.3


def test_no_patient_is_on_both_sides_of_a_fold(nnunet: Path, tmp_path: Path) -> None:
    prepare(read_cohort_layout(nnunet), tmp_path / "out", 2, 1)
    folds = json.loads((tmp_path / "out/folds.json").read_text())
    together = [sorted(fold["validation"]) for name, fold in folds.items() if name != "all"]
    assert sorted(case for part in together for case in part) == ["case0", "case1", "case2", "case3"]
    assert any({"case0", "case1"} <= set(part) for part in together)
    assert all(not set(fold["train"]) & set(fold["validation"]) for fold in folds.values())
    assert folds["all"]["train"] == ["case0", "case1", "case2", "case3"]


def test_a_list_of_the_decathlon_is_read(tmp_path: Path) -> None:
    pairs = []
    for k in range(2):
        write_case(tmp_path / f"imagesTr/v{k}.nii.gz", tmp_path / f"labelsTr/v{k}.nii.gz", k)
        pairs.append({"image": f"./imagesTr/v{k}.nii.gz", "label": f"./labelsTr/v{k}.nii.gz"})
    labels = {"0": "background", "1": "vessel", "4": "aneurysm", "7": "bone"}
    about = {"modality": {"0": "CT"}, "labels": labels, "training": pairs}
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    cohort = read_cohort_layout(tmp_path)
    assert cohort.is_ct and [case.name for case in cohort.cases] == ["v0", "v1"] and cohort.values == (0, 1, 4, 7)


def changed(folder: Path, **values: object) -> Path:
    about = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**about, **values}))
    return folder


def test_what_is_wrong_with_a_folder_is_named(nnunet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "train", "segmenter", str(tmp_path), "-o", str(tmp_path / "out"))
    assert code == 2 and "dataset.json" in err
    for values, sentence in (
        ({"channel_names": {"0": "T1", "1": "T2"}}, "2 channels"),
        ({"labels": {"background": 0, "tumor": 1}}, "no label artery"),
        ({"labels": {"background": 0, "artery": [1, 2]}}, "regions of several labels"),
        ({"file_ending": ".mha"}, "no training case"),
    ):
        before = (nnunet / "dataset.json").read_text()
        with pytest.raises(InputError, match=sentence):
            read_cohort_layout(changed(nnunet, **values))
        (nnunet / "dataset.json").write_text(before)
    with pytest.raises(InputError, match="holds the value 7"):
        labels = {"background": 0, "artery": 1, "aneurysm": 4}
        prepare(read_cohort_layout(changed(nnunet, labels=labels)), tmp_path / "out", 2, 1)
    (nnunet / "imagesTr/case3_0000.nii.gz").unlink()
    with pytest.raises(InputError, match=r"case3_0000\.nii\.gz is missing"):
        read_cohort_layout(nnunet)


def test_a_fold_that_is_none_and_a_python_without_torch_are_named(nnunet: Path, tmp_path: Path) -> None:
    prepare(read_cohort_layout(nnunet), tmp_path / "out", 2, 1)
    with pytest.raises(InputError, match="none of 0, 1, all"):
        train_fold(tmp_path / "out", "9", Path("python3"), "test", 1)
    with pytest.raises(ResourceError, match="needs torch and onnx"):
        train_fold(tmp_path / "out", "0", Path("/bin/false"), "test", 1)
