"""The anatomy around the arteries: skull with its base, air, brain, fat and veins, made at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.special import ndtri

from aneuflow.imaging.simulated.grid import Grid, random_field, to_fine, voxel_mean
from aneuflow.types import Float32Array, FloatArray

BoolArray = npt.NDArray[np.bool_]

# Half axes of the inside of a skull, its distance over the highest artery, and the scalp.
_SKULL_MM = (72.0, 92.0, 80.0)
_SCALP_MM = 6.0
_VAULT_MM = 6.0
# Veins keep this far from arteries, so that a voxel holds one or the other.
_VEIN_GAP_MM = 0.8
_SINUS_REACH_MM = 7.0


@dataclass(frozen=True, eq=False)
class Head:
    """What lies where on the fine grid (bool arrays, bone and so on never inside a lumen); brain is all that is nothing else.

    wall_mm: float32 distance from the wall of the arteries, negative inside. matter, mixing: random fields (mean 0,
    variance 1) that tell grey from white matter and vary the blood. height_mm: z over the lowest artery.
    """

    lumen: BoolArray
    sac: BoolArray
    cortex: BoolArray
    marrow: BoolArray
    air: BoolArray
    fat: BoolArray
    liquor: BoolArray
    veins: BoolArray
    plaques: BoolArray
    wall_mm: Float32Array
    matter: Float32Array
    mixing: Float32Array
    height_mm: Float32Array


def make_head(
    grid: Grid, lumen: BoolArray, sac: BoolArray, tree_mm: FloatArray, drawn: Mapping[str, float], rng: np.random.Generator
) -> Head:
    """A random head around a lumen on the fine grid; tree_mm (n, 3): the points of the whole arterial tree, LPS."""
    wall_mm = _wall_distance(grid, lumen)
    height = grid.fine_axis(2) - np.float32(tree_mm[:, 2].min())
    base, roof = _skull_base(grid, tree_mm, height, drawn, rng)
    skull, outside = _skull(grid, tree_mm)
    free = wall_mm > np.float32(drawn["canal_gap"]) * np.exp(0.4 * random_field(grid, 8.0, rng))
    structure = random_field(grid, drawn["bone_structure"], rng)
    cortex, marrow, air, fat = _bone_and_air(grid, structure, base, roof, drawn, rng)
    inside_skull = ~skull & ~outside
    cortex = ((cortex & inside_skull) | skull) & free
    marrow = marrow & inside_skull & free & ~cortex
    air = ((air & inside_skull) | (outside & (_from_skull(grid, tree_mm) > _SCALP_MM))) & free
    fat = ((fat & inside_skull) | (outside & ~air)) & free & ~cortex & ~marrow
    veins = _veins(grid, wall_mm, structure, base, drawn, rng) & ~cortex & ~marrow & ~air & ~lumen
    matter = random_field(grid, 5.0, rng)
    liquor = ~base & (np.abs(random_field(grid, 9.0, rng)) < 0.25)
    return Head(
        lumen=lumen,
        sac=sac,
        cortex=cortex,
        marrow=marrow,
        air=air & ~cortex & ~marrow,
        fat=fat & ~veins,
        liquor=liquor & ~veins & ~lumen,
        veins=veins,
        plaques=_plaques(grid, wall_mm, drawn, rng),
        wall_mm=wall_mm,
        matter=matter,
        mixing=random_field(grid, 6.0, rng),
        height_mm=np.broadcast_to(height, grid.fine_shape),
    )


def _wall_distance(grid: Grid, lumen: BoolArray) -> Float32Array:
    share = voxel_mean(grid, lumen.astype(np.float32))
    mask = share >= 0.5
    step = tuple(grid.spacing_mm)
    if not mask.any():
        return np.full(grid.fine_shape, 99.0, np.float32)
    half = 0.5 * float(grid.spacing_mm.min())
    outside = np.maximum(ndimage.distance_transform_edt(~mask, sampling=step) - half, 0)
    inside = np.maximum(ndimage.distance_transform_edt(mask, sampling=step) - half, 0)
    return to_fine(grid, (outside - inside).astype(np.float32))


def _skull_base(
    grid: Grid, tree_mm: FloatArray, height: Float32Array, drawn: Mapping[str, float], rng: np.random.Generator
) -> tuple[BoolArray, BoolArray]:
    """What lies below the roof of the skull base, and the roof itself, a plate."""
    level = drawn["skull_base_height"] * float(np.ptp(tree_mm[:, 2]))
    # The roof's height varies with x and y alone: the field of one layer.
    rough = np.float32(drawn["skull_base_roughness"]) * random_field(grid, 18.0, rng)[:, :, :1]
    depth = height - level - rough
    base = np.broadcast_to(depth < 0, grid.fine_shape)
    return base, base & (depth > -np.float32(drawn["plate_thickness"]))


def _from_skull(grid: Grid, tree_mm: FloatArray) -> Float32Array:
    """Distance in mm outside the outer table of an ellipsoidal skull around the tree, negative within (to first order)."""
    center = tree_mm.mean(axis=0)
    center[2] = tree_mm[:, 2].max() - _SKULL_MM[2] + 15.0
    radius = np.sqrt(sum(((grid.fine_axis(k) - np.float32(center[k])) / _SKULL_MM[k]) ** 2 for k in range(3)))
    return np.asarray((radius - 1) * np.float32(np.mean(_SKULL_MM)) - _VAULT_MM, np.float32)


def _skull(grid: Grid, tree_mm: FloatArray) -> tuple[BoolArray, BoolArray]:
    distance = _from_skull(grid, tree_mm)
    return (distance < 0) & (distance > -_VAULT_MM), distance >= 0


def _bone_and_air(
    grid: Grid, structure: Float32Array, base: BoolArray, roof: BoolArray, drawn: Mapping[str, float], rng: np.random.Generator
) -> tuple[BoolArray, BoolArray, BoolArray, BoolArray]:
    """Cortex, marrow, air and fat below the roof: thick bone where the field is low, air where it is high, plates between."""
    bone_level = ndtri(max(drawn["bone_share"], 1e-4))
    air_level = -ndtri(max(drawn["air_share"], 1e-4))
    # The mean slope of a spline field is about one over its knots' distance: half a plate is this much of the field.
    half = np.float32(0.6 * drawn["plate_thickness"] / drawn["bone_structure"])
    bone = base & (structure < bone_level)
    shell = base & (np.abs(structure - np.float32(bone_level)) < half) & (bone_level > -3)
    walls = base & (np.abs(structure - np.float32(air_level)) < half) & (air_level < 3)
    spongy = random_field(grid, 1.5, rng)
    air = base & (structure > air_level) & ~walls
    cells = bone & (spongy > 1.6)
    marrow = bone & ~shell & (spongy > -0.6)
    cortex = roof | shell | walls | (bone & ~marrow)
    fat = base & ~bone & ~air & ~cortex & (random_field(grid, 7.0, rng) > 0.7)
    return cortex & ~cells, marrow & ~cells, air | (cells & (structure < bone_level - 0.5)), fat


def _veins(
    grid: Grid,
    wall_mm: Float32Array,
    structure: Float32Array,
    base: BoolArray,
    drawn: Mapping[str, float],
    rng: np.random.Generator,
) -> BoolArray:
    """Tubes around the curves where two smooth fields vanish, and a sinus around the arteries of the skull base."""
    length = drawn["vein_spacing"]
    radius = np.float32(drawn["vein_radius"] / length) * np.exp(0.5 * random_field(grid, 20.0, rng))
    tubes = np.hypot(random_field(grid, length, rng), random_field(grid, length, rng)) < radius
    sinus = base & (wall_mm < _SINUS_REACH_MM) & (np.abs(structure) < drawn["sinus_share"])
    return (tubes | sinus) & (wall_mm > _VEIN_GAP_MM)


def _plaques(grid: Grid, wall_mm: Float32Array, drawn: Mapping[str, float], rng: np.random.Generator) -> BoolArray:
    """Balls of calcium just outside the wall."""
    plaques = np.zeros(grid.fine_shape, bool)
    step = grid.fine_spacing_mm
    count = int(drawn["plaques"] * np.prod(grid.shape) * np.prod(grid.spacing_mm) / 10_000)
    wall = np.flatnonzero(np.abs(wall_mm) < 0.3)
    for place in rng.choice(wall, min(count, len(wall)), replace=False) if len(wall) else ():
        middle, radius = np.array(np.unravel_index(place, grid.fine_shape)), rng.uniform(0.3, 0.9)
        reach = np.ceil(radius / step).astype(int)
        box = tuple(slice(max(m - r, 0), m + r + 1) for m, r in zip(middle, reach, strict=True))
        offsets = np.stack(
            np.meshgrid(*[np.arange(s.start, min(s.stop, n)) for s, n in zip(box, plaques.shape, strict=True)], indexing="ij"),
            -1,
        )
        plaques[box] |= np.linalg.norm((offsets - middle) * step, axis=-1) < radius
    return plaques & (wall_mm > -0.2)
