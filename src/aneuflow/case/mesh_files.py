"""Volume meshes and named surfaces in the formats of flow solvers: Gmsh 2.2, SimVascular's folder, STL with named parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aneuflow.case.files import write_polydata, write_tetrahedra
from aneuflow.errors import ResourceError
from aneuflow.numerics import surface as sf
from aneuflow.types import FloatArray, IntArray

LUMEN = "lumen"
_TRIANGLE, _TETRAHEDRON = 2, 4


def write_msh(path: Path, points: FloatArray, tetrahedra: IntArray, parts: Mapping[str, IntArray]) -> None:
    """A Gmsh 2.2 ASCII file with a physical group for each named part of the boundary (faces (k, 3)) and for the lumen."""
    names = [*((2, number, name) for number, name in enumerate(parts, start=1)), (3, len(parts) + 1, LUMEN)]
    blocks = [
        "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$PhysicalNames\n" + str(len(names)),
        *(f'{dimension} {number} "{name}"' for dimension, number, name in names),
        f"$EndPhysicalNames\n$Nodes\n{len(points)}",
    ]
    elements = [(_TRIANGLE, number, faces) for number, faces in enumerate(parts.values(), start=1)]
    elements.append((_TETRAHEDRON, len(parts) + 1, tetrahedra))
    try:
        with path.open("w", encoding="ascii") as out:
            out.write("\n".join(blocks) + "\n")
            numbered = np.column_stack([np.arange(1, len(points) + 1), points])
            np.savetxt(out, numbered, fmt=["%d", "%.9g", "%.9g", "%.9g"])
            out.write(f"$EndNodes\n$Elements\n{sum(len(cells) for _, _, cells in elements)}\n")
            count = 0
            for kind, number, cells in elements:
                head = np.tile([kind, 2, number, number], (len(cells), 1))
                ids = np.arange(count + 1, count + len(cells) + 1)[:, None]
                np.savetxt(out, np.hstack([ids, head, cells + 1]), fmt="%d")
                count += len(cells)
            out.write("$EndElements\n")
    except OSError as error:
        raise ResourceError(f"Cannot write {path.name}: {error.strerror}; free space or choose another folder.") from error


def write_mesh_complete(folder: Path, points: FloatArray, tetrahedra: IntArray, parts: Mapping[str, IntArray]) -> None:
    """SimVascular's `mesh-complete`: the mesh as VTU, its whole boundary and each part of it as VTP, ids counted from 1."""
    (folder / "mesh-surfaces").mkdir(parents=True, exist_ok=True)
    region = np.ones(len(tetrahedra), np.int32)
    cell_arrays = {"GlobalElementID": _ids(len(tetrahedra)), "ModelRegionID": region}
    write_tetrahedra(folder / "mesh-complete.mesh.vtu", points, tetrahedra, {"GlobalNodeID": _ids(len(points))}, cell_arrays)
    owner = _owners(tetrahedra, np.concatenate(list(parts.values())))
    face_ids = np.repeat(np.arange(1, len(parts) + 1), [len(faces) for faces in parts.values()]).astype(np.int32)
    _write_part(folder / "mesh-complete.exterior.vtp", points, np.concatenate(list(parts.values())), owner, face_ids)
    start = 0
    for name, faces in parts.items():
        chosen = slice(start, start + len(faces))
        for file in [f"mesh-surfaces/{name}.vtp", *(["walls_combined.vtp"] if name == "wall" else [])]:
            _write_part(folder / file, points, faces, owner[chosen], face_ids[chosen])
        start += len(faces)


def _ids(count: int) -> IntArray:
    return np.arange(1, count + 1, dtype=np.int32)


def _owners(tetrahedra: IntArray, faces: IntArray) -> IntArray:
    """The tetrahedron (k,), counted from 1, that each face of the boundary belongs to."""
    every = np.sort(tetrahedra[:, [[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]]].reshape(-1, 3), axis=1)
    together, place = np.unique(np.concatenate([every, np.sort(faces, axis=1)]), axis=0, return_inverse=True)
    owner = np.zeros(len(together), dtype=np.int32)
    owner[place.ravel()[: len(every)]] = np.repeat(_ids(len(tetrahedra)), 4)
    return np.asarray(owner[place.ravel()[len(every) :]], dtype=np.int32)


def _write_part(path: Path, points: FloatArray, faces: IntArray, owner: IntArray, face_ids: IntArray) -> None:
    places, triangles, kept = sf.compact(points, faces)
    write_polydata(
        path,
        places,
        triangles=triangles,
        point_arrays={"GlobalNodeID": (kept + 1).astype(np.int32)},
        cell_arrays={"GlobalElementID": owner, "ModelFaceID": face_ids},
    )


def write_named_stl(path: Path, points: FloatArray, parts: Mapping[str, IntArray]) -> None:
    """An ASCII STL file with one solid for each named part of a closed surface."""
    try:
        with path.open("w", encoding="ascii") as out:
            for name, faces in parts.items():
                out.write(f"solid {name}\n")
                for normal, corners in zip(sf.face_normals(points, faces), points[faces], strict=True):
                    out.write(f" facet normal {normal[0]:.6g} {normal[1]:.6g} {normal[2]:.6g}\n  outer loop\n")
                    out.writelines(f"   vertex {x:.9g} {y:.9g} {z:.9g}\n" for x, y, z in corners)
                    out.write("  endloop\n endfacet\n")
                out.write(f"endsolid {name}\n")
    except OSError as error:
        raise ResourceError(f"Cannot write {path.name}: {error.strerror}; free space or choose another folder.") from error
