"""Growth that was put in is found, copies are not called growing, on several real segments."""

import pytest

from aneuflow.errors import MethodError
from aneuflow.geometry.follow_up import compare_models, with_neck_of
from aneuflow.geometry.model import build_model
from aneuflow.geometry.settings import ModelSettings
from aneuflow.types import LabelMap, LumenModel, Surface
from tests.morphology.retests import grown, retessellated, segment, turned, voxels

BARE = ModelSettings(inlet_extension_diameters=0, outlet_extension_diameters=0)
SD_MM = 0.13


def model(source: Surface | LabelMap) -> LumenModel:
    return build_model(source, BARE)


def test_turned_copy_lies_on_its_original_and_has_its_neck() -> None:
    first, second = model(segment("AN164")), model(turned(segment("AN164"), 1))
    growth = compare_models(first, second, SD_MM)
    assert growth.overlap > 0.99 and growth.artery_sd_mm < 0.01
    assert max(growth.largest_mm, -growth.least_mm) < 0.02
    carried = with_neck_of(first, second, growth).aneurysm
    assert carried is not None and first.aneurysm is not None
    assert growth.motion(carried.ostium.center_mm[None])[0] == pytest.approx(first.aneurysm.ostium.center_mm, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AN164", "AN202", "AN42-1", "AN138", "AN157"])
def test_half_a_millimeter_is_found_and_copies_are_not_called_growing(name: str) -> None:
    first = model(segment(name))
    for copy in (turned(segment(name), 1), retessellated(segment(name), 2), voxels(segment(name), 0.3, 3)):
        growth = compare_models(first, model(copy), SD_MM)
        assert growth.grown_mm2 == 0 and growth.shrunk_mm2 == 0
    for later in (turned(grown(name, 0.5), 1), voxels(grown(name, 0.5), 0.3, 4), turned(grown(name, 0.5, 2.5), 5)):
        growth = compare_models(first, model(later), SD_MM)
        assert growth.grown_mm2 > 2 and growth.shrunk_mm2 == 0
        assert growth.largest_mm == pytest.approx(0.5, abs=0.15)
    growth = compare_models(first, model(turned(grown(name, -0.5), 1)), SD_MM)
    assert growth.shrunk_mm2 > 2 and growth.grown_mm2 == 0


def test_vessel_without_a_sac_has_no_growth() -> None:
    bare = build_model(segment("AN164"), BARE.model_copy(update={"aneurysm": "none"}))
    with pytest.raises(MethodError, match="no aneurysm"):
        compare_models(bare, bare, SD_MM)
