"""The opening between artery and sac: its line, its surface, its plane."""

from __future__ import annotations

from typing import Literal

import numpy as np

from aneuflow.errors import MethodError
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, IntArray, Ostium, Surface


def ostium_of_sac(
    points: FloatArray, sac_triangles: IntArray, origin: Literal["automatic", "label", "plane"], confidence: float
) -> Ostium:
    """The ostium that closes a sac.

    points (n, 3) mm; sac_triangles (m, 3), wall of the sac with outward normals. The surface is the fan from the
    middle of the neck line; the plane is that of the neck line's area vector, through the centroid of the area it bounds.
    Raises MethodError where the sac has no rim.
    """
    loops = sf.boundary_loops(sac_triangles)
    if not loops:
        raise MethodError("The sac has no neck line: the surface labeled as sac is closed in itself; give a neck plane.")
    # The rim of a surface with outward normals turns so that its area vector points into what the surface encloses.
    ring = points[max(loops, key=lambda loop: float(np.linalg.norm(sf.polygon_area_vector(points[loop]))))]
    area_vector = sf.polygon_area_vector(ring)
    area = float(np.linalg.norm(area_vector))
    if area < 1e-6:
        raise MethodError("The neck line bounds no area (below 1e-6 mm2); give a neck plane.")
    return Ostium(
        surface=fan(ring),
        neck_line_mm=ring,
        center_mm=sf.polygon_centroid(ring),
        normal=area_vector / area,
        origin=origin,
        confidence=confidence,
    )


def fan(ring: FloatArray) -> Surface:
    """Triangles from the middle of a closed ring (k, 3) mm to its edges."""
    k = len(ring)
    index = np.arange(k)
    triangles = np.stack([index, (index + 1) % k, np.full(k, k)], axis=1).astype(np.int32)
    return Surface(np.concatenate([ring, sf.curve_middle(ring)[None]]), triangles)
