"""What is drawn at random for a simulated angiogram, in one table: the documentation and the checks read it too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from aneuflow.errors import InputError


@dataclass(frozen=True)
class Range:
    """Drawn uniformly in [low, high] (`unit`), or uniformly in the logarithm; held there too, or at zero where `absent`."""

    low: float
    high: float
    unit: str
    meaning: str
    logarithmic: bool = False
    absent: bool = False


ANATOMY: Mapping[str, Range] = {
    "skull_base_height": Range(0.15, 0.45, "1", "height of the skull base in the tree, as a share of the tree's height"),
    "skull_base_roughness": Range(3, 9, "mm", "standard deviation of that height over the skull base"),
    "bone_structure": Range(5, 12, "mm", "size of plates, cells and canals of the skull base"),
    "plate_thickness": Range(0.8, 3.0, "mm", "thickness of bone plates"),
    "bone_share": Range(0.0, 0.5, "1", "part of the skull base that is thick bone"),
    "air_share": Range(0.0, 0.3, "1", "part of the skull base that is air"),
    "canal_gap": Range(0.2, 2.0, "mm", "soft tissue between an artery and the bone around it"),
    "vein_radius": Range(0.4, 2.0, "mm", "typical radius of veins"),
    "vein_spacing": Range(14, 35, "mm", "typical distance between veins"),
    "sinus_share": Range(0.0, 0.5, "1", "part of the surroundings of the siphon that is cavernous sinus"),
    "plaques": Range(0.0, 2.0, "1", "calcified plaques in 10 cm3 of image (rounded down where there are few arteries)"),
    "mixing": Range(0.0, 0.12, "1", "standard deviation of the blood's signal along the arteries, relative"),
    "distal_loss": Range(0.0, 0.35, "1", "loss of the blood's signal within a millimeter of the wall of arteries, relative"),
}
CTA: Mapping[str, Range] = {
    "lumen_hu": Range(200, 560, "HU", "contrast column in large arteries"),
    "vein_share": Range(0.1, 0.75, "1", "contrast of veins over that of arteries"),
    "cortex_hu": Range(700, 1800, "HU", "cortical bone"),
    "marrow_hu": Range(120, 600, "HU", "marrow"),
    "brain_hu": Range(28, 42, "HU", "brain"),
    "kernel_fwhm_mm": Range(0.5, 1.0, "mm", "full width of the kernel in the axial plane"),
    "slice_fwhm_mm": Range(0.5, 1.2, "mm", "full width of the slice sensitivity"),
    "noise_hu": Range(4, 28, "HU", "standard deviation of the noise", absent=True),
    "noise_cutoff_per_mm": Range(0.35, 0.8, "1/mm", "frequency where the kernel ends the noise"),
}
MRA: Mapping[str, Range] = {
    "flip_degrees": Range(14, 26, "degree", "flip angle"),
    "repetition_ms": Range(18, 34, "ms", "repetition time"),
    "speed_mm_s": Range(120, 450, "mm/s", "speed of blood in the middle of large arteries"),
    "sac_speed": Range(0.15, 0.9, "1", "speed in a sac over that in arteries"),
    "slab_mm": Range(25, 70, "mm", "thickness of a slab that blood enters from below"),
    "transfer_saturation": Range(0.45, 1.0, "1", "signal left to brain by magnetization transfer"),
    "fat_saturation": Range(0.3, 1.0, "1", "signal left to fat"),
    "vein_share": Range(0.05, 0.4, "1", "signal of veins over that of fresh blood"),
    "acquired_mm": Range(0.35, 0.85, "mm", "acquired voxel in the plane, never finer than the image's"),
    "acquired_slice_mm": Range(0.5, 1.1, "mm", "acquired slice, never finer than the image's"),
    "shading": Range(0.0, 0.35, "1", "standard deviation of the logarithm of the coil's sensitivity"),
    "noise_share": Range(0.01, 0.06, "1", "noise in a channel over the signal of fresh blood", absent=True),
    "gain": Range(200, 4000, "1", "grey value of fresh blood", True),
}
ROTATIONAL: Mapping[str, Range] = {
    "lumen": Range(1200, 4500, "1", "grey value of the arteries over that of brain", True),
    "bone_share": Range(0.02, 0.4, "1", "bone over arteries"),
    "vein_share": Range(0.0, 0.25, "1", "veins over arteries"),
    "kernel_fwhm_mm": Range(0.25, 0.6, "mm", "full width of the kernel, the same along all axes"),
    "noise_share": Range(0.01, 0.07, "1", "noise over arteries", absent=True),
    "noise_cutoff_per_mm": Range(0.5, 1.2, "1/mm", "frequency where the kernel ends the noise"),
    "cupping": Range(0.0, 0.15, "1", "slow error of the background, over arteries"),
}
BY_MODALITY: Mapping[str, Mapping[str, Range]] = {"CTA": CTA, "MRA": MRA, "3DRA": ROTATIONAL}


def draw(modality: str, fixed: Mapping[str, float], rng: np.random.Generator) -> dict[str, float]:
    """One value of each parameter of the anatomy and of the modality; those `fixed` are taken as given.

    Raises InputError where `fixed` names none of them, or a value outside its range.
    """
    ranges = {**ANATOMY, **BY_MODALITY[modality]}
    unknown = sorted(set(fixed) - set(ranges))
    if unknown:
        raise InputError(f"{unknown[0]} is no parameter of a simulated {modality}; known are {', '.join(sorted(ranges))}.")
    for name, value in fixed.items():
        if not (ranges[name].low <= value <= ranges[name].high or (ranges[name].absent and value == 0.0)):
            raise InputError(
                f"{name} = {value:g} is outside what is drawn for a simulated {modality}, {ranges[name].low:g} to "
                f"{ranges[name].high:g} {ranges[name].unit}; choose a value between them."
            )
    values = {}
    for name, range_ in ranges.items():
        share = rng.random()  # drawn even where it is fixed, so that the other values stay as they are
        ends = np.log([range_.low, range_.high]) if range_.logarithmic else np.array([range_.low, range_.high])
        value = ends[0] + share * (ends[1] - ends[0])
        values[name] = float(fixed.get(name, np.exp(value) if range_.logarithmic else value))
    return values
