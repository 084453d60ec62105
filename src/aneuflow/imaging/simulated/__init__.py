"""Angiograms made from the surface of a lumen: image, labels and the true wall (how: docs/simulated-angiograms.md)."""

from aneuflow.imaging.simulated.settings import SimulationSettings
from aneuflow.imaging.simulated.simulate import SimulatedAngiogram, TrueLumen, simulate_angiogram

__all__ = ["SimulatedAngiogram", "SimulationSettings", "TrueLumen", "simulate_angiogram"]
