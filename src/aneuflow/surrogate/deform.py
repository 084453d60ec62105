"""Other vessels from a real one: its sac, neck, caliber and course changed smoothly, or its sac taken away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from aneuflow.errors import MethodError
from aneuflow.numerics import surface as sf
from aneuflow.numerics.self_crossing import crossing_triangles
from aneuflow.numerics.surface_fields import smoothed
from aneuflow.types import REGION_SAC, FloatArray, LumenModel, Surface

BoolArray = npt.NDArray[np.bool_]

# Of the way over the sac's wall from neck to dome: where a change of the sac has come to its full size.
_FULL_AT = 0.6
_NECK_REACH = 0.6  # of the neck's radius: how far along the wall a change of its width fades by a factor e
_LOBE_WIDTH = 0.5  # of the sac's radius: standard deviation of a lobe
_STRAIGHT = 0.6  # parent diameters to either side of the neck's rim that an added bend leaves as they are
_FLARE = 1.0  # of the neck's radius: how far around a sac that is taken away the wall is drawn back to the artery's radius
_PATCH_SMOOTHING = 5  # pairs of steps, over the place a sac was taken from and around it


@dataclass(frozen=True, eq=False)
class Frame:
    """An open vessel surface and what its changes turn about.

    in_sac (n,): which points are the sac's; axis_mm (n, 3), axis_radius_mm (n,): the nearest point of the artery's centerline,
    as it would be without the sac, and the artery's radius there; center_mm and radius_mm of the neck; up, along, across:
    unit vectors into the sac, downstream, and at right angles to both.
    """

    surface: Surface
    in_sac: BoolArray
    axis_mm: FloatArray
    axis_radius_mm: FloatArray
    center_mm: FloatArray
    radius_mm: float
    parent_diameter_mm: float
    up: FloatArray
    along: FloatArray
    across: FloatArray


def frame_of(surface: Surface, model: LumenModel) -> Frame:
    """The frame of an open surface from the lumen model made of it. Raises MethodError where no sac was found on it."""
    if model.aneurysm is None:
        raise MethodError("No aneurysm was found on the base shape; leave it out, or name its neck plane and assess it alone.")
    lines = (model.aneurysm.parent_line, *model.aneurysm.daughter_lines)
    nearest = cKDTree(model.lumen.surface.points).query(surface.points)[1]
    line, radius = (np.concatenate([getattr(line, name) for line in lines]) for name in ("points_mm", "radius_mm"))
    on_line = cKDTree(line).query(surface.points)[1]
    ostium, parent = model.aneurysm.ostium, model.aneurysm.parent_line
    up = ostium.normal / np.linalg.norm(ostium.normal)
    back = parent.points_mm[-1] - parent.points_mm
    upstream = int(np.argmax(np.linalg.norm(back, axis=1) <= 2.0 * parent.radius_mm[-1]))
    along = back[min(upstream, len(back) - 2)]
    along = along - (along @ up) * up
    if np.linalg.norm(along) < 1e-6:  # an end-wall sac: any direction at right angles will do
        along = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    along = along / np.linalg.norm(along)
    return Frame(
        surface=surface,
        in_sac=model.lumen.region[nearest] == REGION_SAC,
        axis_mm=line[on_line],
        axis_radius_mm=radius[on_line],
        center_mm=np.asarray(ostium.center_mm),
        radius_mm=float(np.linalg.norm(ostium.neck_line_mm - ostium.center_mm, axis=1).mean()),
        parent_diameter_mm=2.0 * float(parent.radius_mm[-1]),
        up=up,
        along=along,
        across=np.cross(up, along),
    )


def deformed(frame: Frame, values: Mapping[str, float]) -> Surface:
    """The surface with the changes `values`, by the names of `DEFORMATION_AXES`.

    Raises MethodError where the wall would pass through itself.
    """
    points = _with_caliber(frame, values["caliber"])
    points = _with_neck(frame, points, values["neck_width"])
    points = _with_sac(frame, points, values)
    points = _bent(frame, points, values["bend_up"], values["bend_across"])
    return _sound(Surface(points, frame.surface.triangles))


def carried(frame: Frame, places: FloatArray, values: Mapping[str, float]) -> FloatArray:
    """Places (n, 3) within the artery, mm, where a `deformed` surface has taken them."""
    return _bent(frame, places, values["bend_up"], values["bend_across"])


def without_sac(frame: Frame, values: Mapping[str, float]) -> Surface:
    """The artery as it would be without its sac, with the changes of caliber and course of `values`.

    The hole is closed by a patch, and patch and flare drawn to the artery's radius about its centerline. Raises MethodError
    where the sac does not come off as one piece that bears no branch, or the wall would pass through itself.
    """
    points = _bent(frame, _with_caliber(frame, values["caliber"]), values["bend_up"], values["bend_across"])
    axis = _bent(frame, frame.axis_mm, values["bend_up"], values["bend_across"])
    triangles = frame.surface.triangles
    of_sac = frame.in_sac[triangles].any(axis=1)
    kept = triangles[~of_sac]
    rims = [loop for loop in sf.boundary_loops(kept) if np.isin(loop, triangles[of_sac]).all()]
    ends = len(sf.boundary_loops(triangles))
    if len(rims) != 1 or len(sf.boundary_loops(kept)) != ends + 1 or sf.face_components(kept).max() > 0:
        raise MethodError("The sac does not come off as one piece with one neck and no branch; the case is left out.")
    rim = rims[0][::-1]
    inner, patch = sf.fill_disc(points[rim], float(np.median(sf.edge_lengths(points, kept))))
    numbers = np.concatenate([rim, len(points) + np.arange(len(inner))])
    whole = np.concatenate([kept, numbers[patch]]).astype(np.int32)
    nearest = cKDTree(axis).query(inner)[1]
    distance = sf.geodesic_distance(points, kept, rim)
    drawn = np.concatenate([np.clip(1.0 - distance / (_FLARE * frame.radius_mm), 0.0, 1.0), np.ones(len(inner))])
    places, about = np.concatenate([points, inner]), np.concatenate([axis, axis[nearest]])
    radius = values["caliber"] * np.concatenate([frame.axis_radius_mm, frame.axis_radius_mm[nearest]])
    return _sound(Surface(*_drawn_in(places, whole, about, radius, drawn)))


def _drawn_in(
    places: FloatArray, triangles: npt.NDArray[np.int32], axis: FloatArray, radius: FloatArray, part: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.int32]]:
    """The surface, its points moved by `part` of the way to `radius` from `axis` and smoothed there; without unused points."""
    away = places - axis
    far = np.maximum(np.linalg.norm(away, axis=1), 1e-6)
    moved = places + (part * (radius / far - 1.0))[:, None] * away
    average = sf.neighbor_average(len(moved), triangles)
    for _ in range(_PATCH_SMOOTHING):
        for factor in (0.5, -0.53):  # Taubin's: what smooths without shrinking
            moved = moved + (factor * np.sqrt(part))[:, None] * (average @ moved - moved)
    points, numbered, _ = sf.compact(moved, triangles)
    return points, numbered


def _with_caliber(frame: Frame, factor: float) -> FloatArray:
    """Artery and branches wider by `factor`; the sac keeps its size and is carried along by its neck."""
    surface, ring = frame.surface, _ring(frame)
    shift = (factor - 1.0) * (frame.surface.points - frame.axis_mm)
    shift[frame.in_sac] = 0.0
    nearest = ring[cKDTree(surface.points[ring]).query(surface.points[frame.in_sac])[1]]
    part = _toward_dome(frame)[frame.in_sac, None]
    shift[frame.in_sac] = (1.0 - part) * shift[nearest] + part * shift[ring].mean(axis=0)
    shift = smoothed(surface.points, surface.triangles, shift, 0.25 * frame.parent_diameter_mm)
    return np.asarray(surface.points + shift)


def _with_neck(frame: Frame, points: FloatArray, factor: float) -> FloatArray:
    """The neck wider by `factor`, in its plane, fading to both sides of it."""
    distance = sf.geodesic_distance(frame.surface.points, frame.surface.triangles, _ring(frame))
    fade = np.exp(-((distance / (_NECK_REACH * frame.radius_mm)) ** 2))
    offset = points - frame.center_mm
    aside = offset - (offset @ frame.up)[:, None] * frame.up
    return np.asarray(points + ((factor - 1.0) * fade)[:, None] * aside)


def _with_sac(frame: Frame, points: FloatArray, values: Mapping[str, float]) -> FloatArray:
    """The sac scaled about the neck's center, stretched, leaned over, with a lobe: all from nothing at the neck line on."""
    part = np.where(frame.in_sac, _toward_dome(frame), 0.0)
    size, stretch = values["sac_scale"], values["sac_stretch"]
    offset = points - frame.center_mm
    height = offset @ frame.up
    aside = offset - height[:, None] * frame.up
    raised = height * (1.0 + (size * stretch - 1.0) * part)
    lean = values["tilt_along"] * frame.along + values["tilt_across"] * frame.across
    grown = aside * (1.0 + (size - 1.0) * part)[:, None] + (raised * part)[:, None] * lean + raised[:, None] * frame.up
    grown = np.where(frame.in_sac[:, None], grown, offset)
    if values["lobe"] > 0.0:
        azimuth, elevation = np.radians(values["lobe_azimuth"]), np.radians(values["lobe_elevation"])
        flat = np.cos(azimuth) * frame.along + np.sin(azimuth) * frame.across
        direction = np.cos(elevation) * flat + np.sin(elevation) * frame.up
        sac = grown[frame.in_sac]
        middle = sac.mean(axis=0)
        radius = float(np.linalg.norm(sac - middle, axis=1).mean())
        top = sac[np.argmax((sac - middle) @ direction)]
        bump = np.exp(-0.5 * (np.linalg.norm(grown - top, axis=1) / (_LOBE_WIDTH * radius)) ** 2) * part
        grown = grown + (values["lobe"] * radius * bump)[:, None] * direction
    return np.asarray(frame.center_mm + grown)


def _bent(frame: Frame, places: FloatArray, up: float, across: float) -> FloatArray:
    """Places of a space sheared at right angles to the artery, by parabolas that begin beside the neck: no fold is possible."""
    away = (places - frame.center_mm) @ frame.along
    reach = np.maximum(np.abs(away) - frame.radius_mm - _STRAIGHT * frame.parent_diameter_mm, 0.0)
    shift = 0.5 * reach**2 / frame.parent_diameter_mm
    return np.asarray(places + shift[:, None] * (up * frame.up + across * frame.across))


def _ring(frame: Frame) -> npt.NDArray[np.int64]:
    """The artery's points next to the sac."""
    pairs, _ = sf.edges(frame.surface.triangles)
    mixed = pairs[frame.in_sac[pairs].sum(axis=1) == 1]
    if not len(mixed):
        raise MethodError("The base shape's sac has no neck on its surface; the surface is coarser than the sac.")
    return np.unique(mixed[~frame.in_sac[mixed]])


def _toward_dome(frame: Frame) -> FloatArray:
    """(n,) from 0 at the neck line, smoothly, to 1 on the sac from `_FULL_AT` of the way to its farthest point on."""
    distance = sf.geodesic_distance(frame.surface.points, frame.surface.triangles, _ring(frame))
    farthest = float(distance[frame.in_sac].max())
    part = np.clip(distance / (_FULL_AT * max(farthest, 1e-6)), 0.0, 1.0)
    return np.asarray(part**2 * (3.0 - 2.0 * part))


def _sound(surface: Surface) -> Surface:
    crossing = int(crossing_triangles(surface.points, surface.triangles).sum())
    if crossing:
        raise MethodError(f"The deformed wall passes through itself in {crossing} triangles; the case is left out.")
    return surface
