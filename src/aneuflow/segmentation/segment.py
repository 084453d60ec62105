"""The segmentation stage: by threshold, or by a trained network."""

from __future__ import annotations

from pathlib import Path

from aneuflow.segmentation.network import load_network, segment_by_network, shipped_network
from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.threshold import segment_by_threshold
from aneuflow.types import LabelMap, Progress, Volume, no_progress


def segment(volume: Volume, settings: SegmentSettings | None = None, progress: Progress = no_progress) -> LabelMap:
    """The arteries in `volume` as label 1 on a grid of cubic voxels, with the soft map whose 0.5 surface is the vessel wall.

    Raises InputError where no vessel is found, or where the network's file is missing or of another kind.
    """
    settings = settings or SegmentSettings()
    if settings.segmenter == "threshold":
        return segment_by_threshold(volume, settings, progress)
    file = shipped_network(volume.modality) if settings.model is None else Path(settings.model)
    return segment_by_network(load_network(file), volume, settings, progress)
