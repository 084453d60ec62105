"""The lumen filled with tetrahedra, for solvers that need a mesh; our own flow does not."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass

import numpy as np
import pydantic
from pydantic import Field

from aneuflow.errors import MethodError, ResourceError
from aneuflow.numerics import surface as sf
from aneuflow.numerics import tetrahedra as tet
from aneuflow.types import WALL_PATCH, Cap, FloatArray, IntArray, PatchedSurface

# How far the mesh may leave the surface, as a share of the edge length; and what its volume may differ by at most.
_ENVELOPE = 0.04
_VOLUME_TOLERANCE = 0.01
_CAP_TOLERANCE = 0.05
_ALONG_CAP = 0.7
_TURNS, _TURN = 10, 0.2


class VolumeMeshSettings(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How fine the mesh is."""

    edge_mm: float = Field(0.4, ge=0.05, le=2.0, description="Edge length of the tetrahedra in mm.")
    layers: int = Field(3, ge=0, le=10, description="Thin layers of tetrahedra along the wall; 0 for none.")
    layer_share: float = Field(0.4, gt=0.0, le=0.8, description="Thickness of all layers together over the edge length.")
    growth: float = Field(1.3, ge=1.0, le=2.0, description="Thickness of a layer over that of the one nearer to the wall.")


@dataclass(frozen=True, eq=False)
class VolumeMesh:
    """points (n, 3) mm LPS; tetrahedra (m, 4); faces (k, 3) of the boundary, outward, with patch (k,) 0 wall, else cap id."""

    points: FloatArray
    tetrahedra: IntArray
    faces: IntArray
    patch: IntArray

    @property
    def volume_mm3(self) -> float:
        return float(tet.volumes(self.points, self.tetrahedra).sum())


def fill(closed: PatchedSurface, caps: tuple[Cap, ...], settings: VolumeMeshSettings) -> VolumeMesh:
    """The inside of a closed surface as tetrahedra by fTetWild (Hu et al. 2020), with thin layers along its wall.

    Raises MethodError where the volume differs from the surface's by over 1 %, or an end by over 5 % of its area;
    ResourceError without the extra `mesh`.
    """
    points, tetrahedra = _tetrahedra(closed, settings.edge_mm)
    tolerance = 2 * _ENVELOPE * settings.edge_mm
    faces = tet.boundary_faces(tetrahedra)
    patch = _patches(points, faces, caps, tolerance)
    points = _with_flat_caps(points, faces, patch, caps)
    if settings.layers:
        inward = _inward(points, faces, patch, caps, settings)
        walls = faces[patch == WALL_PATCH]
        points, tetrahedra = tet.with_layers(points, tetrahedra, walls, inward, settings.layers, settings.growth)
        faces = tet.boundary_faces(tetrahedra)
        patch = _patches(points, faces, caps, tolerance)
    mesh = VolumeMesh(points, tetrahedra, faces, patch)
    _check(mesh, closed, caps)
    return mesh


def _tetrahedra(closed: PatchedSurface, edge_mm: float) -> tuple[FloatArray, IntArray]:
    try:
        import pytetwild
    except ModuleNotFoundError as error:
        raise ResourceError(f"A volume mesh needs {error.name}; run pip install 'aneuflow[mesh]'.") from error
    surface = closed.surface
    diagonal = float(np.linalg.norm(np.ptp(surface.points, axis=0)))
    # fTetWild leaves a surface of its own in the folder it runs in.
    with tempfile.TemporaryDirectory(prefix="aneuflow-mesh-") as scratch, contextlib.chdir(scratch):
        points, tetrahedra = pytetwild.tetrahedralize(  # type: ignore[attr-defined]
            surface.points,
            surface.triangles.astype(np.int32),
            edge_length_abs=edge_mm,
            epsilon=_ENVELOPE * edge_mm / diagonal,
        )
    return np.asarray(points, np.float64), tet.oriented(points, tetrahedra)


def _patches(points: FloatArray, faces: IntArray, caps: tuple[Cap, ...], tolerance: float) -> IntArray:
    """The cap in whose plane a face lies, 0 for the wall."""
    middles, normals = points[faces].mean(axis=1), sf.face_normals(points, faces)
    patch = np.full(len(faces), WALL_PATCH, dtype=np.int32)
    for cap in caps:
        offset = middles - cap.center_mm
        height = offset @ cap.normal
        aside = np.linalg.norm(offset - height[:, None] * cap.normal, axis=1)
        patch[(np.abs(height) < tolerance) & (aside < 2 * cap.radius_mm) & (normals @ cap.normal > _ALONG_CAP)] = cap.id
    return patch


def _with_flat_caps(points: FloatArray, faces: IntArray, patch: IntArray, caps: tuple[Cap, ...]) -> FloatArray:
    points = points.copy()
    for cap in caps:
        members = np.unique(faces[patch == cap.id])
        points[members] -= ((points[members] - cap.center_mm) @ cap.normal)[:, None] * cap.normal
    return points


def _inward(
    points: FloatArray, faces: IntArray, patch: IntArray, caps: tuple[Cap, ...], settings: VolumeMeshSettings
) -> FloatArray:
    """How far each point of the wall moves inward to make room for the layers; points of an end stay in its plane."""
    walls = faces[patch == WALL_PATCH]
    inward = -_visible_normals(points, walls)
    for cap in caps:
        rim = np.intersect1d(faces[patch == cap.id], walls)
        inward[rim] -= (inward[rim] @ cap.normal)[:, None] * cap.normal
        inward[rim] /= np.maximum(np.linalg.norm(inward[rim], axis=1, keepdims=True), 1e-12)
    return settings.layer_share * _edge_around(points, walls)[:, None] * inward


def _visible_normals(points: FloatArray, walls: IntArray) -> FloatArray:
    """Unit normals (n, 3) that no face around a point turns its back to, where that can be: at creases the mean does not do."""
    normals, corner = sf.vertex_normals(points, walls), walls.ravel()
    around = np.repeat(sf.face_normals(points, walls), 3, axis=0)
    for _ in range(_TURNS):
        order = np.lexsort((np.einsum("ij,ij->i", normals[corner], around), corner))
        worst = order[np.unique(corner[order], return_index=True)[1]]
        turned = normals[corner[worst]] + _TURN * around[worst]
        normals[corner[worst]] = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return normals


def _edge_around(points: FloatArray, walls: IntArray) -> FloatArray:
    """The mean length of the edges around each point of the wall (n,), zero elsewhere."""
    lengths = np.linalg.norm(points[walls] - points[np.roll(walls, 1, axis=1)], axis=2).mean(axis=1)
    total = sf.sum_to_vertices(len(points), walls, np.stack([lengths, np.ones(len(walls))], axis=1))
    return np.asarray(total[:, 0] / np.maximum(total[:, 1], 1.0))


def _check(mesh: VolumeMesh, closed: PatchedSurface, caps: tuple[Cap, ...]) -> None:
    surface = closed.surface
    volume = sf.signed_volume(surface.points, surface.triangles)
    if not abs(mesh.volume_mm3 / volume - 1) <= _VOLUME_TOLERANCE or tet.volumes(mesh.points, mesh.tetrahedra).min() <= 0:
        raise MethodError(
            f"The mesh has {mesh.volume_mm3:.1f} mm3 and the lumen {volume:.1f} mm3, or a tetrahedron has none; "
            "use a smaller --edge or --layers 0."
        )
    for cap in caps:
        area = float(sf.face_areas(mesh.points, mesh.faces[mesh.patch == cap.id]).sum())
        if not abs(area / cap.area_mm2 - 1) <= _CAP_TOLERANCE:
            raise MethodError(
                f"End {cap.id} has {area:.2f} mm2 in the mesh and {cap.area_mm2:.2f} mm2 in the lumen; use a smaller --edge."
            )
