"""A folder with a simulated angiogram of a lumen: the image, its labels, the true wall and all that was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aneuflow.case import store
from aneuflow.case.files import write_json, write_nifti, write_polydata
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError
from aneuflow.geometry.read_surface import read_surface
from aneuflow.imaging.simulated import SimulatedAngiogram, SimulationSettings, TrueLumen, simulate_angiogram
from aneuflow.imaging.simulated.simulate import LABELS
from aneuflow.numerics.distance import distance_to_surface
from aneuflow.pipeline.settings import InputSettings
from aneuflow.types import REGION_SAC, Progress, no_progress

IMAGE, LABEL_FILE, SURFACE, RECORD = "image.nii.gz", "labels.nii.gz", "lumen.vtp", "simulation.json"
_ON_SAC_MM = 0.3


def write_simulated(
    source: Path, target: Path, settings: SimulationSettings, sac: Path | None = None, progress: Progress = no_progress
) -> SimulatedAngiogram:
    """Simulate an angiogram of a case folder's model or of a surface file, into the new or empty folder `target`.

    sac: a surface file of the sac's wall; a case folder knows its own. Raises InputError where the folder holds files.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target} holds files already; choose a new folder with -o.")
    lumen = read_true_lumen(source, sac)
    made = simulate_angiogram(lumen, settings, progress=progress)
    target.mkdir(parents=True, exist_ok=True)
    write_nifti(target / IMAGE, made.image.values, made.image.affine)
    write_nifti(target / LABEL_FILE, made.labels, made.image.affine)
    region = np.where(lumen.in_sac, REGION_SAC, 0).astype(np.uint8)
    surface = lumen.surface
    write_polydata(target / SURFACE, surface.points, triangles=surface.triangles, point_arrays={"region": region})
    record = {"settings": settings.model_dump(), "drawn": dict(made.drawn), "labels": LABELS}
    write_json(target / RECORD, record)
    return made


def read_true_lumen(source: Path, sac: Path | None = None) -> TrueLumen:
    """The lumen of a case folder's model, or of a surface file with the wall of its sac in another one."""
    if source.is_dir():
        case = CaseFolder(source)
        if not case.exists() or not case.stage_folder("model").exists():
            raise InputError(f"{source} is no case folder with a model; run `aneuflow assess` first or give a surface file.")
        patched = store.read_model(case.stage_folder("model")).lumen
        return TrueLumen(patched.surface, patched.region == REGION_SAC)
    surface = read_surface(source, InputSettings().units)
    if sac is None:
        return TrueLumen(surface, np.zeros(len(surface.points), bool))
    wall = read_surface(sac, "mm")
    in_sac = distance_to_surface(wall.points, wall.triangles, surface.points) < _ON_SAC_MM
    if not in_sac.any():
        raise InputError(f"{sac.name}: no part of it lies on {source.name}; give the sac's wall in the lumen's frame, in mm.")
    return TrueLumen(surface, in_sac)
