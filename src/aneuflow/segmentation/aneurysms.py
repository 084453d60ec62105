"""Which of the places a network takes for aneurysm are called: those where the lumen is wider than the artery they sit on.

A bend, a fork or the blunt end of an artery looks like a sac in a patch, but is no wider than the artery before and behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from aneuflow.types import Float32Array

BoolArray = npt.NDArray[np.bool_]
CORNERS = np.ones((3, 3, 3), bool)
# Where the artery is looked at: beyond what the network's border of a call is unsure of, and as far as a parent artery goes.
_NEAR_MM, _FAR_MM = 2.0, 8.0
# Called from here; chosen on five validation patients (docs/segmenter-card.md).
WIDER, WIDER_LEVELED, PROBABILITY = 1.15, 1.3, 0.5
# A place longer than so many times its radius is a piece of an artery.
_LONGEST = 5.0
# A sac on a thinner vessel is taken for a vein's or the noise's.
_THINNEST_MM = 0.75


@dataclass(frozen=True, eq=False)
class Place:
    """A connected place that the network takes for aneurysm.

    box: of the image, and mask within it; radius_mm: of the largest ball in the lumen whose middle lies in the place;
    artery_mm: that of the widest lumen around it; length_mm: along the longest side of the box around it; probability: its mean
    in the place.
    """

    box: tuple[slice, ...]
    mask: BoolArray
    volume_mm3: float
    radius_mm: float
    artery_mm: float
    length_mm: float
    probability: float

    @property
    def wider(self) -> float:
        """How many times as wide as its artery; 0 where it sits on none."""
        return self.radius_mm / self.artery_mm if self.artery_mm >= _THINNEST_MM else 0.0


def places(lumen: Float32Array, aneurysm: Float32Array, spacing_mm: float, least: float = PROBABILITY) -> tuple[Place, ...]:
    """All connected places (corner to corner) of lumen whose probability of aneurysm is over `least`.

    lumen, aneurysm (nx, ny, nz): probabilities on cubic voxels, as `network.network_maps` gives them.
    """
    inside = lumen > 0.5
    parts, _ = ndimage.label((aneurysm > least) & inside, CORNERS)
    return tuple(
        _place(parts, number, box, inside, aneurysm, spacing_mm)
        for number, box in enumerate(ndimage.find_objects(parts), start=1)
        if box is not None
    )


def _place(
    parts: npt.NDArray[np.int32],
    number: int,
    box: tuple[slice, ...],
    inside: BoolArray,
    aneurysm: Float32Array,
    spacing_mm: float,
) -> Place:
    reach = int(np.ceil((_FAR_MM + 1) / spacing_mm))
    box = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
    mask = parts[box] == number
    vessels, _ = ndimage.label(inside[box], CORNERS)
    own = vessels == vessels[mask][0]
    depth = ndimage.distance_transform_edt(own) * spacing_mm
    away = ndimage.distance_transform_edt(~mask) * spacing_mm
    around = depth[own & (away > _NEAR_MM) & (away <= _FAR_MM)]
    return Place(
        box=box,
        mask=mask,
        volume_mm3=float(np.count_nonzero(mask) * spacing_mm**3),
        radius_mm=float(depth[mask].max()),
        artery_mm=float(around.max()) if around.size else 0.0,
        length_mm=float((np.ptp(np.argwhere(mask), axis=0) + 1).max() * spacing_mm),
        probability=float(aneurysm[box][mask].mean()),
    )


def called(lumen: Float32Array, aneurysm: Float32Array, spacing_mm: float, leveled: bool) -> BoolArray:
    """The places (nx, ny, nz) that are called: much wider than the artery they sit on, and not much longer than wide.

    leveled: the network sees how bright a patch is; it takes more places for aneurysm.
    """
    calls, wider = np.zeros(lumen.shape, bool), WIDER_LEVELED if leveled else WIDER
    for place in places(lumen, aneurysm, spacing_mm):
        if place.wider >= wider and place.length_mm <= _LONGEST * place.radius_mm:
            calls[place.box] |= place.mask
    return calls
