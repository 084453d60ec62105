"""Image features of the sac and of the zone about its wall."""

from __future__ import annotations

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.radiomics.intensity import histogram, statistics
from aneuflow.radiomics.processing import Sample, chosen, discretized, sample, zones
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.radiomics.texture import texture
from aneuflow.types import ByteArray, Measure, Radiomics, Volume

# In fewer voxels a texture of 32 levels is chance.
LEAST_VOXELS = 64


def measure_radiomics(volume: Volume, labels: ByteArray, settings: RadiomicsSettings) -> Radiomics:
    """All features of a volume whose labels are 0 background, 1 artery, 2 sac, on its voxels.

    A feature that is not defined for this region, such as a ratio to a mean of 0, is left out. Raises MethodError where a
    zone has too few voxels or no contrast.
    """
    found = sample(volume, labels, settings)
    values = features(found, settings)
    measures = tuple(Measure(id, value) for id, value in values.items() if np.isfinite(value))
    voxels = {zone: int(mask.sum()) for zone, mask in zones(found, settings.wall_width_mm).items()}
    return Radiomics(measures, settings.model_dump(), voxels)


def features(found: Sample, settings: RadiomicsSettings) -> dict[str, float]:
    """The value of each feature by quantity id, nan where it is not defined; raises as `measure_radiomics` does."""
    values: dict[str, float] = {}
    for zone, mask in zones(found, settings.wall_width_mm).items():
        region = chosen(found.values, mask, settings)
        if region.sum() < LEAST_VOXELS:
            raise MethodError(
                f"The {zone} has {int(region.sum())} voxels of {settings.spacing_mm:g} mm, under the {LEAST_VOXELS} that image "
                "features need; resample to smaller voxels or widen the intensity range."
            )
        levels, count = discretized(found.values, region, settings)
        families = {
            "": statistics(found.values[region]),
            "histogram_": histogram(levels[region], count),
            "texture_": texture(levels, count),
        }
        values |= {
            f"radiomics_{zone}_{prefix}{name}": value for prefix, part in families.items() for name, value in part.items()
        }
    return values
