"""Regions of the wall by a trained network, beside those by definitions; they say what it was trained on and move no grade."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from aneuflow.errors import InputError
from aneuflow.quantities import registry
from aneuflow.risk.regions import Marks, Wall, sampled_walls
from aneuflow.risk.settings import GradeSettings
from aneuflow.risk.wall_features import Surroundings, features, surroundings
from aneuflow.risk.wall_points import spread
from aneuflow.types import Float32Array, IntArray, RegionsOrigin

KEY, SHIPPED = "aneuflow-regions", "regions.onnx"
Inputs = dict[str, npt.NDArray[np.generic]]


def learned_kind(name: str) -> str:
    """The quantity id of the regions of a class."""
    return f"learned_{name}_region"


def unknown_class(classes: tuple[str, ...]) -> str | None:
    """The first class whose regions the registry does not name."""
    return next((name for name in classes if learned_kind(name) not in registry()), None)


class RegionsModel:
    """A network that says how likely each class is at each point of a sac's wall, and where it comes from."""

    def __init__(self, origin: RegionsOrigin, run: Callable[[Inputs], Float32Array]) -> None:
        self.origin, self.run = origin, run

    def classes_at(self, wall: Wall, around: Surroundings) -> IntArray:
        """(n,) the likeliest class at the points of a wall without triangles: 0 none, k the k-th; 0 outside the sac."""
        chances = self.run(network_input(wall, around))
        found = np.zeros(len(wall.areas), dtype=np.int32)
        found[wall.sac] = chances.argmax(axis=1)
        return found


def network_input(wall: Wall, around: Surroundings) -> Inputs:
    """The arrays that the network takes, of the sac's points (n,): features (n, f) float32, near and wide (n, 16) int64."""
    return {"features": features(wall, around), "near": around.near, "wide": around.wide}


@cache
def shipped_regions_model() -> RegionsModel:
    """The network that comes with the package."""
    return load_regions_model(Path(str(resources.files("aneuflow") / "data" / "risk" / SHIPPED)))


def chosen_regions_model(settings: GradeSettings) -> RegionsModel:
    """The network that the settings name, or that of the package. Raises InputError where its file has changed since."""
    if not settings.regions_model:
        return shipped_regions_model()
    model = load_regions_model(Path(settings.regions_model))
    if settings.regions_model_sha256 not in ("", model.origin.sha256):
        raise InputError(
            f"{settings.regions_model} has changed since the grade was set to use it; name it again with --regions-model."
        )
    return model


def with_regions_model(settings: GradeSettings) -> GradeSettings:
    """The settings with the hash of the network that they name. Raises InputError where the file is none."""
    sha256 = load_regions_model(Path(settings.regions_model)).origin.sha256 if settings.regions_model else ""
    return settings.model_copy(update={"regions_model_sha256": sha256})


def load_regions_model(file: Path) -> RegionsModel:
    """The network in an ONNX file of `aneuflow train regions`. Raises InputError where it is none."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the network is too small to gain from more
    try:
        content = file.read_bytes()
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise InputError(f"Regions model {file}: {error.strerror}; check the path.") from error
    except Exception as error:  # onnxruntime's own classes derive from Exception alone
        raise InputError(f"{file} is no ONNX file that can be run; train it again.") from error
    held = session.get_modelmeta().custom_metadata_map
    if KEY not in held:
        raise InputError(f"{file} is no regions model of aneuflow; give the regions.onnx of `aneuflow train regions`.")
    try:
        card = {**json.loads(held[KEY]), "sha256": hashlib.sha256(content).hexdigest()}
        origin = TypeAdapter(RegionsOrigin).validate_python(card)
    except (ValueError, ValidationError) as error:
        raise InputError(f"{file} does not say what it was trained on; train it again with this version.") from error
    unknown = unknown_class(origin.classes)
    if unknown is not None:
        raise InputError(f"{file} knows the class {unknown!r}, for which there is no quantity {learned_kind(unknown)}.")

    def run(given: Inputs) -> Float32Array:
        return np.asarray(session.run(["chances"], given)[0])

    return RegionsModel(origin, run)


def learned_marks(wall: Wall, settings: GradeSettings, model: RegionsModel) -> dict[str, Marks]:
    """Where the network finds each of its classes, by kind, on a wall with triangles and on its samples."""
    cloud, normals, nearest = spread(wall)
    around = surroundings(cloud, normals)
    here, *sampled = (
        np.where(wall.sac, model.classes_at(each, around)[nearest], 0) for each in (cloud, *sampled_walls(cloud, settings))
    )
    return {
        learned_kind(name): Marks(here == number, [found == number for found in sampled])
        for number, name in enumerate(model.origin.classes, start=1)
    }
