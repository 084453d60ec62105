"""Shape of the sac and of the vessels: size, form, angles, each with how certain it is."""

from aneuflow.morphology.measure import measure
from aneuflow.morphology.settings import MorphologySettings

__all__ = ["MorphologySettings", "measure"]
