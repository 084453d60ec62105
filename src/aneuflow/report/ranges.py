"""How each wall field is shown: its unit, color map and range, the same in still pictures and the interactive view."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

# Perceptually uniform and readable with color-blind eyes: (map, first, last). The nearly black and nearly white ends are cut
# off, for they hide the shape; OSI and RRT grow darker, so that what is striking is what is large.
COLOR_MAPS = {
    "TAWSS": ("viridis", 0.05, 1.0), "WSS_peak": ("viridis", 0.05, 1.0), "OSI": ("magma", 0.97, 0.15),
    "RRT": ("inferno", 0.97, 0.12), "pressure": ("cividis", 0.0, 1.0), "speed": ("plasma", 0.0, 1.0),
    "TAWSS_predicted": ("viridis", 0.05, 1.0), "TAWSS_difference": ("PuOr", 0.95, 0.05),
}  # fmt: skip
SHEAR = frozenset({"TAWSS", "WSS_peak"})
FIELD_UNITS = {
    "TAWSS": "Pa", "OSI": "", "RRT": "1/Pa", "pressure": "Pa", "WSS_peak": "Pa", "TAWSS_predicted": "Pa",
    "TAWSS_difference": "Pa",
}  # fmt: skip
# Colors that eyes without red or green tell apart (Okabe and Ito 2008), on a light grey wall.
PLAIN_WALL_COLOR = "#d5dbe1"
REGION_COLORS = {
    "low_oscillating_region": "#d55e00", "impingement_region": "#0072b2", "bleb_region": "#cc79a7",
    "high_residence_region": "#e69f00", "low_shear_region": "#56b4e9",
    "learned_low_shear_region": "#009e73", "learned_impingement_region": "#f0e442", "learned_suspicious_region": "#000000",
}  # fmt: skip
LOGARITHMIC = frozenset({"RRT"})


def is_shown(name: str, fields: Mapping[str, npt.NDArray[np.floating]]) -> bool:
    """Whether a wall field says anything: steady flow has no oscillation, and its residence time is but the inverse shear."""
    return bool(np.any(fields.get(name, 0))) and (name != "RRT" or bool(np.any(fields.get("OSI", 0))))


def field_range(name: str, values: npt.NDArray[np.floating], sac: npt.NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """The values the color bar ends at: robust against a few extreme points, from zero where that is natural.

    Shear is scaled to the `sac` (n,) where there is one: its artery bears several times as much, and would leave it dark.
    """
    in_sac = name in SHEAR and sac is not None and bool(sac.any())
    finite = values[np.isfinite(values) & (sac if in_sac else True)]
    if not len(finite):
        return 0.0, 1.0
    # A jet that hits the rim of the neck would set the sac's scale; the vessel is above it anyway.
    low, high = (float(value) for value in np.percentile(finite, (1, 95 if in_sac else 99)))
    if name in LOGARITHMIC:
        low = max(low, 1e-3 * high) if high > 0 else 1e-3
    elif name != "pressure":
        low = 0.0
    return (low, high) if high > low else (low, low + max(abs(low), 1.0) * 1e-3)


def color_table(name: str) -> npt.NDArray[np.float64]:
    """The colors (256, 3) of a field, in [0, 1], from the lower to the upper end of its range."""
    base, first, last = COLOR_MAPS[name]
    return np.asarray(colormaps[base](np.linspace(first, last, 256)), dtype=np.float64)[:, :3]


def color_map(name: str) -> ListedColormap:
    """The same colors as a map of matplotlib."""
    return ListedColormap(color_table(name), name=f"aneuflow {name}")
