"""Test and retest: which image features stay what they are when the same image is looked at slightly differently.

After Zwanenburg et al., Scientific Reports 2019 (perturbation of one image in the place of a second examination).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial.transform import Rotation

from aneuflow.errors import InputError
from aneuflow.numerics.reliability import intraclass_correlation
from aneuflow.numerics.surface_fields import random_field
from aneuflow.radiomics.measure import features
from aneuflow.radiomics.processing import BoolArray, Sample, sample
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import LABEL_ANEURYSM, ByteArray, FloatArray, Progress, Volume, no_progress

LEAST_CASES = 10
REPEATS = 4
LARGEST_TURN_DEG = 15.0
# How unsure the lumen's wall is (Voss 2019, as for the wall's regions), alike over about 2 mm.
JITTER_MM, JITTER_LENGTH_MM = 0.13, 2.0
NORMAL_MEDIAN = 0.6745
NOISE_STEP = 2


@dataclass(frozen=True)
class Reliability:
    """ICC(1,1) of a feature under each kind of perturbation, and the least of them with its 95 % interval; None where the
    feature is undefined or the same in all cases."""

    id: str
    kinds: dict[str, float | None]
    icc: float | None
    low: float | None
    high: float | None


Perturbation = Callable[[Volume, ByteArray, RadiomicsSettings, np.random.Generator], Sample]


def rotated(volume: Volume, labels: ByteArray, settings: RadiomicsSettings, generator: np.random.Generator) -> Sample:
    """Voxels turned by up to 15 degrees about a random axis through the sac's middle."""
    axis = generator.normal(size=3)
    angle = np.deg2rad(generator.uniform(-LARGEST_TURN_DEG, LARGEST_TURN_DEG))
    turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    return sample(volume, labels, settings, turn)


def noisy(volume: Volume, labels: ByteArray, settings: RadiomicsSettings, generator: np.random.Generator) -> Sample:
    """The image with as much noise again as it has around the sac, normal and independent from voxel to voxel."""
    margin = np.ceil((settings.wall_width_mm + settings.spacing_mm) / np.linalg.norm(volume.affine[:3, :3], axis=0)) + 2
    found = np.argwhere(labels == LABEL_ANEURYSM)
    low, high = np.maximum(found.min(axis=0) - margin, 0).astype(int), (found.max(axis=0) + margin).astype(int) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    values = volume.values.copy()
    values[box] += generator.normal(scale=noise_level(values[box].astype(np.float64)), size=values[box].shape)
    return sample(replace(volume, values=values), labels, settings)


def jittered(volume: Volume, labels: ByteArray, settings: RadiomicsSettings, generator: np.random.Generator) -> Sample:
    """Masks whose border is moved to and fro by a smooth random field of 0.13 mm standard deviation."""
    found = sample(volume, labels, settings)
    places = np.indices(found.sac.shape).reshape(3, -1).T * np.float64(found.spacing_mm)
    shift = JITTER_MM * random_field(places, JITTER_LENGTH_MM, generator).reshape(found.sac.shape)
    lumen = _depth(found.lumen, found.spacing_mm) + shift > 0
    sac = lumen & (_depth(found.sac, found.spacing_mm) + shift > 0)
    return replace(found, sac=sac, lumen=lumen)


PERTURBATIONS: dict[str, Perturbation] = {"rotation": rotated, "noise": noisy, "mask": jittered}


def _depth(mask: BoolArray, spacing_mm: float) -> FloatArray:
    """Distance from the mask's border, in mm: over 0 inside it. Smoothed by a voxel, for the mask's own steps are none of the
    wall's, and no small shift would reach over them."""
    inside, outside = (distance_transform_edt(part, spacing_mm) for part in (mask, ~mask))
    smooth = gaussian_filter(np.where(mask, inside - spacing_mm / 2, spacing_mm / 2 - outside), 1.0)
    # Twice smoothed it has twice the error, by which a round mask would shrink.
    return np.asarray(2.0 * smooth - gaussian_filter(smooth, 1.0))


def noise_level(values: FloatArray) -> float:
    """Standard deviation of the noise, from the diagonal Haar wavelet of an image (nx, ny, nz) at a step of two voxels.

    The median makes it blind to edges (Chang et al., IEEE Transactions on Image Processing 2000). Two voxels, as reconstruction
    leaves neighbors alike. At least a thousandth of the image's spread, else a padded image has none.
    """
    x = values[NOISE_STEP:] - values[:-NOISE_STEP]
    y = x[:, NOISE_STEP:] - x[:, :-NOISE_STEP]
    diagonal = (y[:, :, NOISE_STEP:] - y[:, :, :-NOISE_STEP]) / np.sqrt(8.0)
    changing = np.abs(diagonal[diagonal != 0.0])
    median = float(np.median(changing)) if len(changing) else 0.0
    return max(median / NORMAL_MEDIAN, 1e-3 * float(values.std()))


def retest(
    cases: Iterable[tuple[Volume, ByteArray]],
    count: int,
    settings: RadiomicsSettings,
    seed: int,
    progress: Progress = no_progress,
) -> list[Reliability]:
    """How reliable each feature is over `count` cases (volume, labels), each looked at as it is and four times by each kind
    of perturbation.

    Raises InputError for under 10 cases, for an intraclass correlation of few says nothing.
    """
    if count < LEAST_CASES:
        raise InputError(f"{count} cases are too few to tell how reliable a feature is; give at least {LEAST_CASES}.")
    scores: dict[str, list[dict[str, FloatArray]]] = {kind: [] for kind in PERTURBATIONS}
    for number, (volume, labels) in enumerate(cases):
        progress(number / count, f"case {number + 1} of {count}")
        generator = np.random.default_rng([seed, number])
        plain = features(sample(volume, labels, settings), settings)
        for kind, perturbed in PERTURBATIONS.items():
            looks = [plain, *(features(perturbed(volume, labels, settings, generator), settings) for _ in range(REPEATS))]
            scores[kind].append({id: np.array([look[id] for look in looks]) for id in plain})
    progress(1.0, "retest")
    return [_reliability(id, {kind: np.array([row[id] for row in rows]) for kind, rows in scores.items()}) for id in plain]


def _reliability(id: str, scores: dict[str, FloatArray]) -> Reliability:
    found = {kind: intraclass_correlation(values) for kind, values in scores.items()}
    kinds = {kind: None if np.isnan(triple[0]) else triple[0] for kind, triple in found.items()}
    if None in kinds.values():
        return Reliability(id, kinds, None, None, None)
    return Reliability(id, kinds, *min(found.values()))
