"""Waveforms: the bundled one against the curve its points were read from, users' tables, and tables that must be refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aneuflow.boundary.waveform import bundled_names, bundled_waveform, is_bundled, read_waveform
from aneuflow.errors import InputError
from tests.conftest import shared_data


def table(folder: Path, text: str) -> Path:
    path = folder / "wave.csv"
    path.write_text(text, "utf-8")
    return path


def test_the_bundled_waveform_has_its_feature_points_and_mean_one() -> None:
    wave = bundled_waveform("ica-older-adults")
    assert wave.ratio.mean() == pytest.approx(1.0)
    assert wave.period_s == 0.9
    assert wave.phase[np.argmax(wave.ratio)] == pytest.approx(0.114, abs=0.005)
    assert wave.phase[np.argmin(wave.ratio)] == pytest.approx(0.986, abs=0.005)
    assert wave.ratio.max() / wave.ratio.min() == pytest.approx(2.189 / 0.403, rel=0.02)
    assert is_bundled("ica-older-adults")
    assert bundled_names() == ("ica-older-adults",)


def test_the_bundled_waveform_is_near_the_curve_of_its_points() -> None:
    reference = np.loadtxt(shared_data("clinical/waveforms/ica_waveform.csv"), delimiter=",", skiprows=1)
    wave = bundled_waveform("ica-older-adults")
    difference = np.interp(reference[:, 0], wave.phase, wave.ratio, period=1.0) - reference[:, 1]
    # Seven points leave the slow late-diastolic fall undetermined: 0.107 was measured.
    assert np.sqrt(np.mean(difference**2)) < 0.11


def test_a_table_in_seconds_closes_its_own_period(tmp_path: Path) -> None:
    wave = read_waveform(table(tmp_path, "# mine\nt_s, q_ml_s\n0.1,2\n0.3,6\n0.5,4\n0.9,2\n"))
    assert wave.period_s == pytest.approx(0.8)
    np.testing.assert_allclose(wave.phase, [0.0, 0.25, 0.5])
    # Mean of the piecewise linear flow: (2+6)/2/4 + (6+4)/2/4 + (4+2)/2/2 = 3.75.
    np.testing.assert_allclose(wave.ratio, np.array([2.0, 6.0, 4.0]) / 3.75)


def test_an_open_table_takes_the_period_it_is_given(tmp_path: Path) -> None:
    text = "t_s,q_ml_s\n0,1\n0.2,3\n0.4,2\n0.6,1.5\n"
    assert read_waveform(table(tmp_path, text), 0.8).phase.tolist() == pytest.approx([0.0, 0.25, 0.5, 0.75])
    with pytest.raises(InputError, match=r"does not close its cycle.*--period"):
        read_waveform(table(tmp_path, text))


def test_a_normalized_table_and_a_byte_order_mark(tmp_path: Path) -> None:
    wave = read_waveform(table(tmp_path, "\ufefft_over_T,q_over_mean\n0,0.5\n0.25,1.5\n0.5,1.5\n0.75,0.5\n"))
    assert (wave.period_s, wave.name) == (0.9, "wave.csv")
    np.testing.assert_allclose(wave.ratio, [0.5, 1.5, 1.5, 0.5])


@pytest.mark.parametrize(
    ("rows", "period", "sentence"),
    [
        ("0,1\n0.2,3\n0.2,2\n0.6,1\n", 0.9, r"Time repeats in row 3 .*\(0\.2, then 0\.2\)"),
        ("0,1\n0.4,3\n0.2,2\n0.6,1\n", 0.9, r"Time runs backward in row 3 .*\(0\.4, then 0\.2\)"),
        ("0,1\n0.2,nan\n0.4,2\n0.6,1\n", 0.9, "Row 2 .* has 'nan' for q_ml_s"),
        ("0,1\n0.2\n0.4,2\n0.6,1\n", 0.9, "Row 2 .* has '' for q_ml_s"),
        ("0,1\n0.2,many\n0.4,2\n0.6,1\n", 0.9, "'many'"),
        ("0,-1\n0.2,-3\n0.4,-2\n0.6,-1\n", 0.9, "mean flow of -1.*must be positive"),
        ("0,1\n0.2,3\n", 0.9, "has 2 rows; at least 4"),
        ("", 0.9, "has 0 rows"),
        ("0,1\n0.2,3\n0.4,2\n1.8,1\n", 0.9, "spans 2 periods of 0.9 s"),
        ("0,1\n0.2,3\n0.4,2\n0.9,2\n", 0.9, "ends one period after its start with flow 2, not 1"),
    ],
)
def test_bad_tables_are_refused_with_a_sentence(tmp_path: Path, rows: str, period: float, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        read_waveform(table(tmp_path, "t_s,q_ml_s\n" + rows), period)


@pytest.mark.parametrize("header", ["time,flow", "t_s,t_over_T", "t_s,flow", ""])
def test_unknown_columns_are_named(tmp_path: Path, header: str) -> None:
    with pytest.raises(InputError, match="needs exactly one column of"):
        read_waveform(table(tmp_path, f"{header}\n0,1\n0.2,3\n0.4,2\n0.6,1\n" if header else ""))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.csv cannot be read"):
        read_waveform(tmp_path / "missing.csv")
    (tmp_path / "image.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match=r"image\.csv cannot be read"):
        read_waveform(tmp_path / "image.csv")
