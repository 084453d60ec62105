"""What a case keeps of a DICOM file: nothing of any element that could tell who it is (PS3.15 Annex E), private ones included.

The whole DICOM dictionary is filled with marks, which is more than Annex E lists, and the case is searched for them.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset

from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.imaging import quiet_dicom
from aneuflow.pipeline.inputs import describe, import_input
from aneuflow.pipeline.settings import InputSettings
from tests.imaging.dicom_series import slice_writer

MARK, UID_MARK = "ZQ7", "1.2.826.77."
OF_KIND = {"DA": "19170101", "DT": "19170101111213", "TM": "111213.77", "AS": "099Y", "DS": "4242.4242", "IS": "424242"}
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS"}
# Groups 0 and 2 and pixel description make the file a file; the rest of what is needed is already in it.
CHARACTER_SET = 0x00080005
NOT_FILLED = {0x0000, 0x0002, 0x0028, 0x7FE0, 0xFFFE}


def mark(tag: int, kind: str) -> str | None:
    if kind in TEXTS:
        return f"{MARK}{tag:08X}"
    if kind == "UI":
        return f"{UID_MARK}{tag}"
    return OF_KIND.get(kind)


def fill(dataset: Dataset) -> int:
    """Every element of the dictionary that the dataset lacks gets a mark, sequences an item with marks; how many."""
    count = 0
    for tag, (kind, _, _, _, _) in DicomDictionary.items():
        value = mark(tag, kind)
        if tag >> 16 in NOT_FILLED or tag in dataset or tag & 0xFFFF == 0 or tag == CHARACTER_SET:
            continue
        if kind == "SQ" and "FunctionalGroups" not in pydicom.datadict.keyword_for_tag(tag):
            inner = Dataset()
            inner.PatientName, inner.PatientID, inner.TextValue = f"{MARK}inner", f"{MARK}id", f"{MARK}text"
            inner.add_new((0x0099, 0x0010), "LO", f"{MARK} INNER PRIVATE")
            inner.add_new((0x0099, 0x1001), "LO", f"{MARK}inner private")
            dataset.add_new(tag, "SQ", [inner])
        elif value is not None:
            dataset.add_new(tag, kind, value)
        else:
            continue
        count += 1
    for group in range(0x0009, 0x0060, 2):
        dataset.add_new((group, 0x0010), "LO", f"{MARK} PRIVATE")
        dataset.add_new((group, 0x1001), "LO", f"{MARK}private{group}")
        dataset.add_new((group, 0x1002), "UN", f"{MARK}unknown".encode())
    dataset.add_new((0x6000, 0x3000), "OW", f"{MARK}overlay!".encode())
    return count


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("marked") / f"{MARK}-folder"
    write = slice_writer(folder)
    for k in range(5):
        path = write(f"{MARK}{k}.dcm", k, (0, 0, 0.7 * k), SeriesInstanceUID=f"{UID_MARK}1", SOPInstanceUID=f"{UID_MARK}2.{k}")
        dataset = pydicom.dcmread(path)
        with quiet_dicom():
            assert fill(dataset) > 3000
            for name in ("TemporalPositionIdentifier", "EchoTime"):
                delattr(dataset, name)
            dataset.save_as(path)
    return folder


@pytest.fixture(scope="module")
def content(series: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Every byte and every name in a case made of the series."""
    case = CaseFolder(tmp_path_factory.mktemp("case") / "case")
    settings = InputSettings()
    with case.locked():
        described = describe(series, settings)
        record = import_input(case, series, described, settings)
        case.save(Manifest(input=described, settings={}, stages={"import": record}))
    parts = []
    for file in case.path.rglob("*"):
        parts.append(str(file.relative_to(case.path)).encode())
        if file.is_file():
            raw = file.read_bytes()
            parts.append(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    return b"\n".join(parts)


def test_no_marked_element_leaves_a_trace_in_the_case(content):
    assert b"DICOM series, CT, 5 slices" in content
    for trace in (MARK, UID_MARK, *OF_KIND.values()):
        assert trace.encode() not in content, trace
        assert trace.lower().encode() not in content.lower(), trace


def test_whatever_dicognito_would_change_is_not_in_the_case(series, content):
    dicognito = pytest.importorskip("dicognito.anonymizer", reason='dicognito is not installed (pip install "aneuflow[dev]")')
    path = next(iter(series.iterdir()))
    before, after = pydicom.dcmread(path), pydicom.dcmread(path)
    with quiet_dicom():
        for dataset in (before, after):  # it stumbles over marks where it expects sequences with content of their own
            for element in list(dataset):
                if element.VR == "SQ" or element.tag.group > 0x0040:
                    del dataset[element.tag]
        dicognito.Anonymizer(seed="test").anonymize(after)
    changed = [element for element in before if element.tag not in after or after[element.tag].value != element.value]
    texts = {str(element.value) for element in changed if len(str(element.value)) > 3}
    assert len(texts) > 60
    assert [text for text in texts if text.encode() in content] == []
