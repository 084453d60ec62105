"""Arteries from an angiogram."""

from aneuflow.segmentation.settings import SegmentSettings
from aneuflow.segmentation.threshold import segment

__all__ = ["SegmentSettings", "segment"]
