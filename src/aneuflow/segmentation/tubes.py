"""How tubular the surroundings of a voxel are, from the Hessian at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from aneuflow.types import Float32Array

_SECOND_DERIVATIVES = (
    *(((i, i), tuple(2 * int(axis == i) for axis in range(3))) for i in range(3)),
    *(((i, j), tuple(int(axis in (i, j)) for axis in range(3))) for i, j in ((0, 1), (0, 2), (1, 2))),
)


def tubularity(
    values: Float32Array,
    mask: npt.NDArray[np.bool_],
    spacing_mm: float,
    scales_mm: Sequence[float],
) -> tuple[Float32Array, Float32Array]:
    """Strength and roundness of bright tubes at the voxels of `mask`, each (mask.sum(),) float32.

    values (nx, ny, nz) on cubic voxels. Strength is the scale-normalized second curvature -sigma^2 lambda2, the largest
    over the scales, in units of `values`, 0 where no tube; roundness lambda2 / lambda3 there: near 0 in a bright sheet,
    1 in a tube of round section or a ball. lambda1 is not used, so an aneurysm counts as much as the artery it sits on.
    Source: Sato et al. 1998 and Frangi et al. 1998, who penalize blobs as well.
    """
    strength = np.zeros(int(mask.sum()), np.float32)
    roundness = np.zeros_like(strength)
    for scale in scales_mm:
        sigma = scale / spacing_mm
        hessian = np.empty((strength.size, 3, 3), np.float32)
        for (i, j), order in _SECOND_DERIVATIVES:
            hessian[:, i, j] = hessian[:, j, i] = gaussian_filter(values, sigma, order=order, truncate=3.0)[mask]
        curvatures = np.linalg.eigvalsh(hessian) * sigma**2
        tube = np.maximum(-curvatures[:, 1], 0)
        better = tube > strength
        strength[better] = tube[better]
        roundness[better] = (curvatures[:, 1] / np.minimum(curvatures[:, 0], -1e-6))[better]
    return strength, roundness
