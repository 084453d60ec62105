"""Two examinations of one patient: the second laid over the first, growth shown, measures compared, all written to a folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aneuflow import __version__
from aneuflow.case import store
from aneuflow.case.files import write_json, write_polydata
from aneuflow.case.folder import CaseFolder
from aneuflow.errors import InputError
from aneuflow.geometry.follow_up import Growth, compare_models, with_neck_of
from aneuflow.morphology import measure
from aneuflow.morphology.changes import Change, changes
from aneuflow.morphology.measures import surface_sd_mm
from aneuflow.pipeline.run import current_stages
from aneuflow.pipeline.settings import Settings, settings_from
from aneuflow.quantities import quantity
from aneuflow.report.comparison import build_comparison
from aneuflow.report.growth_scenes import ComparisonContent
from aneuflow.report.text import Language
from aneuflow.types import LumenModel, Progress, no_progress

# Of the measures, these say whether a sac as a whole has grown; the others follow from them or vary more.
SIZE_MEASURES = ("maximum_diameter", "height", "width", "sac_volume", "sac_area")


@dataclass(frozen=True)
class Comparison:
    """What was found: `verdict` is grown, shrunk, grown_and_shrunk, size_changed or unchanged."""

    verdict: str
    growth: Growth
    changes: tuple[Change, ...]


def compare_cases(
    first: Path, second: Path, folder: Path, language: Language = "en", progress: Progress = no_progress
) -> Comparison:
    """Compare the models of two case folders and write growth.vtp, comparison.json, report.html and report.pdf.

    Raises InputError where a folder is no case with a model, MethodError where the two do not fit each other.
    """
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / "comparison.json").exists())):
        raise InputError(f"{folder} is not empty and holds no comparison; give -o a new or empty folder.")
    content = compared(first, second, (first.resolve().name, second.resolve().name), progress)
    result = Comparison(content.verdict, content.growth, content.changes)
    progress(0.7, "report")
    report = build_comparison(content, language)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, result)
    (folder / "report.html").write_text(report.html, "utf-8")
    if report.pdf is not None:
        (folder / "report.pdf").write_bytes(report.pdf)
    progress(1.0, "comparison")
    return result


def compared(first: Path, second: Path, names: tuple[str, str], progress: Progress = no_progress) -> ComparisonContent:
    """What two case folders, shown by these names, say of each other. Raises what `compare_cases` raises of them."""
    (earlier, settings), (later, _) = _model(first), _model(second)
    progress(0.1, "registration")
    surface_sd = max(surface_sd_mm(model, settings.measure) for model in (earlier, later))
    growth = compare_models(earlier, later, surface_sd)
    progress(0.3, "measures")
    shapes = [measure(_sure_of_neck(model), settings.measure) for model in (earlier, with_neck_of(earlier, later, growth))]
    found = changes(*shapes)
    return ComparisonContent(
        names=names,
        verdict=verdict(growth, found),
        model=earlier,
        growth=growth,
        changes=found,
        surface_sd_mm=surface_sd,
        version=__version__,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _sure_of_neck(model: LumenModel) -> LumenModel:
    """Both shapes are measured at the same neck: what the method makes of another neck is no error of the change."""
    assert model.aneurysm is not None
    return replace(model, aneurysm=replace(model.aneurysm, ostium=replace(model.aneurysm.ostium, confidence=1.0)))


def verdict(growth: Growth, found: tuple[Change, ...]) -> str:
    """What the map and the sizes say together."""
    if growth.grown_mm2 > 0 and growth.shrunk_mm2 > 0:
        return "grown_and_shrunk"
    if growth.grown_mm2 > 0:
        return "grown"
    if growth.shrunk_mm2 > 0:
        return "shrunk"
    sizes = [change for change in found if change.first.id in SIZE_MEASURES]
    return "size_changed" if any(change.beyond_error for change in sizes) else "unchanged"


def _model(path: Path) -> tuple[LumenModel, Settings]:
    case = CaseFolder(path)
    manifest = case.manifest()
    if "model" not in current_stages(case):
        raise InputError(f"Case {path} has no model that is whole and current; run `aneuflow model {path}` first.")
    return store.read_model(case.stage_folder("model")), settings_from(manifest.settings)


def _write(folder: Path, result: Comparison) -> None:
    growth = result.growth
    write_polydata(
        folder / "growth.vtp",
        growth.wall.points,
        triangles=growth.wall.triangles,
        point_arrays={"change": growth.change_mm.astype(np.float32), "sac": np.asarray(growth.is_sac, dtype=np.uint8)},
    )
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = growth.motion.rotation, growth.motion.translation
    numbers = ("limit_mm", "grown_mm2", "shrunk_mm2", "largest_mm", "least_mm", "artery_sd_mm", "artery_shift_mm", "overlap")
    content = {
        "verdict": result.verdict,
        **{name: getattr(growth, name) for name in numbers},
        "second_to_first": motion,
        "changes": [
            {
                "id": change.first.id,
                "unit": quantity(change.first.id).unit,
                "definition": quantity(change.first.id).definition_id,
                "first": change.first.value,
                "second": change.second.value,
                "change": change.value,
                "low": change.low,
                "high": change.high,
                "beyond_error": change.beyond_error,
            }
            for change in result.changes
        ],
    }
    write_json(folder / "comparison.json", content)
