"""What it means for the numbers of the flow that the inflow was assumed."""

from __future__ import annotations

from aneuflow.report.content import ReportContent
from aneuflow.report.text import Language, text

# People differ by about this factor in one artery either way (Zarrinkoob et al. 2015; Yonan et al. 2014).
INFLOW_FACTOR = 1.5
# The power of the inflow with which a number grows: median, least and most of 12 vessels in steady flow (docs/uncertainty.md).
POWERS = {"sac_tawss_mean": (1.97, 1.56, 2.82), "pressure_loss": (1.44, 1.30, 1.84)}


def inflow_sentence(content: ReportContent, language: Language) -> str | None:
    """Between which values the sac's wall shear and the pressure loss lie for inflows of 1.5 times less and more.

    By the power law that steady simulations of 12 vessels gave; None where the inflow was not assumed, or one of the two is not
    known.
    """
    values = {measure.id: measure.value for measure in content.flow.measures}
    if not POWERS.keys() <= values.keys() or all(note.code != "inflow_from_radius" for _, note in content.notes):
        return None
    shown: dict[str, str] = {"factor": f"{INFLOW_FACTOR:g}"}
    for id, powers in POWERS.items():
        for name, change in (("low", 1.0 / INFLOW_FACTOR), ("high", INFLOW_FACTOR)):
            # Two digits: the power itself is known to no more.
            moved = float(f"{values[id] * change ** powers[0]:.2g}")
            shown[f"{id}_{name}"] = f"{moved:g}"
        shown |= {f"{id}_{name}": f"{power:.1f}" for name, power in zip(("power", "least", "most"), powers, strict=True)}
    return text(language, "report.flow_inflow_note", **shown)
