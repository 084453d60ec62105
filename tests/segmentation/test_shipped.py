"""The network that ships finds a patient's vessel in angiograms simulated from it, of a bundled mask it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aneuflow.geometry.from_labels import lumen_surface
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging.read import read_label_map
from aneuflow.imaging.simulated import SimulationSettings, TrueLumen, simulate_angiogram
from aneuflow.segmentation.metrics import dice
from aneuflow.segmentation.segment import segment
from aneuflow.segmentation.settings import SegmentSettings

LUMEN = Path(__file__).parents[2] / "examples" / "aneumo-case4" / "lumen.nii.gz"


@pytest.fixture(scope="module")
def lumen() -> TrueLumen:
    surface = lumen_surface(read_label_map(LUMEN), ModelSettings().smoothing_steps).surface
    return TrueLumen(surface, np.zeros(len(surface.points), bool))


@pytest.mark.parametrize(("modality", "least"), [("MRA", 0.85), ("3DRA", 0.9)])
def test_it_finds_the_vessel(lumen: TrueLumen, modality: str, least: float) -> None:
    found = []
    for seed in (1, 2, 3):
        made = simulate_angiogram(lumen, SimulationSettings(modality=modality, seed=seed, spacing_mm=0.5))
        result = segment(made.image, SegmentSettings(segmenter="network"))
        assert result.method.startswith("network simulated-angiograms")
        mask = np.zeros(made.labels.shape, bool)  # the result is a part of the image, on its voxels
        start = np.linalg.solve(made.image.affine, result.affine[:, 3])[:3].round().astype(int)
        mask[tuple(slice(a, a + n) for a, n in zip(start, result.labels.shape, strict=True))] = result.labels > 0
        found.append(dice(mask, np.isin(made.labels, (1, 2))))
    assert np.mean(found) > least
