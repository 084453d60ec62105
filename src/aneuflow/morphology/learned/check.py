"""The geometric measures of a sac held against those of the network, which knows points of the wall alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aneuflow.morphology.learned.cloud import drawn, given
from aneuflow.morphology.learned.model import LEAST_SPREAD, RATIOS, LearnedModel, corrected, read_clouds, scaled
from aneuflow.morphology.learned.names import ANGLES, CLOUDS, LENGTHS, MEASURES
from aneuflow.types import WALL_PATCH, FloatArray, LumenModel, Measure, Morphology, Note, differ

_SEED = 0
_HIGHEST = dict.fromkeys(ANGLES, 180.0)
_SIGNED = frozenset({"nonsphericity_index", "ellipticity_index"})


def with_learned(model: LumenModel, morphology: Morphology, network: LearnedModel) -> Morphology:
    """The measures of a model with those of the network, and what `learned_check` says of both."""
    learned, notes = learned_check(model, morphology, network)
    by = network.digest if learned else ""
    return replace(morphology, learned=learned, learned_by=by, notes=(*morphology.notes, *notes))


def learned_check(
    model: LumenModel, morphology: Morphology, network: LearnedModel
) -> tuple[tuple[Measure, ...], tuple[Note, ...]]:
    """The eight measures by the network, each with its 90 % interval, and what there is to say about them.

    Nothing without a sac. A warning says each measure whose interval by geometry does not meet that of the network, and where
    the network finds no sac; where the shape lies outside of what it was trained on there are no measures, and a note says so.
    """
    if model.aneurysm is None:
        return (), ()
    surface = model.lumen.surface
    generator = np.random.default_rng(_SEED)
    wall = surface.triangles[model.lumen.patch == WALL_PATCH]
    clouds = [drawn(surface.points, wall, generator)[0] for _ in range(CLOUDS)]
    read = read_clouds(network, [given(cloud) for cloud in clouds], clouds[0].area_mm2)
    if not np.isfinite(read).all():
        return (), (Note("learned_no_sac"),)
    strange = outside(network.card["limits"], read.mean(axis=0))
    if strange is not None:
        return (), (Note("learned_outside", strange, "information"),)
    found = with_intervals(read, network.card)
    geometric = {measure.id: measure for measure in morphology.measures}
    apart = [one for one in found if one.id in geometric and differ(one, geometric[one.id])]
    return found, tuple(_disagreement(one, geometric[one.id]) for one in apart)


def with_intervals(read: FloatArray, card: Mapping[str, Any]) -> tuple[Measure, ...]:
    """The measures with their 90 % intervals, of those read from each cloud (clouds, 8)."""
    each = corrected(read, np.array(card["correction"]))
    made = []
    for number, id in enumerate(MEASURES):
        value = float(each[:, number].mean())
        half = card["intervals"][id]["factor"] * float(spread(each)[number]) * (value if id in RATIOS else 1.0)
        low = value - half if id in _SIGNED else max(value - half, 0.0)
        made.append(Measure(id, value, low, min(value + half, _HIGHEST.get(id, np.inf))))
    return tuple(made)


def spread(each: FloatArray) -> FloatArray:
    """(8,) how far the clouds' measures (clouds, 8) lie apart, of ratios by their logarithm, and `LEAST_SPREAD`."""
    least = np.array([LEAST_SPREAD[id] for id in MEASURES])
    return np.asarray(np.hypot(scaled(each).std(axis=0), least))


def outside(limits: Mapping[str, Any], read: FloatArray) -> dict[str, Any] | None:
    """The first of the measures read (8,) that lies outside of the training shapes' range, with that; None where none does."""
    for id, value, low, high in zip(MEASURES, read, limits["low"], limits["high"], strict=True):
        if not low <= value <= high:
            return {"quantity": id, "value": float(value), "low": low, "high": high}
    return None


def _disagreement(learned: Measure, geometric: Measure) -> Note:
    kind = "length" if learned.id in LENGTHS else "angle" if learned.id in ANGLES else "index"
    values = {
        "quantity": learned.id,
        "geometric": geometric.value,
        "learned": learned.value,
        "low": learned.low,
        "high": learned.high,
    }
    return Note(f"learned_{kind}_differs", values)
