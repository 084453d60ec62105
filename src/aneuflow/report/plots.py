"""The flat pictures: image planes with the lumen's outline, and curves over the cycle; words are left to the page."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy.ndimage import map_coordinates

from aneuflow.report.content import ReportContent
from aneuflow.report.meshes import poly_data
from aneuflow.types import REGION_SAC, FloatArray, Surface, Volume

INK, SAC_COLOR, ARTERY_COLOR, GRID_COLOR = "#1f2933", "#d1495b", "#2e86ab", "#d9dee3"
SERIES_COLORS = ("#2e86ab", "#e08e0b", "#5b8c5a", "#8e5572", "#6c757d", "#b5651d")
CENTER_PERCENTILES = (0.5, 99.8)
# (letter on the left, on the right, at the bottom, at the top), picture axes (right, up) and viewing axis in LPS
PLANES = (
    ("R", "L", "P", "A", (1, 0, 0), (0, -1, 0), (0, 0, 1)),
    ("R", "L", "I", "S", (1, 0, 0), (0, 0, 1), (0, 1, 0)),
    ("A", "P", "I", "S", (0, 1, 0), (0, 0, 1), (1, 0, 0)),
)


def image_planes(content: ReportContent) -> Figure | None:
    """Three orthogonal planes through the sac (or the lumen's middle) and a maximum projection; None without an image."""
    if content.volume is None:
        return None
    surface = content.model.lumen.surface
    center, half = _window(content)
    right_mm = np.linspace(-half, half, 260)
    figure = Figure(figsize=(11, 3.0), facecolor="white")
    axes = figure.subplots(1, 4, gridspec_kw={"left": 0.005, "right": 0.995, "top": 0.99, "bottom": 0.01, "wspace": 0.03})
    pictures = [_plane(content.volume, center, plane, right_mm) for plane in PLANES]
    pictures.append(_projection(content.volume, center, PLANES[1], right_mm[::2]))
    low, high = np.nanpercentile(np.concatenate([picture.ravel() for picture in pictures]), CENTER_PERCENTILES)
    for ax, plane, picture in zip(axes, (*PLANES, PLANES[1]), pictures, strict=True):
        ax.imshow(
            np.nan_to_num(picture, nan=low), cmap="gray", vmin=low, vmax=high, origin="lower", extent=(-half, half, -half, half)
        )
        _letters(ax, plane, half)
    for ax, plane in zip(axes[:3], PLANES, strict=True):
        ax.add_collection(LineCollection(_outline(surface, center, plane), colors="#ffcf33", linewidths=0.9))
    length = round_length(half / 2)
    axes[3].plot([-0.9 * half, -0.9 * half + length], [-0.72 * half] * 2, color="white", lw=2)
    axes[3].text(-0.9 * half + length / 2, -0.68 * half, f"{length:g} mm", color="white", ha="center", va="bottom", fontsize=7)
    return figure


def _window(content: ReportContent) -> tuple[FloatArray, float]:
    """Center and half width in mm of the part of the image that is shown."""
    lumen = content.model.lumen
    points = lumen.surface.points
    sac = points[lumen.region == REGION_SAC] if content.model.aneurysm is not None else points[:0]
    shown = sac if len(sac) else points
    low, high = shown.min(axis=0), shown.max(axis=0)
    if not len(sac):
        middle = points[np.argmin(np.linalg.norm(points - 0.5 * (low + high), axis=1))]
        return middle, float(np.clip(0.55 * (high - low).max(), 8.0, 60.0))
    return 0.5 * (low + high), float(np.clip(1.6 * (high - low).max(), 8.0, 40.0))


def _sample(volume: Volume, points: FloatArray) -> FloatArray:
    inverse = np.linalg.inv(volume.affine)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    values = map_coordinates(volume.values, index.reshape(-1, 3).T, order=1, cval=np.nan)
    return np.asarray(values, dtype=np.float64).reshape(points.shape[:-1])


def _plane(volume: Volume, center: FloatArray, plane: tuple[object, ...], offsets_mm: FloatArray) -> FloatArray:
    right, up = np.array(plane[4], float), np.array(plane[5], float)
    return _sample(volume, center + offsets_mm[None, :, None] * right + offsets_mm[:, None, None] * up)


def _projection(volume: Volume, center: FloatArray, plane: tuple[object, ...], offsets_mm: FloatArray) -> FloatArray:
    depth = np.array(plane[6], float)
    best = np.full((len(offsets_mm),) * 2, np.nan)
    for offset in offsets_mm:
        best = np.fmax(best, _plane(volume, center + offset * depth, plane, offsets_mm))
    return best


def _outline(surface: Surface, center: FloatArray, plane: tuple[object, ...]) -> list[FloatArray]:
    section = poly_data(surface).slice(normal=plane[6], origin=center)
    if not section.n_points:
        return []
    flat = (section.points - center) @ np.array([plane[4], plane[5]], float).T
    return list(flat[section.lines.reshape(-1, 3)[:, 1:]])


def _letters(ax: Axes, plane: tuple[object, ...], half: float) -> None:
    ax.set(xlim=(-half, half), ylim=(-half, half))
    ax.set_axis_off()
    places = (
        (-0.95, 0.0, "left", "center"),
        (0.95, 0.0, "right", "center"),
        (0.0, -0.95, "center", "bottom"),
        (0.0, 0.95, "center", "top"),
    )
    for letter, (x, y, horizontal, vertical) in zip(plane[:4], places, strict=True):
        ax.text(x * half, y * half, str(letter), color="#9fe8ff", ha=horizontal, va=vertical, fontsize=8, weight="bold")


def round_length(length_mm: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50 mm that is not longer: what a scale bar shows."""
    return max((step for step in (1.0, 2.0, 5.0, 10.0, 20.0, 50.0) if step <= length_mm), default=1.0)


def curves(content: ReportContent) -> Figure | None:
    """Flow at every cap, pressure at the inlets and kinetic energy in the sac over the last cycle; None for steady flow."""
    history = content.flow.history
    time = history.get("time_s")
    if content.boundary.waveform is None or time is None or len(time) < 3:
        return None
    kinds = (("Q (mL/s)", ("inflow_", "outflow_")), ("p (Pa)", ("pressure_",)), ("k (J/m³)", ("sac_kinetic_energy",)))
    panels = [(label, [(name, history[name]) for name in history if name.startswith(starts)]) for label, starts in kinds]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    figure = Figure(figsize=(3.6 * len(panels), 2.5), facecolor="white", layout="constrained")
    for ax, (label, series) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for index, (name, values) in enumerate(series):
            style = "--" if name.startswith("outflow_") else "-"
            cap = name.rpartition("_")[2]
            color = SERIES_COLORS[index % len(SERIES_COLORS)]
            ax.plot(time - time[0], values, style, color=color, lw=1.6, label=cap if cap.isdigit() else None)
        _style(ax, label)
        if ax.get_legend_handles_labels()[0]:
            ax.legend(fontsize=7, frameon=False, ncols=2)
    return figure


def _style(ax: Axes, label: str) -> None:
    ax.set_title(label, fontsize=9, color=INK, loc="left")
    ax.set_xlabel("t (s)", fontsize=8, color=INK)
    ax.tick_params(labelsize=8, colors=INK)
    ax.grid(color=GRID_COLOR, lw=0.6)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(x=0)
