"""Arteries from an angiogram by a trained network, which finds them; their wall is placed by the image."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import product
from pathlib import Path

import numpy as np
from scipy import ndimage

from aneuflow.errors import InputError
from aneuflow.numerics.resample import resample_isotropic
from aneuflow.segmentation.brightness import without_veins
from aneuflow.segmentation.intensity import normalized
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.sliding import Tiling, lumen_and_aneurysm
from aneuflow.segmentation.walls import CORNERS, NO_VESSEL, Candidates, Contrast, background, labels_within, working_spacing
from aneuflow.types import Float32Array, FloatArray, LabelMap, Progress, Volume, no_progress

KEY = "aneuflow-segmenter"
_TILE = 64
# The network's lumen is a share of the voxel. What hangs together with lumen is followed down to this, so that the image
# can place the wall; beside bone it is the bound. A leveled network is surer of veins: they have less than its bound.
_CANDIDATE, _CANDIDATE_LEVELED = 0.1, 0.3
_LUMEN = 0.5
_FOLLOW_SHARE = 0.15
_FEWEST_VOXELS = 20
# As far as the tissue around a vessel is looked at (`walls.background`).
_MARGIN_MM = 10.0
# Its kernel and voxels are so small that the image says where the wall is; elsewhere blood dims toward the wall, and the
# network, which learned that from true lumens, places it with less error (docs/segmentation.md).
_SHARP = "3DRA"
_SOFT_TISSUE_HU = (-50.0, 130.0)


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network: `name` with the start of its file's SHA-256, the spacing it works at, and how to run a tile.

    is_ct: trained on HU alone or on grey values alone; None: on both. leveled: it takes images with large arteries at 1.
    """

    name: str
    spacing_mm: float
    is_ct: bool | None
    leveled: bool
    tiling: Tiling


def shipped_network(modality: str) -> Path:
    """The file of the network that ships for images of `modality`."""
    name = "segmenter-ct.onnx" if modality == "CTA" else "segmenter.onnx"
    return Path(str(files("aneuflow") / "data" / "segmenter" / name))


def load_network(file: Path) -> Network:
    """The ONNX file of `aneuflow train segmenter`; runs on a GPU where onnxruntime has one. Raises InputError."""
    import onnxruntime

    if not file.is_file():
        raise InputError(f"{file} is no file; give the model.onnx of `aneuflow train segmenter` with --model.")
    wanted = [
        name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in onnxruntime.get_available_providers()
    ]
    try:
        session = onnxruntime.InferenceSession(str(file), providers=wanted)
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise InputError(f"{file} is no ONNX file that can be run; give one of `aneuflow train segmenter`.") from error
    about = session.get_modelmeta().custom_metadata_map
    if KEY not in about:
        raise InputError(f"{file} is no segmenter of aneuflow; give the model.onnx of `aneuflow train segmenter`.")
    plan = json.loads(about["plan"])
    multiple = int(plan["multiple"])

    def run(tile: Float32Array) -> Float32Array:
        return np.asarray(session.run(None, {"image": tile[None, None]})[0][0], np.float32)

    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    size = -(-max(_TILE, int(plan["patch"])) // multiple) * multiple
    name, leveled = f"{plan['name']} {digest}", plan.get("leveled", False)
    return Network(name, float(plan["spacing_mm"]), plan["is_ct"], leveled, Tiling(size, run))


def network_maps(
    network: Network, volume: Volume, progress: Progress = no_progress
) -> tuple[Float32Array, Float32Array, FloatArray]:
    """Probability of lumen and of aneurysm on cubic voxels of the network's spacing, and their affine (4, 4) to LPS mm.

    The lumen is 0 where it is not as bright as arteries are: see `brightness.without_veins`.
    """
    is_ct = volume.modality == "CTA" if network.is_ct is None else network.is_ct
    values, affine = resample_isotropic(volume.values, volume.affine, network.spacing_mm, order=3)
    np.clip(values, volume.values.min(), volume.values.max(), out=values)
    image = normalized(values, is_ct)
    lumen, aneurysm, level = lumen_and_aneurysm(network.tiling, image, network.leveled, progress)
    return without_veins(lumen, image, volume.modality, network.spacing_mm, level), aneurysm, affine


def segment_by_network(
    network: Network, volume: Volume, settings: SegmentSettings, progress: Progress = no_progress
) -> LabelMap:
    """The arteries in `volume` as label 1 on cubic voxels, with the soft map whose 0.5 surface is the vessel wall.

    The network says where arteries are. In a rotational angiogram, or with a threshold given, the image says where their wall
    is, else the network's share of lumen: see `walls.labels_within`. Raises InputError where no vessel is found.
    """
    lumen, _, place = network_maps(network, volume, lambda fraction, message: progress(0.6 * fraction, message))
    return labels_of_map(lumen, place, network, volume, settings, progress)


def labels_of_map(
    lumen: Float32Array, place: FloatArray, network: Network, volume: Volume, settings: SegmentSettings,
    progress: Progress = no_progress,
) -> LabelMap:  # fmt: skip
    """As `segment_by_network`, from the network's probability of lumen and its affine as `network_maps` gives them."""
    # What follows takes some hundred bytes a voxel; most of an image is far from any vessel.
    candidate = _CANDIDATE_LEVELED if network.leveled else _CANDIDATE
    volume = _cut(volume, _vessels_box(lumen, candidate) @ place[:3, :3].T + place[:3, 3])
    spacing_mm = working_spacing(volume, settings)
    values, affine = resample_isotropic(volume.values, volume.affine, spacing_mm, order=3)
    np.clip(values, volume.values.min(), volume.values.max(), out=values)
    # Both grids run along the same axes.
    ratio, start = np.full(3, spacing_mm / network.spacing_mm), np.linalg.solve(place, affine[:, 3])[:3]
    found = ndimage.affine_transform(lumen, ratio, start, output_shape=values.shape, order=3, mode="nearest").clip(0, 1)
    contrast = _contrast(values, found, volume.modality, spacing_mm)
    follow, wall = _FOLLOW_SHARE * contrast.lumen, "local half maximum"
    if volume.modality != _SHARP and settings.threshold is None:
        contrast, follow = Contrast(found, 0.0, contrast.noise / contrast.lumen, 1.0), candidate
        wall = "half of the network's lumen"
    parts, count = ndimage.label((found > candidate) & (contrast.values > follow), CORNERS)
    keep = np.bincount(parts[found > _LUMEN], minlength=count + 1) > 0
    keep[0] = False
    candidates = Candidates(keep[parts], contrast, affine, spacing_mm, follow)
    return labels_within(candidates, volume, settings, f"network {network.name}, wall at {wall}", progress)


def _vessels_box(lumen: Float32Array, candidate: float) -> FloatArray:
    """The corners (8, 3), in voxels, of the box around all that hangs together with lumen. Raises InputError."""
    parts, _ = ndimage.label(lumen > candidate, CORNERS)
    boxes = ndimage.find_objects(parts)
    kept = [boxes[part - 1] for part in np.unique(parts[lumen > _LUMEN])]
    if not kept:
        raise InputError(NO_VESSEL)
    sides = np.array([[(side.start, side.stop - 1) for side in box] for box in kept])
    ends = np.stack([sides[:, :, 0].min(axis=0), sides[:, :, 1].max(axis=0)])
    return np.array(list(product(*ends.T)), float)


def _cut(volume: Volume, corners_mm: FloatArray) -> Volume:
    """The part of `volume` that holds these points (n, 3), with a margin."""
    index = (corners_mm - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T
    margin = _MARGIN_MM / np.linalg.norm(volume.affine[:3, :3], axis=0)
    low = np.maximum(np.floor(index.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(index.max(axis=0) + margin).astype(int) + 1, volume.values.shape)
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    part = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    return replace(volume, values=volume.values[part], affine=affine)


def _contrast(values: Float32Array, found: Float32Array, modality: str, spacing_mm: float) -> Contrast:
    """The image above its surroundings; its level in large arteries is that of the upper quarter of the network's lumen."""
    inside = found > _LUMEN
    if np.count_nonzero(inside) < _FEWEST_VOXELS:
        raise InputError(NO_VESSEL)
    low, high = _SOFT_TISSUE_HU
    soft = values[(values > low) & (values < high)] if modality == "CTA" else values[:0]
    if soft.size > values.size // 10:
        tissue = float(np.median(soft))
        above, noise = values - np.float32(tissue), 1.4826 * float(np.median(np.abs(soft - tissue)))
    elif float(np.mean(values <= values.min())) > 0.5:  # background removed
        tissue, noise = float(values.min()), 0.0
        above = values - np.float32(tissue)
    else:
        ground = background(values, spacing_mm)
        above, tissue = values - ground, float(np.median(ground))
        noise = 1.4826 * float(np.median(np.abs(above)))
    return Contrast(above, tissue, noise, float(np.percentile(above[inside], 75)))
