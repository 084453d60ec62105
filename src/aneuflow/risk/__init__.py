"""Risk: regions on the wall by written definitions, published scores, learned resemblance, and a grade with reasons."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aneuflow.risk.assess import Flow, assess_risk
    from aneuflow.risk.clinical import Clinical
    from aneuflow.risk.settings import GradeSettings

__all__ = ["Clinical", "Flow", "GradeSettings", "assess_risk"]


def __getattr__(name: str) -> Any:
    """Imported when asked for: the training of networks below runs where scipy and pydantic are not."""
    home = {"Clinical": "clinical", "Flow": "assess", "GradeSettings": "settings", "assess_risk": "assess"}.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"aneuflow.risk.{home}"), name)
