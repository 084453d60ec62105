"""What a reader must know about an image before trusting a vessel taken from it."""

from __future__ import annotations

import numpy as np

from aneuflow.types import Float32Array, FloatArray, Note

# An artery of 2 mm has three voxels across it at this size; thinner ones are lost and all are widened.
COARSE_MM = 0.6
ANISOTROPY_LIMIT = 3.0
COVERAGE_MM = 25.0
ZEROED_SHARE = 0.5


def quality_notes(values: Float32Array, affine: FloatArray) -> tuple[Note, ...]:
    """Notes on voxel size, anisotropy, field of view and a removed background. values (nx, ny, nz), affine to LPS mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    extent = spacing * values.shape
    notes = []
    if spacing.max() > COARSE_MM + 1e-3:
        notes.append(Note("coarse_voxels", {"spacing_mm": float(spacing.max()), "limit_mm": COARSE_MM}))
    if spacing.max() / spacing.min() > ANISOTROPY_LIMIT:
        notes.append(Note("anisotropic_voxels", {"ratio": float(spacing.max() / spacing.min())}))
    if extent.min() < COVERAGE_MM:
        notes.append(Note("small_field_of_view", {"extent_mm": float(extent.min())}))
    zeroed = float(np.mean(values == values.min()))
    if zeroed > ZEROED_SHARE:
        notes.append(Note("background_removed", {"share_percent": 100 * zeroed}))
    return tuple(notes)
