"""The pictures of the lumen and the flow in it: drawn off-screen with VTK, laid out with scale and color bar by matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvista as pv
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator

from aneuflow.report.content import ReportContent
from aneuflow.report.flow_paths import streamlines
from aneuflow.report.meshes import flow_grid, poly_data
from aneuflow.report.plots import ARTERY_COLOR, INK, SAC_COLOR, round_length
from aneuflow.report.ranges import (
    FIELD_UNITS,
    LOGARITHMIC,
    PLAIN_WALL_COLOR,
    REGION_COLORS,
    color_map,
    field_range,
    is_shown,
)
from aneuflow.report.views import View, close_views, patient_view
from aneuflow.types import REGION_SAC, FloatArray, LumenModel, Surface

PIXELS = 700
OSTIUM_COLOR, INLET_COLOR, OUTLET_COLOR, LINE_COLOR = "#111827", "#1b9e5a", "#7b4fb0", "#333f4d"
CONSTRUCTION_COLORS = {
    "inflow_angle": INLET_COLOR, "outflow_angle": OUTLET_COLOR, "height": SAC_COLOR, "maximum_height": SAC_COLOR,
    "width": "#e08e0b", "neck_diameter": OSTIUM_COLOR,
}  # fmt: skip
CONSTRUCTION_PANELS = (
    ("inflow_angle", "maximum_height"),
    ("outflow_angle", "maximum_height"),
    ("height", "width", "neck_diameter"),
)
ANGLES = frozenset({"inflow_angle", "outflow_angle"})
Picture = npt.NDArray[np.uint8]
Plotter = Any  # for the reason that meshes.py gives
Drawing = Callable[[Plotter], None]


def key_picture(content: ReportContent) -> Figure:
    """The wall by its mean shear in the view that shows the sac in profile."""
    return _wall_figure(content, "TAWSS", close_views(content.model)[:1], text_size=9)


def wall_field(content: ReportContent, name: str) -> Figure | None:
    """One scalar field on the wall from two opposite sides; None where the solution lacks it or it says nothing."""
    if not is_shown(name, content.flow.wall_fields):
        return None
    return _wall_figure(content, name, close_views(content.model)[:2], text_size=14)


def wall_regions(content: ReportContent) -> Figure | None:
    """The regions of the wall that meet a definition, from two opposite sides and from above; None where there are none."""
    risk = content.risk
    if risk is None or risk.wall is None or not risk.defined:
        return None
    mesh = poly_data(risk.wall)
    colors = np.tile(_byte_color(PLAIN_WALL_COLOR), (len(risk.wall.points), 1))
    # The first kinds are the rarer ones and lie on top of the wide ones.
    for kind in reversed(list(dict.fromkeys(region.kind for region in risk.defined))):
        colors[risk.fields[kind] > 0] = _byte_color(REGION_COLORS[kind])
    mesh["color"] = colors

    def draw(plotter: Plotter) -> None:
        plotter.add_mesh(mesh, scalars="color", rgb=True, smooth_shading=True, ambient=0.4, diffuse=0.65, specular=0.0)
        _draw_neck_line(plotter, content.model)

    return _lay_out([(_picture(draw, view), view) for view in close_views(content.model)])


def _byte_color(name: str) -> npt.NDArray[np.uint8]:
    return np.round(255 * np.array(to_rgb(name))).astype(np.uint8)


def model_picture(content: ReportContent) -> Figure:
    """The model from the patient's front and from two sides of the sac, with neck line, caps and centerlines."""
    model = content.model
    views = close_views(model)
    shown = (patient_view(model), views[0], views[2])
    figure = _lay_out([(_picture(lambda plotter: _draw_model(plotter, model), view), view) for view in shown])
    _patient_letters(figure.axes[0])
    return figure


def constructions(content: ReportContent) -> Figure | None:
    """How inflow angle, outflow angle and the sac's sizes were taken; None without an aneurysm."""
    segments = content.morphology.construction
    panels = [panel for panel in CONSTRUCTION_PANELS if panel[0] in segments]
    if content.model.aneurysm is None or not panels:
        return None
    values = {measure.id: measure.value for measure in content.morphology.measures}
    shown = []
    for panel in panels:
        lines = {name: np.array(segments[name]) for name in panel if name in segments}
        view = close_views(content.model)[0]
        if panel[0] in ANGLES and len(lines) == 2:
            view = _facing(view, *lines.values())
        ends = np.concatenate(list(lines.values())) - view.focus_mm
        view = replace(view, radius_mm=max(view.radius_mm, 1.1 * float(np.abs(ends @ _plane(view).T).max())))
        shown.append((_picture(_construction(content.model, lines, view, values.get(panel[0])), view), view))
    return _lay_out(shown)


def _construction(model: LumenModel, lines: Mapping[str, FloatArray], view: View, value: float | None) -> Drawing:
    """The lines of one panel; those of an angle with its arc and its value in degrees."""

    def scene(plotter: Plotter) -> None:
        _draw_ghost(plotter, model)
        for name, ends in lines.items():
            _draw_segment(plotter, ends, CONSTRUCTION_COLORS[name], view.radius_mm)
        arms = list(lines.values())
        if next(iter(lines)) in ANGLES and len(arms) == 2 and value is not None:
            arc = _arc(*arms)
            plotter.add_mesh(pv.lines_from_points(arc), color=INK, line_width=3)
            label = arc[len(arc) // 2] + 0.12 * view.radius_mm * (arc[len(arc) // 2] - arms[0][0]) / 0.4 / _shorter(*arms)
            plotter.add_point_labels(
                label[None], [f"{value:.0f}°"], font_size=40, text_color=INK, shape=None, show_points=False, always_visible=True
            )

    return scene


def _shorter(first: FloatArray, second: FloatArray) -> float:
    return min(float(np.linalg.norm(arm[1] - arm[0])) for arm in (first, second))


def _arc(first: FloatArray, second: FloatArray) -> FloatArray:
    """The arc (40, 3) between two segments (2, 3) that start at the same place."""
    a, b = ((arm[1] - arm[0]) / max(float(np.linalg.norm(arm[1] - arm[0])), 1e-12) for arm in (first, second))
    side = b - (a @ b) * a
    side /= max(float(np.linalg.norm(side)), 1e-12)
    turn = np.linspace(0, float(np.arccos(np.clip(a @ b, -1, 1))), 40)[:, None]
    return np.asarray(first[0] + 0.4 * _shorter(first, second) * (np.cos(turn) * a + np.sin(turn) * side))


def _facing(view: View, first: FloatArray, second: FloatArray) -> View:
    """The view square to the plane of two segments, so that the angle between them is seen as large as it is."""
    eye = np.cross(first[1] - first[0], second[1] - second[0])
    lengths = float(np.linalg.norm(first[1] - first[0]) * np.linalg.norm(second[1] - second[0]))
    # Segments in one line lie in every plane through it.
    if float(np.linalg.norm(eye)) < 0.05 * lengths:
        return view
    eye = eye / np.linalg.norm(eye) * (1.0 if eye @ view.toward_eye >= 0 else -1.0)
    up = view.up - (view.up @ eye) * eye
    return view if float(np.linalg.norm(up)) < 0.1 else replace(view, toward_eye=eye, up=up / np.linalg.norm(up))


def flow_views(content: ReportContent) -> Figure | None:
    """Cycle-mean flow: streamlines in the lumen, and speed in the plane that cuts the sac along the parent artery.

    None where only the wall's flow is known.
    """
    if not len(content.flow.volume.voxels):
        return None
    grid = flow_grid(content.flow.volume)
    views = close_views(content.model)
    speed = grid["speed"][grid["speed"] > 0]
    if not len(speed):
        return None
    limits = (0.0, float(np.percentile(speed, 99)))
    lines = streamlines(grid, content.model)
    section = grid.slice(normal=views[0].toward_eye, origin=_section_origin(content.model))
    if section.n_points:
        section = section.clip_surface(poly_data(content.model.lumen.surface))

    def draw_lines(plotter: Plotter) -> None:
        _draw_ghost(plotter, content.model)
        if lines.n_points:
            tubes = lines.tube(radius=0.008 * views[0].radius_mm, n_sides=6)
            plotter.add_mesh(tubes, scalars="speed", cmap=color_map("speed"), clim=limits, show_scalar_bar=False)

    def draw_section(plotter: Plotter) -> None:
        _draw_ghost(plotter, content.model)
        if section.n_points:
            plotter.add_mesh(
                section, scalars="speed", cmap=color_map("speed"), clim=limits, show_scalar_bar=False, lighting=False
            )

    shown = [(_picture(draw_lines, views[0]), views[0]), (_picture(draw_section, views[0]), views[0])]
    return _lay_out(shown, ScalarMappable(Normalize(*limits), color_map("speed")), "|u| (m/s)")


def _wall_figure(content: ReportContent, name: str, views: Sequence[View], text_size: float) -> Figure:
    values = content.flow.wall_fields[name]
    limits = field_range(name, values, content.flow.region == REGION_SAC)
    mesh = poly_data(content.flow.wall)
    mesh[name] = np.clip(np.nan_to_num(values, posinf=limits[1]), *limits)

    def draw(plotter: Plotter) -> None:
        colors = {"cmap": color_map(name), "clim": limits, "log_scale": name in LOGARITHMIC, "show_scalar_bar": False}
        plotter.add_mesh(mesh, scalars=name, smooth_shading=True, ambient=0.4, diffuse=0.65, specular=0.0, **colors)
        _draw_neck_line(plotter, content.model)

    norm = LogNorm(*limits) if name in LOGARITHMIC else Normalize(*limits)
    unit = FIELD_UNITS[name]
    label = f"{'p' if name == 'pressure' else name}{f' ({unit})' if unit else ''}"
    colors = ScalarMappable(norm, color_map(name))
    return _lay_out([(_picture(draw, view), view) for view in views], colors, label, text_size)


def _picture(draw: Drawing, view: View) -> Picture:
    plotter: Plotter = pv.Plotter(off_screen=True, window_size=[PIXELS, PIXELS])
    try:
        plotter.set_background("white")
        plotter.enable_anti_aliasing("ssaa")
        draw(plotter)
        plotter.enable_parallel_projection()
        plotter.camera.position = view.focus_mm + 10 * view.radius_mm * view.toward_eye
        plotter.camera.focal_point = view.focus_mm
        plotter.camera.up = view.up
        plotter.camera.parallel_scale = view.radius_mm
        plotter.reset_camera_clipping_range()
        return np.asarray(plotter.screenshot(return_img=True))
    finally:
        plotter.close()


def _lay_out(
    pictures: Sequence[tuple[Picture, View]], colors: ScalarMappable | None = None, label: str = "", text_size: float = 9
) -> Figure:
    """Pictures side by side, each with a scale in mm, and one color bar for all; a picture shown small needs larger text."""
    gap, height = 0.08, 3.6
    width, bar = (height + gap) * len(pictures) - gap, (0.4 + 0.065 * text_size) if colors else 0.0
    figure = Figure(figsize=(width + bar, height), facecolor="white")
    share = width / (width + bar)
    for index, (picture, view) in enumerate(pictures):
        ax = figure.add_axes((index * (height + gap) / (width + bar), 0, height / (width + bar), 1))
        ax.imshow(picture, interpolation="lanczos")
        ax.set_axis_off()
        _scale_bar(ax, view, text_size)
    if colors:
        bar_axes = figure.add_axes((share + 0.02 * share, 0.12, 0.16 / (width + bar), 0.72))
        color_bar = figure.colorbar(colors, cax=bar_axes, extend="max", extendfrac=0.03)
        color_bar.ax.tick_params(labelsize=0.9 * text_size, colors=INK)
        if isinstance(colors.norm, LogNorm):
            color_bar.set_ticks(LogLocator(subs=(1, 2, 5)))
            color_bar.ax.yaxis.set_major_formatter("{x:g}")
            color_bar.ax.yaxis.set_minor_locator(NullLocator())
        color_bar.outline.set_visible(False)
        bar_axes.set_title(label, fontsize=text_size, color=INK, loc="left", pad=8)
    return figure


def _scale_bar(ax: Axes, view: View, text_size: float) -> None:
    length = round_length(0.6 * view.radius_mm)
    pixels = length / (2 * view.radius_mm) * PIXELS
    left, y = 0.04 * PIXELS, 0.955 * PIXELS
    edge = [withStroke(linewidth=3.0, foreground="white")]  # the vessel may lie behind
    ax.plot([left, left + pixels], [y, y], color=INK, lw=1.5, solid_capstyle="butt", path_effects=edge)
    place = (left + pixels / 2, y - 8)
    ax.text(*place, f"{length:g} mm", ha="center", va="bottom", fontsize=0.8 * text_size, color=INK, path_effects=edge)


def _plane(view: View) -> FloatArray:
    """Right and up (2, 3) of a view."""
    return np.array([np.cross(view.up, view.toward_eye), view.up])


def _patient_letters(ax: Axes) -> None:
    for letter, x, y in (("R", 0.03, 0.04), ("L", 0.97, 0.04), ("S", 0.5, 0.04)):
        ax.text(x * PIXELS, y * PIXELS, letter, fontsize=8, color="#7b8794", ha="center", va="center", weight="bold")


def _draw_model(plotter: Plotter, model: LumenModel) -> None:
    lumen = model.lumen
    is_wall = lumen.patch == 0
    is_sac = lumen.region[lumen.surface.triangles].min(axis=1) == REGION_SAC
    for chosen, color in ((is_wall & ~is_sac, ARTERY_COLOR), (is_wall & is_sac, SAC_COLOR)):
        if chosen.any():
            part = poly_data(Surface(lumen.surface.points, lumen.surface.triangles[chosen])).clean()
            plotter.add_mesh(part, color=color, opacity=0.5, smooth_shading=True)
    for cap in model.caps:
        chosen = lumen.patch == cap.id
        if chosen.any():
            color = INLET_COLOR if cap.role == "inlet" else OUTLET_COLOR
            plotter.add_mesh(poly_data(Surface(lumen.surface.points, lumen.surface.triangles[chosen])), color=color)
    outside = [cap.center_mm + cap.radius_mm * cap.normal for cap in model.caps]
    numbers = [str(cap.id) for cap in model.caps]
    style = {
        "font_size": 20,
        "text_color": INK,
        "shape_color": "white",
        "shape_opacity": 0.7,
        "margin": 2,
        "show_points": False,
    }
    plotter.add_point_labels(outside, numbers, always_visible=True, **style)
    for line in model.centerlines:
        if len(line.points_mm) > 1:
            plotter.add_mesh(pv.lines_from_points(line.points_mm), color=LINE_COLOR, line_width=2.5)
    _draw_neck_line(plotter, model)


def _draw_ghost(plotter: Plotter, model: LumenModel) -> None:
    plotter.add_mesh(poly_data(model.lumen.surface), color="#9aa5b1", opacity=0.18, smooth_shading=True)
    _draw_neck_line(plotter, model)


def _draw_neck_line(plotter: Plotter, model: LumenModel) -> None:
    if model.aneurysm is not None:
        rim = model.aneurysm.ostium.neck_line_mm
        plotter.add_mesh(pv.lines_from_points(np.vstack([rim, rim[:1]])), color=OSTIUM_COLOR, line_width=4)


def _draw_segment(plotter: Plotter, ends: FloatArray, color: str, scale_mm: float) -> None:
    plotter.add_mesh(pv.Line(*ends).tube(radius=0.014 * scale_mm), color=color)
    for end in ends:
        plotter.add_mesh(pv.Sphere(radius=0.03 * scale_mm, center=end), color=color)


def _section_origin(model: LumenModel) -> FloatArray:
    if model.aneurysm is not None:
        return model.aneurysm.ostium.center_mm
    longest = max(model.centerlines, key=lambda line: len(line.points_mm))
    return np.asarray(longest.points_mm[len(longest.points_mm) // 2])
