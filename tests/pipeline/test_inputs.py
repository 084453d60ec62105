"""What the import writes down of a study with several series."""

from __future__ import annotations

import json
from pathlib import Path

from pydicom.uid import generate_uid

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder, Manifest
from aneuflow.pipeline.inputs import describe, import_input
from aneuflow.pipeline.settings import InputSettings
from aneuflow.report.text import note_text
from tests.imaging.dicom_series import slice_writer


def test_why_this_series_stands_in_the_manifest_and_in_the_notes_of_both_languages(tmp_path: Path) -> None:
    write = slice_writer(tmp_path / "study")
    plain = generate_uid()
    for k in range(12):
        write(f"a{k}.dcm", k, (0, 0, 0.7 * k), SeriesDescription="Kopf TOF Zhivago")
        write(f"b{k}.dcm", k, (0, 0, 5.0 * k), SeriesInstanceUID=plain, SliceThickness="5", ContrastBolusAgent="")
    case = CaseFolder(tmp_path / "case")
    settings = InputSettings()
    with case.locked():
        described = describe(tmp_path / "study", settings)
        record = import_input(case, tmp_path / "study", described, settings)
        case.save(Manifest(input=described, settings={}, stages={"import": record}))
    told = json.loads((case.path / "case.json").read_text())["stages"]["import"]["reason"]
    assert told.startswith(
        "Of 2 series the one with 12 slices of 0.7 mm was taken as the angiogram: 9 points (words of angiography +4"
    )
    assert "Not taken: a series CT of 12 slices of 5 mm, 0 points (–)." in told
    assert "Zhivago" not in told
    notes = {note.code: note for note in store.read_image(case.path / "image").notes}
    assert "血管造影词语 +4" in note_text("zh", notes["series_chosen"])
    assert note_text("en", notes["series_chosen"]) in told
