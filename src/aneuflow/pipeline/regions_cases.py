"""The cases that the network of the wall's regions is trained on: flows of a database, or walls that readers have painted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.case import store
from aneuflow.case.files import read_json
from aneuflow.case.folder import CaseFolder
from aneuflow.case.label_store import LUMEN, read_labels, read_lumen
from aneuflow.case.prediction_store import FOLDER as PREDICTION
from aneuflow.case.prediction_store import STAGE, as_flow, read_prediction
from aneuflow.errors import InputError
from aneuflow.pipeline.run import current_stages
from aneuflow.risk.learned_regions import network_input
from aneuflow.risk.regions import DEFINITIONS, KEPT_SHARE, BoolArray, Wall, near_neck, sampled_walls, wall_of
from aneuflow.risk.settings import GradeSettings
from aneuflow.risk.wall_features import surroundings
from aneuflow.risk.wall_points import divergence_at, large_parts, reach_at, spread
from aneuflow.surrogate.cohort import SPLITS
from aneuflow.surrogate.compact import CASES, read_compact
from aneuflow.surrogate.network import ask, load_ensemble, load_member
from aneuflow.surrogate.train.plan import FOLDS, fold_of
from aneuflow.types import FloatArray, Progress, Surface, no_progress

# What a steady flow can show; where both hold on a point, which is rare, the jet is the news.
DEFINED = ("low_shear", "impingement")
_TABLE, _PREPARED = "cases.json", "prepared"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class RegionsCase:
    """One case as arrays of the sac's points (n,): features (n, f), near, wide (n, 16), areas mm2, classes, points (n, 3) mm.

    Of a database's case also `simulated`, the features of the simulation, and `defined`, the classes by the definitions on the
    prediction; of a painted one `readings`, the class by each reader.
    """

    id: str
    patient: str
    split: str
    arrays: Arrays
    readings: Mapping[str, npt.NDArray[Any]]


def is_database(source: Path) -> bool:
    """Whether a folder is the compact form of a database of flows."""
    return (source / CASES).is_file()


def database_cases(compact: Path, networks: Path, progress: Progress = no_progress) -> Iterator[RegionsCase]:
    """The steady flows with a sac, each as the surrogate predicts it, and the classes by the definitions' consensus on the
    simulation.

    networks: the folder in which `aneuflow train surrogate` trained on the same compact form. Patients that are not for testing
    are predicted by the network of the fold that has not seen them. Raises InputError where it holds another training.
    """
    if not (networks / _TABLE).is_file():
        raise InputError(f"{networks} holds no {_TABLE}; give the folder of `aneuflow train surrogate` with --networks.")
    known = read_json(networks / _TABLE)["cases"]
    ensemble, count = load_ensemble(networks), FOLDS["coarse"]
    folds = [replace(ensemble, members={"coarse": (load_member(networks / f"fold-coarse-{k}.onnx"),)}) for k in range(count)]
    fold = fold_of((entry["patient"] for split in SPLITS if split != "test" for entry in known[split].values()), count)
    for split in SPLITS:
        rows, arrays = read_compact(compact, split)
        for place, row in enumerate(rows):
            progress(place / len(rows), f"preparing {split}")
            if row["kind"] != "steady" or not arrays["wall_region"][place].any():
                continue
            if row["id"] not in known[split]:
                raise InputError(f"{networks} was trained without case {row['id']} of {compact}; train the surrogate on it.")
            with np.load(networks / _PREPARED / split / f"{row['id']}.npz") as file:
                case = {name: file[name] for name in file.files}
            mean = ask(ensemble if split == "test" else folds[fold[row["patient"]]], case, True).mean
            given = {
                name: values[place] for name, values in arrays.items() if name.startswith("wall_") and len(values) == len(rows)
            }
            predicted = given | {"wall_shear": mean["shear"] @ case["frame"], "wall_pressure": mean["pressure"]}
            yield _database_case(row, split, *(_sampled_wall(row, each) for each in (given, predicted)))


def _sampled_wall(row: Mapping[str, str], arrays: Arrays) -> tuple[Wall, FloatArray]:
    """A case of the compact form as a wall without triangles, and its normals."""
    given = {name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()}
    length = float(row["length_mm"])
    points, shear = length * given["wall_point"], float(row["shear"]) * given["wall_shear"]
    normals = given["wall_normal"] / np.linalg.norm(given["wall_normal"], axis=1, keepdims=True)
    sac, upstream = given["wall_region"] == 1, np.flatnonzero(given["wall_along"] <= 0.0)
    radius = length * float(given["wall_radius"][upstream[np.argmax(given["wall_along"][upstream])]])
    wall = Wall(
        surface=Surface(points, np.zeros((0, 3), dtype=np.int32)),
        areas=length**2 * given["wall_area"],
        sac=sac,
        near=near_neck(points, np.zeros(3), radius) & ~sac,
        tawss=np.linalg.norm(shear, axis=1),
        osi=None,
        rrt=None,
        pressure=float(row["pressure"]) * given["wall_pressure"],
        divergence=divergence_at(points, normals, shear),
        blebs=None,
        radius_mm=radius,
        reach=reach_at(points, sac),
    )
    return wall, normals


def _database_case(
    row: Mapping[str, str], split: str, simulated: tuple[Wall, FloatArray], predicted: tuple[Wall, FloatArray]
) -> RegionsCase:
    wall, normals = simulated
    around = surroundings(wall, normals)
    true, given = network_input(wall, around), network_input(predicted[0], around)
    arrays = {
        **given,
        "simulated": true["features"],
        "areas": wall.areas[wall.sac],
        "points": wall.surface.points[wall.sac],
        "classes": consensus(wall),
        "defined": consensus(predicted[0]),
    }
    return RegionsCase(row["id"], row["patient"], split, arrays, {})


def consensus(wall: Wall) -> npt.NDArray[np.int64]:
    """The class (n,) of each of the sac's points, by definitions that hold there in at least half of the samples of flow and
    surface, in parts of at least 1 mm2; 0 where none does.
    """
    samples = sampled_walls(wall, GradeSettings())
    made = np.zeros(int(wall.sac.sum()), dtype=np.int64)
    for number, name in enumerate(DEFINED, start=1):
        definition = DEFINITIONS[f"{name}_region"]
        share = np.mean([definition(sample) for sample in samples], axis=0)[wall.sac]
        made[large_parts(wall.surface.points[wall.sac], wall.areas[wall.sac], share >= KEPT_SHARE)] = number
    return made


def painted_cases(source: Path, progress: Progress = no_progress) -> tuple[list[RegionsCase], tuple[str, ...]]:
    """The case folders in a folder that readers have painted, with the classes that most readers give, and the names of these.

    Raises InputError where a case has no current flow, where its labels are of another wall, or where none is painted.
    """
    found = {folder.name: labels for folder in sorted(source.iterdir()) if folder.is_dir() and (labels := read_labels(folder))}
    if not found:
        raise InputError(f"{source} holds no case folder with labels; paint some with `aneuflow edit CASE` first.")
    classes = tuple(dict.fromkeys(name for readers in found.values() for each in readers.values() for name in each.classes))
    cases = []
    for done, (name, readers) in enumerate(found.items()):
        progress(done / len(found), f"preparing {name}")
        wall, normals, _ = spread(case_wall(CaseFolder(source / name)))
        points, areas = wall.surface.points[wall.sac], wall.areas[wall.sac]
        nearest = cKDTree(read_lumen(source / name / LUMEN).points).query(points)[1]
        readings = {
            reader: np.array([0, *map(classes.index, each.classes)], dtype=np.int64)[each.label[nearest]]
            + (each.label[nearest] > 0)
            for reader, each in readers.items()
        }
        arrays = network_input(wall, surroundings(wall, normals)) | {"areas": areas, "points": points}
        cases.append(RegionsCase(name, name, "", arrays | {"classes": majority(list(readings.values()))}, readings))
    return cases, classes


def majority(readings: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """The class (n,) that most readers give, 0 where two are given equally often."""
    made = []
    for given in np.stack(readings, axis=1).tolist():
        first, *others = Counter(given).most_common(2)
        made.append(0 if others and others[0][1] == first[1] else first[0])
    return np.array(made, dtype=np.int64)


def case_wall(case: CaseFolder) -> Wall:
    """The wall of a case with its current flow, simulated or predicted. Raises InputError where it has none."""
    current, model = current_stages(case), store.read_model(case.stage_folder("model"))
    wall = None
    if "simulate" in current:
        steady = store.read_boundary(case.stage_folder("boundary")).waveform is None
        wall = wall_of(model, store.read_flow(case.stage_folder("flow")), steady, None)
    elif STAGE in current:
        wall = wall_of(model, as_flow(read_prediction(case.stage_folder(PREDICTION))), True, None)
    if wall is None:
        raise InputError(f"Case {case.path.name} has labels but no current flow in a sac; run `aneuflow assess` on it first.")
    return wall


def marked(case: RegionsCase, found: npt.NDArray[np.int64], number: int) -> BoolArray:
    """Where a class is found in parts of at least 1 mm2: what a grade would show."""
    return large_parts(case.arrays["points"], case.arrays["areas"], found == number)
