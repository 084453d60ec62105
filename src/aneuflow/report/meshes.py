"""Our surfaces and flow fields as the data sets that VTK draws and cuts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvista as pv

from aneuflow.types import Surface, VolumeField

# The annotations of pyvista refuse arrays and options that its documentation allows.
PolyData = Any
Grid = Any


def poly_data(surface: Surface) -> PolyData:
    """A triangle surface."""
    make: Any = pv.PolyData
    return make.from_regular_faces(surface.points, surface.triangles)


def flow_grid(volume: VolumeField) -> Grid:
    """The lattice voxels with point arrays `velocity` and `speed` in m/s."""
    grid: Grid = pv.UnstructuredGrid({pv.CellType.VOXEL: volume.voxels}, volume.points_mm)
    grid["velocity"] = volume.velocity
    grid["speed"] = np.linalg.norm(volume.velocity, axis=1)
    grid.set_active_vectors("velocity")
    return grid
