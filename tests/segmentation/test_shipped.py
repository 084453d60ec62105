"""The networks that ship find the vessels of a bundled mask in angiograms simulated from it, and those of real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage.morphology import skeletonize

from aneuflow.geometry.from_labels import lumen_surface
from aneuflow.geometry.settings import ModelSettings
from aneuflow.imaging.read import read_image, read_label_map
from aneuflow.imaging.simulated import SimulationSettings, TrueLumen, simulate_angiogram
from aneuflow.segmentation.metrics import dice
from aneuflow.segmentation.segment import segment
from aneuflow.segmentation.settings import SegmentSettings
from tests.conftest import shared_data

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


@pytest.mark.parametrize(("modality", "axis", "least"), [("CTA", 0.97, 0.75), ("MRA", 0.9, 0.85)])
def test_in_a_real_circle_of_willis_it_finds_what_the_threshold_does(modality: str, axis: float, least: float) -> None:
    image = read_image(shared_data(f"imaging/topcow/dummy_{modality.lower()}.mha"), modality)
    by_network, by_threshold = (
        segment(image, SegmentSettings(segmenter=segmenter)).labels > 0 for segmenter in ("network", "threshold")
    )
    assert by_network[skeletonize(by_threshold)].mean() > axis
    assert dice(by_network, by_threshold) > least
