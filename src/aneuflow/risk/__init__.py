"""Risk: regions on the wall by written definitions, published scores, learned resemblance, and a grade with reasons."""

from aneuflow.risk.assess import Flow, assess_risk
from aneuflow.risk.clinical import Clinical
from aneuflow.risk.settings import GradeSettings

__all__ = ["Clinical", "Flow", "GradeSettings", "assess_risk"]
