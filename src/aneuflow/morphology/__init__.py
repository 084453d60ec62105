"""Shape of the sac and of the vessels: size, form, angles, each with how certain it is."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aneuflow.morphology.measures import measure
    from aneuflow.morphology.settings import MorphologySettings

__all__ = ["MorphologySettings", "measure"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: the training of the network below runs where scipy and pydantic are not."""
    home = {"MorphologySettings": "settings", "measure": "measures"}.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"aneuflow.morphology.{home}"), name)
