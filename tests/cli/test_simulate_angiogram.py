"""`aneuflow simulate-angiogram` writes an image of the lumen it was given, and says what is wrong otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from aneuflow.case.files import PolyData, read_nifti
from aneuflow.imaging import read_image
from aneuflow.imaging.simulated.ranges import ANATOMY, BY_MODALITY
from tests.cli.run import run
from tests.shapes import closed, sphere, tube

DOCUMENTED = Path(__file__).parents[2] / "docs/simulated-angiograms.md"


def write(path: Path, *surfaces) -> str:
    trimesh.util.concatenate([trimesh.Trimesh(s.points, s.triangles, process=False) for s in surfaces]).export(path)
    return str(path)


def test_image_labels_wall_and_record_are_written(capsys, tmp_path):
    sac = sphere(2.5)
    sac = type(sac)(sac.points + np.array([3.5, 0.0, 6.0]), sac.triangles)
    lumen = write(tmp_path / "lumen.stl", closed(tube(1.5, 12.0, 0.3)), sac)
    target = tmp_path / "made"
    options = ["--sac", write(tmp_path / "sac.stl", sac), "--modality", "MRA", "--margin", "4", "--fix", "noise_share=0.02"]
    code, out, _ = run(capsys, "simulate-angiogram", lumen, "-o", str(target), *options)
    assert code == 0
    assert "MRA of" in out
    labels, affine = read_nifti(target / "labels.nii.gz")
    image = read_image(target / "image.nii.gz", "MRA")
    assert image.values.shape == labels.shape
    dome = np.linalg.inv(affine) @ [5.0, 0.0, 6.0, 1.0]
    assert labels[tuple(np.round(dome[:3]).astype(int))] == 2
    assert {0, 1, 2} <= set(np.unique(labels))
    assert set(np.unique(PolyData(target / "lumen.vtp").point_arrays["region"])) == {0, 1}
    record = json.loads((target / "simulation.json").read_text("utf-8"))
    assert record["drawn"]["noise_share"] == 0.02
    assert record["settings"]["modality"] == "MRA"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--modality", "PET"], "PET"),
        (["--fix", "noise_hu"], "NAME=VALUE"),
        (["--fix", "color=3"], "no parameter"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_wrong_options_end_in_a_sentence(capsys, tmp_path, options, sentence):
    lumen = write(tmp_path / "lumen.stl", closed(tube(1.5, 12.0, 0.4)))
    code, _, err = run(capsys, "simulate-angiogram", lumen, "-o", str(tmp_path / "made"), *options)
    assert code == 2
    assert sentence in err
    assert not (tmp_path / "made").exists()


def test_a_folder_with_files_is_not_written_to(capsys, tmp_path):
    (tmp_path / "kept.txt").write_text("kept", "utf-8")
    code, _, err = run(capsys, "simulate-angiogram", "lumen.stl", "-o", str(tmp_path))
    assert code == 2
    assert "new folder" in err


def test_every_drawn_parameter_is_documented_with_its_range():
    page = DOCUMENTED.read_text("utf-8")
    for ranges in (ANATOMY, *BY_MODALITY.values()):
        for name, one in ranges.items():
            logarithmic = " (log)" if one.logarithmic else ""
            assert f"| `{name}` | {one.low:g} to {one.high:g}{logarithmic} | {one.unit} | {one.meaning} |" in page
