"""Image features as a part of a case: made by the case's settings, kept while they hold, refused where they cannot be made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case import store
from aneuflow.case.folder import CaseFolder
from aneuflow.case.radiomics_store import has_current_radiomics, read_radiomics
from aneuflow.errors import InputError
from aneuflow.pipeline.radiomics import radiomics_case, retest_cases
from aneuflow.quantities import quantity
from aneuflow.radiomics.measure import measure_radiomics
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.report.dicom import lumen_labels
from tests.cli.run import run
from tests.report.dicom.sample_case import write_case
from tests.report.sample import sample_image


def test_features_of_a_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = write_case(tmp_path / "case", sample_image()[0])
    code, out, err = run(capsys, "radiomics", str(case.path))
    assert code == 0, err
    assert "182 image features; voxels of 0.4 mm: sac" in out
    content = json.loads((case.path / "radiomics/radiomics.json").read_text("utf-8"))
    assert len(content["quantities"]) == 182 and set(content["voxels"]) == {"sac", "wall"}
    for entry in content["quantities"]:
        assert quantity(entry["id"]).group == "radiomics" and entry["settings"] == RadiomicsSettings().model_dump()
    volume, model = store.read_image(case.path / "image"), store.read_model(case.path / "model")
    labels = lumen_labels(model, volume.affine, volume.values.shape)
    ours, read = measure_radiomics(volume, labels, RadiomicsSettings()), read_radiomics(case.path / "radiomics")
    assert set(read.measures) == set(ours.measures) and (read.settings, read.voxels) == (ours.settings, ours.voxels)
    # The made-up sac is 260 bright, its surroundings 80: the zone about the wall has both.
    values = {entry["id"]: entry["value"] for entry in content["quantities"]}
    assert values["radiomics_sac_median"] == pytest.approx(260.0, abs=3.0)
    assert 100.0 < values["radiomics_wall_mean"] < 240.0 < values["radiomics_wall_percentile_90"]


def test_features_are_kept_while_image_model_and_settings_hold(tmp_path: Path) -> None:
    case = write_case(tmp_path / "case", sample_image()[0])
    assert radiomics_case(case.path).state == "done"
    assert radiomics_case(case.path).state == "kept"
    assert radiomics_case(case.path, {"radiomics": {"bins": 16}}).state == "done"
    assert has_current_radiomics(case) and read_radiomics(case.path / "radiomics").settings["bins"] == 16
    lumen = case.path / "model/lumen.vtp"
    lumen.write_bytes(lumen.read_bytes() + b"\n")
    assert not has_current_radiomics(case)


def test_a_case_without_an_image_is_refused(tmp_path: Path) -> None:
    case = write_case(tmp_path / "case", None, "mask")
    with pytest.raises(InputError, match="began with a mask; image features need an image"):
        radiomics_case(case.path)


def test_a_retest_of_cases_is_written_with_its_settings(tmp_path: Path) -> None:
    volume = sample_image()[0]
    cases = []
    for number in range(10):
        values = (volume.values * (1.0 + 0.1 * number)).astype(np.float32)
        case = write_case(tmp_path / f"case-{number}", replace(volume, values=values))
        manifest = case.manifest()
        case.save(replace(manifest, input={**manifest.input, "sha256": f"{number}" * 64}, stages={
            **manifest.stages, "import": replace(manifest.stages["import"], key=f"{number}" * 64),
        }))  # fmt: skip
        cases.append(case.path)
    written = retest_cases(cases, tmp_path / "retest.json", {"radiomics": {"spacing_mm": 0.5}}, 3)
    content = json.loads((tmp_path / "retest.json").read_text("utf-8"))
    assert content == written and content["settings"]["spacing_mm"] == 0.5 and content["seed"] == 3
    rows = {row["id"]: row for row in content["features"]}
    assert rows["radiomics_sac_mean"]["reliable"] and rows["radiomics_sac_mean"]["icc"] > 0.9
    assert not rows["radiomics_sac_histogram_maximum"]["reliable"]
    assert content["inputs"] == [f"{number}" * 64 for number in range(10)]
    with pytest.raises(InputError, match="given more than once"):
        retest_cases([*cases[:9], cases[0]], tmp_path / "twice.json")
    assert not CaseFolder(cases[0]).stage_folder("radiomics").exists()
