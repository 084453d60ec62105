"""Records are read alike from CSV, JSON and DICOM, and what is wrong with one is said by name and value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from aneuflow.boundary.records import parse_place, read_record, read_records, record_to_json
from aneuflow.errors import InputError

TIME = np.arange(50) / 50.0
VELOCITY = 40.0 + 20.0 * np.sin(2 * np.pi * TIME)
PRESSURE = 90.0 + 20.0 * np.sin(2 * np.pi * TIME)
HEMODYNAMIC_WAVEFORM = "1.2.840.10008.5.1.4.1.1.9.2.1"


def table(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def csv_text(header: str = "t_s,peak_velocity_cm_s,pressure_mmHg") -> str:
    rows = [f"{t},{v},{p}" for t, v, p in zip(TIME.tolist(), VELOCITY.tolist(), PRESSURE.tolist(), strict=True)]
    return table("# diameter_mm: 3.5", "# angle_deg: 30", header, *rows)


def dicom(path: Path, units: tuple[str, ...] = ("cm/s", "mm[Hg]")) -> Path:
    """A hemodynamic waveform object of 16 bit samples, 0.01 of a unit each."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = HEMODYNAMIC_WAVEFORM, generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.Modality = "Someone^Real", "HD"
    group = Dataset()
    group.WaveformOriginality, group.SamplingFrequency = "ORIGINAL", 50.0
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(units), len(TIME)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.ChannelDefinitionSequence = []
    for unit, label in zip(units, ("peak velocity", "aortic pressure"), strict=True):
        channel, code, source = Dataset(), Dataset(), Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = unit, "UCUM", unit
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "1", "99TEST", label
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor, channel.ChannelBaseline = "0.01", "1", "0"
        channel.ChannelSensitivityUnitsSequence, channel.ChannelSourceSequence = [code], [source]
        channel.WaveformBitsStored, channel.ChannelSampleSkew = 16, "0"
        group.ChannelDefinitionSequence.append(channel)
    samples = np.round(100.0 * np.stack([VELOCITY, PRESSURE], axis=1)).astype("<i2")
    group.WaveformData = samples.tobytes()
    dataset.WaveformSequence = [group]
    dataset.save_as(path, enforce_file_format=True)
    return path


def test_csv_json_and_dicom_hold_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv_text())
    record = read_record(tmp_path / "a.csv")
    (tmp_path / "a.json").write_text(json.dumps(record_to_json(record)))
    for other in (read_record(tmp_path / "a.json"), read_record(dicom(tmp_path / "a.dcm"))):
        np.testing.assert_allclose(other.time_s, TIME, atol=1e-9)
        for quantity, wanted in (("velocity", 0.01 * VELOCITY), ("pressure", 133.322387 * PRESSURE)):
            (curve,) = other.of(quantity)  # type: ignore[arg-type]
            np.testing.assert_allclose(curve.values, wanted, atol=0.006 * wanted.max() / 60.0)
        assert other.of("velocity")[0].kind == "peak"
    assert (record.diameter_mm, record.angle_deg) == (3.5, 30.0)
    assert "Someone" not in json.dumps(record_to_json(read_record(tmp_path / "a.dcm")))


def test_units_of_time_and_of_the_diameter(tmp_path: Path) -> None:
    rows = [f"{1000 * t},{0.01 * v}" for t, v in zip(TIME.tolist(), VELOCITY.tolist(), strict=True)]
    (tmp_path / "a.csv").write_text(table("# diameter_cm = 0.35", "time [ms], mean velocity [m/s]", *rows))
    record = read_record(tmp_path / "a.csv")
    np.testing.assert_allclose(record.time_s, TIME, atol=1e-12)
    np.testing.assert_allclose(record.of("velocity")[0].values, 0.01 * VELOCITY)
    assert record.of("velocity")[0].kind == "mean"
    assert record.diameter_mm == pytest.approx(3.5)


HEAD = "t_s,peak_velocity_cm_s"
BAD = {
    "repeats": (table(HEAD, "0,40", "0.1,45", "0.1,50", "0.2,45"), r"Time repeats in row 3 .*0\.1 s"),
    "backward": (table(HEAD, "0,40", "0.2,45", "0.1,50", "0.3,45"), r"runs backward in row 3 .*0\.2 s, then 0\.1 s"),
    "nan": (table(HEAD, "0,40", "0.1,nan", "0.2,50", "0.3,45"), r"velocity in row 2"),
    "text": (table(HEAD, "0,40", "0.1,fast", "0.2,50", "0.3,45"), r"velocity in row 2"),
    "short row": (table(HEAD, "0,40", "0.1", "0.2,50", "0.3,45"), r"velocity in row 2"),
    "too few": (table(HEAD, "0,40", "0.1,45"), "2 rows"),
    "no unit": (table("t_s,velocity", "0,40"), "Column 'velocity'.*no unit"),
    "unknown unit": (table("t_s,velocity [knots]", "0,40"), "unit 'knots'"),
    "no time": (table("velocity_cm_s", "40"), "exactly one column of time"),
    "two times": (table("t_s,t_ms,velocity_cm_s", "0,0,40"), "exactly one column of time"),
    "mixed": (table("t_s,velocity_cm_s,velocity_m_s", *[f"0.{k},40,0.4" for k in range(5)]), "'velocity' more than once"),
    "metres": (table("t_s,velocity_m_s", *[f"0.{k},40" for k in range(5)]), r"4000 cm/s.*no artery.*unit"),
    "nothing measured": (table("t_s,diameter_mm", *[f"0.{k},3" for k in range(5)]), "no velocity, pressure or flow"),
    "empty": ("\n", "is empty"),
    "json": ('{"time": {"unit": "s"', "no JSON"),
    "json without unit": ('{"time": {"values": [0, 1]}}', "lacks or misspells an entry"),
    "json of another quantity": ('{"time": {"unit": "mmHg", "values": [0, 1]}}', "has the unit mmHg"),
    "json of two lengths": (
        '{"time": {"unit": "s", "values": [0, 1]}, "pressure": {"unit": "Pa", "values": [9000]}}',
        "2 times and 1 values",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_record_is_refused_by_name_and_value(tmp_path: Path, name: str) -> None:
    text, sentence = BAD[name]
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=sentence) as refused:
        read_record(tmp_path / "bad.csv")
    assert "bad.csv" in str(refused.value)


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00binary")
    for path, sentence in ((tmp_path / "bytes.csv", "neither text nor DICOM"), (tmp_path / "none.csv", "cannot be read")):
        with pytest.raises(InputError, match=sentence):
            read_record(path)
    with pytest.raises(InputError, match="no waveform of velocity, pressure or flow"):
        read_record(dicom(tmp_path / "a.dcm", units=("mV", "mV")))
    content = (dicom(tmp_path / "cut.dcm")).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(content[: len(content) - 60])
    with pytest.raises(InputError, match=r"cut\.dcm"):
        read_record(tmp_path / "cut.dcm")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: ("t_s,velocity_cm_s\n" + text).encode()))
)
def test_noise_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "noise.csv").write_bytes(content)
    try:
        read_record(tmp_path / "noise.csv")
    except InputError as refused:
        assert "noise.csv" in str(refused)


def test_records_by_cap(tmp_path: Path) -> None:
    assert parse_place("3=a.csv") == (3, "a.csv")
    assert parse_place("x=a.csv") == (None, "x=a.csv")
    (tmp_path / "a.csv").write_text(csv_text())
    assert set(read_records(tmp_path, ["1=a.csv", "2=a.csv"])) == {1, 2}
    with pytest.raises(InputError, match="Two records are given for cap 1"):
        read_records(tmp_path, ["1=a.csv", "1=a.csv"])


def test_pydicom_applies_the_sensitivity(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(dicom(tmp_path / "a.dcm"))
    np.testing.assert_allclose(dataset.waveform_array(0)[:, 0], VELOCITY, atol=0.006)
