"""The whole way in a hospital: out of the archive, assessed, and back into the patient's study, by commands alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy.ndimage import gaussian_filter

from aneuflow.imaging import read_label_map
from aneuflow.report.dicom import derived_series
from aneuflow.types import Volume
from tests.cli.run import run
from tests.pacs.conftest import PASSWORD, USER, Orthanc

pytest.importorskip("highdicom", reason='the extra "dicom" is not installed')
LUMEN = Path(__file__).parents[2] / "examples/aneumo-case4/lumen.nii.gz"
MARGIN = 12


def hospital_series(folder: Path) -> str:
    """The bundled lumen as a contrast-filled vessel in noise, a patient's CT series in `folder`; its study UID."""
    lumen = read_label_map(LUMEN)
    vessel = gaussian_filter(np.pad((lumen.labels > 0).astype(float), MARGIN, mode="edge"), 1.2)
    values = np.round(40 + 320 * vessel + np.random.default_rng(0).normal(0, 8, vessel.shape)).astype(np.float32)
    affine = lumen.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, MARGIN)
    images = derived_series(Volume(values, affine, "CTA", "made up"), "hospital").headers
    folder.mkdir()
    for number, image in enumerate(images):
        image.PatientName, image.PatientID, image.ContrastBolusAgent = "Zhivago^Yuri", "4711", "agent"
        image.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return str(images[0].StudyInstanceUID)


@pytest.mark.slow
def test_out_of_the_archive_and_back(orthanc: Orthanc, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ANEUFLOW_PACS_USER", USER)
    monkeypatch.setenv("ANEUFLOW_PACS_PASSWORD", PASSWORD)
    study = hospital_series(tmp_path / "scanner")

    def aneuflow(*arguments: object) -> str:
        code, out, err = run(capsys, *map(str, arguments))
        assert code == 0, err
        return out

    aneuflow("pacs", "send", orthanc.dimse, tmp_path / "scanner")
    assert aneuflow("pacs", "find", orthanc.web, "--patient", "4711").split("\t")[0] == study
    aneuflow("pacs", "get", orthanc.web, study, "-o", tmp_path / "study")
    aneuflow("assess", tmp_path / "study", "-o", tmp_path / "case", "--steady", "--resolution", "0.3")
    aneuflow("export", tmp_path / "case", "--dicom", tmp_path / "results", "--source", tmp_path / "study")
    aneuflow("pacs", "send", orthanc.web, tmp_path / "results")

    listed = aneuflow("pacs", "find", orthanc.dimse, "--study", study).splitlines()
    assert sorted(line.split("\t")[2] for line in listed) == ["CT", "DOC", "SEG", "SEG", "SR"]
    regions = pydicom.dcmread(tmp_path / "results/regions.dcm")
    assert regions.SOPClassUID.name == "Surface Segmentation Storage" and regions.StudyInstanceUID == study
    seg = pydicom.dcmread(tmp_path / "results/segmentation.dcm")
    assert [item.SegmentLabel for item in seg.SegmentSequence] == ["Parent artery and branches", "Aneurysm sac"]
    # Whatever was segmented is bright: the segments lie on the vessel, slice by slice.
    images = {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, (tmp_path / "study").iterdir())}
    inside = []
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        source = groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        inside.append(images[source].pixel_array[frame > 0])
    assert np.mean(np.concatenate(inside) > 150) > 0.97
    report = pydicom.dcmread(tmp_path / "results/report.dcm")
    assert report.EncapsulatedDocument.startswith(b"%PDF")
    for file in (path for path in (tmp_path / "case").rglob("*") if path.is_file()):
        assert b"Zhivago" not in file.read_bytes() and study.encode() not in file.read_bytes(), file.name
