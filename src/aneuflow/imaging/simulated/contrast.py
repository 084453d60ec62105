"""The grey value of each tissue, by modality, and the image a scanner makes of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aneuflow.imaging.simulated.grid import Grid, random_field
from aneuflow.imaging.simulated.head import Head
from aneuflow.imaging.simulated.scanner import ct_noise, ct_voxels, mr_voxels, steady_state
from aneuflow.types import Float32Array

Drawn = Mapping[str, float]

# T1 in ms at 3 T and proton density: blood by Lu et al. 2004, the rest rounded from Stanisz et al. 2005.
_BLOOD_T1 = 1650.0
_TISSUES = {
    "grey": (1700.0, 0.85),
    "white": (1050.0, 0.72),
    "liquor": (4000.0, 1.0),
    "fat": (380.0, 0.9),
    "marrow": (380.0, 0.45),
}
_DEEP_MM = 1.5


def blood_share(head: Head, drawn: Drawn) -> Float32Array:
    """The blood's signal relative to that in the middle of a large artery: mixing along the vessels, loss near the wall."""
    near_wall = np.clip(1 + head.wall_mm, 0, 1)
    share = (1 + drawn["mixing"] * head.mixing) * (1 - drawn["distal_loss"] * near_wall)
    return np.asarray(np.maximum(share, 0.3), np.float32)


def cta(grid: Grid, head: Head, drawn: Drawn, rng: np.random.Generator) -> Float32Array:
    """Hounsfield units on the voxels."""
    brain = drawn["brain_hu"]
    values = (brain + 3.0 * np.clip(head.matter, -1, 1)).astype(np.float32)
    values[head.liquor] = 8
    values[head.fat] = -90
    values[head.veins] = brain + drawn["vein_share"] * (drawn["lumen_hu"] - brain)
    values[head.marrow] = drawn["marrow_hu"] * (1 + 0.3 * np.clip(head.matter[head.marrow], -2, 2))
    values[head.cortex] = drawn["cortex_hu"]
    values[head.air] = -1000
    values[head.lumen] = brain + (drawn["lumen_hu"] - brain) * blood_share(head, drawn)[head.lumen]
    values[head.plaques] = np.maximum(values[head.plaques], 0.8 * drawn["cortex_hu"])
    kernel = (drawn["kernel_fwhm_mm"], drawn["kernel_fwhm_mm"], drawn["slice_fwhm_mm"])
    return ct_voxels(grid, values, kernel) + ct_noise(grid, drawn["noise_hu"], drawn["noise_cutoff_per_mm"], rng)


def mra(grid: Grid, head: Head, drawn: Drawn, rng: np.random.Generator) -> Float32Array:
    """Time-of-flight magnitude on the voxels; fresh blood has the grey value `gain`."""
    flip = np.radians(drawn["flip_degrees"])

    def still(tissue: str) -> float:
        """Signal of a tissue that stays in the slab, over that of fresh blood."""
        t1, density = _TISSUES[tissue]
        return density * float(steady_state(flip, drawn["repetition_ms"], t1))

    kept = drawn["transfer_saturation"]
    values = np.where(head.matter > 0, np.float32(kept * still("grey")), np.float32(kept * still("white")))
    values[head.liquor] = still("liquor")
    values[head.fat] = drawn["fat_saturation"] * still("fat")
    values[head.marrow] = drawn["fat_saturation"] * still("marrow")
    values[head.veins] = drawn["vein_share"]
    values[head.cortex] = 0.01
    values[head.air] = 0
    inflow = inflow_signal(head, drawn, rng.uniform(0, drawn["slab_mm"]))
    values[head.lumen] = (inflow * blood_share(head, drawn))[head.lumen]
    acquired = [
        max(drawn[name], step)
        for name, step in zip(("acquired_mm", "acquired_mm", "acquired_slice_mm"), grid.spacing_mm, strict=True)
    ]
    values = values * np.exp(drawn["shading"] * random_field(grid, 60.0, rng))
    return mr_voxels(grid, values.astype(np.float32), acquired, drawn["noise_share"], rng) * np.float32(drawn["gain"])


def inflow_signal(head: Head, drawn: Drawn, slab_offset_mm: float) -> Float32Array:
    """Blood's signal after the pulses it met since it entered a slab from below, over that of fresh blood.

    M(n) = Ms + (1 - Ms) (E1 cos a)^n, with n = travel / (speed TR) pulses; slow near walls, in thin vessels and in sacs.
    Several slabs upon another give steps (Parker et al. 1991).
    """
    flip = np.radians(drawn["flip_degrees"])
    travel = np.mod(head.height_mm + slab_offset_mm, drawn["slab_mm"])
    depth = np.clip(-head.wall_mm / _DEEP_MM, 0, 1)
    speed = drawn["speed_mm_s"] * (0.25 + 0.75 * depth * (2 - depth))
    speed = np.where(head.sac, drawn["sac_speed"] * speed, speed)
    pulses = travel / (speed * drawn["repetition_ms"] / 1000)
    saturated = float(steady_state(flip, drawn["repetition_ms"], _BLOOD_T1))
    left = np.exp(-drawn["repetition_ms"] / _BLOOD_T1) * np.cos(flip)
    return np.asarray(saturated + (1 - saturated) * left**pulses, np.float32)


def rotational(grid: Grid, head: Head, drawn: Drawn, rng: np.random.Generator) -> Float32Array:
    """Grey values of a three-dimensional rotational angiogram on the voxels, brain near 0."""
    values = (0.01 * head.matter).astype(np.float32)
    values[head.veins] = drawn["vein_share"]
    values[head.marrow] = 0.5 * drawn["bone_share"]
    values[head.cortex] = drawn["bone_share"]
    values[head.air] = -0.5 * drawn["bone_share"]
    values[head.lumen] = blood_share(head, drawn)[head.lumen]
    values += np.float32(drawn["cupping"]) * random_field(grid, 40.0, rng)
    voxels = ct_voxels(grid, values, [drawn["kernel_fwhm_mm"]] * 3)
    noise = ct_noise(grid, drawn["noise_share"], drawn["noise_cutoff_per_mm"], rng)
    return (voxels + noise) * np.float32(drawn["lumen"])
