"""Two examinations compared from case folders: growth found and shown, none found where there is none, wrong pairs refused."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case import store
from aneuflow.case.files import PolyData
from aneuflow.case.folder import CaseFolder, Manifest, StageRecord
from aneuflow.errors import InputError, MethodError
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.pipeline.compare import compare_cases
from aneuflow.pipeline.run import stage_key
from aneuflow.pipeline.settings import Settings
from aneuflow.pipeline.stages import MODEL
from aneuflow.types import LabelMap, LumenModel, Surface
from tests.morphology.retests import grown, retessellated, segment, turned

BARE = ModelSettings(inlet_extension_diameters=0, outlet_extension_diameters=0)


def case_of(source: Surface | LabelMap, folder: Path) -> Path:
    """A case folder with a model and nothing else."""
    return stored(build_model(source, BARE), folder)


def stored(model: LumenModel, folder: Path) -> Path:
    case = CaseFolder(folder)
    with case.locked():
        case.save(Manifest(input={"kind": "surface", "sha256": "0" * 64}, settings={}))
        with case.writing("model") as target:
            store.write_model(target, model)
        case.record("model", StageRecord("done", stage_key(MODEL, Settings(), {}), "model", case.outputs("model"), 0.0))
    return folder


@cache
def earlier() -> LumenModel:
    return build_model(segment("AN2"), BARE)


def test_growth_of_half_a_millimeter_is_found_measured_and_reported(tmp_path: Path) -> None:
    first = stored(earlier(), tmp_path / "2019")
    second = case_of(turned(grown("AN2", 0.5), 5), tmp_path / "2024")
    result = compare_cases(first, second, tmp_path / "growth", "en")
    assert result.verdict == "grown"
    assert 0.4 < result.growth.largest_mm < 0.6
    assert result.growth.artery_sd_mm < 0.05
    by_id = {change.first.id: change for change in result.changes}
    assert by_id["sac_volume"].value > 0 and by_id["sac_volume"].beyond_error
    content = json.loads((tmp_path / "growth/comparison.json").read_text("utf-8"))
    assert content["verdict"] == "grown" and content["grown_mm2"] > 20
    wall = PolyData(tmp_path / "growth/growth.vtp")
    assert wall.point_arrays["change"][wall.point_arrays["sac"] == 1].max() == pytest.approx(content["largest_mm"], abs=1e-5)
    # In the frame of the first examination, whatever that of the second was.
    assert np.abs(wall.points.mean(axis=0) - earlier().lumen.surface.points.mean(axis=0)).max() < 1.0
    page = (tmp_path / "growth/report.html").read_text("utf-8")
    assert "The sac has grown" in page and "2019" in page and "data:image/jpeg" in page


def test_copy_without_growth_is_not_called_growing(tmp_path: Path) -> None:
    first = stored(earlier(), tmp_path / "a")
    second = case_of(retessellated(segment("AN2"), 2), tmp_path / "b")
    result = compare_cases(first, second, tmp_path / "same", "zh")
    assert result.verdict == "unchanged"
    assert not [change.first.id for change in result.changes if change.beyond_error]
    assert "未见超出测量误差的变化" in (tmp_path / "same/report.html").read_text("utf-8")


def test_another_patient_is_refused(tmp_path: Path) -> None:
    first = stored(earlier(), tmp_path / "a")
    second = case_of(segment("AN164"), tmp_path / "b")
    with pytest.raises(MethodError, match="same artery of the same patient"):
        compare_cases(first, second, tmp_path / "wrong", "en")
    assert not (tmp_path / "wrong").exists()


def test_case_without_a_model_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    first = stored(earlier(), tmp_path / "a")
    empty = CaseFolder(tmp_path / "b")
    with empty.locked():
        empty.save(Manifest(input={"kind": "surface", "sha256": "0" * 64}, settings={}))
    with pytest.raises(InputError, match="no model that is whole and current"):
        compare_cases(first, tmp_path / "b", tmp_path / "c", "en")
    damaged = stored(earlier(), tmp_path / "d")
    (damaged / "model/lumen.vtp").write_bytes(b"<VTKFile")
    with pytest.raises(InputError, match="no model that is whole and current"):
        compare_cases(first, damaged, tmp_path / "c", "en")
    (tmp_path / "used").mkdir()
    (tmp_path / "used/other.txt").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        compare_cases(first, first, tmp_path / "used", "en")
