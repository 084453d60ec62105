"""Every bad input ends in one plain sentence and exit code 2, and leaves what is there alone."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import trimesh

from tests.cli.run import run

Maker = Callable[[Path], list[str]]


def nifti(values: np.ndarray, spacing: tuple[float, ...] = (0.5, 0.5, 0.5)) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        image = nibabel.Nifti1Image(values, np.diag([*spacing[:3], 1.0]))
        path = folder / "input.nii.gz"
        nibabel.save(image, path)
        return path

    return write


def bytes_file(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def mesh(shape: trimesh.Trimesh, name: str = "input.stl") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        shape.export(folder / name)
        return folder / name

    return write


def truncated_nifti(folder: Path) -> Path:
    path = nifti(RNG.normal(size=(20, 20, 20)).astype(np.float32))(folder)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:5000]))
    return path


def zero_spacing(folder: Path) -> Path:
    path = folder / "input.nii"
    image = nibabel.Nifti1Image(np.ones((9, 9, 9), np.float32), np.eye(4))
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    content[76:108] = np.array([1, 0, 0, 0, 0, 0, 0, 0], "<f4").tobytes()
    content[252:256] = np.array([0, 0], "<i2").tobytes()
    path.write_bytes(content)
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "input.nii")
    return folder / "input.nii"


RNG = np.random.default_rng(3)
HOLEY = np.ones((12, 12, 12), np.float32)
HOLEY[4, 4, 4] = np.nan
SHEET = np.zeros((30, 30, 30), np.uint8)
SHEET[15] = 1
SAC_APART = np.zeros((24, 24, 24), np.uint8)
SAC_APART[3:9, 3:9], SAC_APART[15:20, 15:20, 9:14] = 1, 2
SPHERE = trimesh.creation.icosphere(subdivisions=3, radius=3.0)
TUBE = trimesh.creation.cylinder(radius=1.5, height=15.0, sections=40)
TWO_TUBES = trimesh.util.concatenate([TUBE, TUBE.copy().apply_translation([20.0, 0.0, 0.0])])
HUGE_TUBE = TUBE.copy().apply_scale(50.0)
FAN = trimesh.Trimesh(
    [[0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]],
    [[0, 1, 2], [0, 1, 3], [0, 1, 4], [0, 1, 5]],
    process=False,
)

BAD = {
    "empty file": (bytes_file("input.nii.gz", b""), []),
    "truncated": (truncated_nifti, []),
    "text in place of an image": (bytes_file("input.nrrd", b"once upon a time"), []),
    "unknown type": (bytes_file("input.docx", b"PK\x03\x04"), []),
    "NaN": (nifti(HOLEY), []),
    "four dimensions": (nifti(np.ones((8, 8, 8, 3), np.float32)), []),
    "zero spacing": (zero_spacing, []),
    "one slice": (nifti(RNG.normal(size=(64, 64, 1)).astype(np.float32)), []),
    "empty mask": (nifti(np.zeros((20, 20, 20), np.uint8)), ["--mask"]),
    "mask with strange labels": (nifti(np.full((20, 20, 20), 7, np.uint8)), ["--mask"]),
    "empty surface": (bytes_file("input.stl", b""), []),
    "broken surface": (bytes_file("input.ply", b"ply\nformat ascii 1.0\nelement vertex 900000000\n"), []),
    "closed without openings": (mesh(SPHERE), []),
    "two vessels": (mesh(TWO_TUBES), []),
    "non-manifold": (mesh(FAN, "input.obj"), []),
    "wrong units": (mesh(HUGE_TUBE), []),
    "wrong units said": (mesh(TUBE), ["--units", "m"]),
    "surface given as mask": (mesh(TUBE), ["--mask"]),
    "flow in a strange unit": (mesh(TUBE), ["--flow", "2.1 cups"]),
    "flow out of range": (mesh(TUBE), ["--flow", "400 mL/s"]),
    "unknown setting": (mesh(TUBE), ["--profile", "square"]),
    "unknown inlet": (mesh(TUBE), ["--inlet", "9"]),
    "missing waveform": (mesh(TUBE), ["--waveform", "nowhere.csv"]),
    "neck plane nowhere": (mesh(TUBE), ["--neck-plane", "nan,0,0,0,0,1"]),
    "neck plane without direction": (mesh(TUBE), ["--neck-plane", "0,0,0,0,0,0"]),
    "neck plane left empty": (mesh(TUBE), ["--neck-plane", ""]),
    "checkerboard": (nifti((np.indices((40, 40, 40)).sum(0) % 2 * 1000).astype(np.float32)), []),
    "pipe": (pipe, []),
    "mask of a sheet": (nifti(SHEET), ["--mask"]),
    "aneurysm apart from its artery": (nifti(SAC_APART), ["--mask"]),
}


@pytest.mark.parametrize("name", BAD)
def test_one_sentence_and_exit_code_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, options = BAD[name]
    path = make(tmp_path)
    code, _, err = run(capsys, "assess", str(path), "-o", str(tmp_path / "case"), *options)
    said = [line for line in err.splitlines() if line.startswith("aneuflow: ")]
    assert code == 2, err
    assert len(said) == 1 and said[0].endswith("."), err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("case/report/*")), "a report was made from bad input"


def test_no_vessel_in_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = nifti(RNG.normal(100.0, 5.0, size=(48, 48, 48)).astype(np.float32))(tmp_path)
    code, _, err = run(capsys, "assess", str(path), "-o", str(tmp_path / "case"))
    assert code in (2, 3), err
    assert "Traceback" not in err


def test_another_input_leaves_the_case_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    run(capsys, "assess", str(mesh(SPHERE, "one.stl")(tmp_path)), "-o", str(case))
    before = {file: file.read_bytes() for file in case.rglob("*") if file.is_file()}
    assert before
    code, _, err = run(capsys, "assess", str(mesh(TUBE, "other.stl")(tmp_path)), "-o", str(case))
    assert code == 2 and "holds another input" in err
    assert {file: file.read_bytes() for file in case.rglob("*") if file.is_file()} == before


def test_commands_on_what_is_no_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("segment", "model", "measure", "boundary", "simulate", "report"):
        code, _, err = run(capsys, command, str(tmp_path))
        assert code == 2 and "is no aneuflow case" in err


@pytest.mark.parametrize("text", ["simulate = 3", "x = 1", "[[simulate]]\ncycles = 1", "[segment]\nthreshold = nan"])
def test_settings_that_are_no_tables_of_numbers(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.toml").write_text(text)
    path = str(mesh(TUBE)(tmp_path))
    code, _, err = run(capsys, "assess", path, "-o", str(tmp_path / "case"), "--settings", str(tmp_path / "s.toml"))
    assert code == 2 and err.startswith("aneuflow: Setting "), err
    assert not (tmp_path / "case").exists()


def test_names_too_long_for_the_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = str(tmp_path / ("x" * 300))
    for arguments in (("assess", long, "-o", str(tmp_path / "case")), ("simulate", long)):
        code, _, err = run(capsys, *arguments)
        assert code == 4 and err.startswith("aneuflow: ") and "too long" in err


def test_a_case_within_its_input_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nifti(HOLEY)(tmp_path)
    code, _, err = run(capsys, "assess", str(tmp_path), "-o", str(tmp_path / "case"))
    assert code == 2 and "within the input folder" in err
    assert not (tmp_path / "case").exists()


def test_the_users_own_empty_folder_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    code, _, _ = run(capsys, "assess", str(tmp_path / "nothing.stl"), "-o", str(tmp_path / "mine"))
    assert code == 2 and not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize(
    "change", [{"input": {}}, {"input": "x"}, {"settings": [1]}, {"stages": [1]}, {"stages": {"model": {}}}, {"format": None}]
)
def test_edited_manifest(change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = tmp_path / "case"
    path = str(mesh(SPHERE)(tmp_path))
    run(capsys, "assess", path, "-o", str(case))
    manifest = case / "case.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    for arguments in (("model", str(case)), ("assess", path, "-o", str(case))):
        code, _, err = run(capsys, *arguments)
        assert code == 2 and "cannot be read as a case manifest" in err


@pytest.mark.parametrize(
    "text", ["input,case\n", "input,case\na.stl,../out\n", "input,case\na.stl,batch.csv\n", "input,case\n,a\n"]
)
def test_lists_that_name_no_input_or_no_folder(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text(text)
    code, _, err = run(capsys, "assess", "--batch", str(tmp_path / "list.csv"), "-o", str(tmp_path / "cases"))
    assert code == 2 and err.startswith("aneuflow: List "), err
    assert not (tmp_path / "cases").exists()


def test_a_name_that_is_not_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "report", str(tmp_path / "k\udcff"))
    assert code == 2 and "is not UTF-8" in err
