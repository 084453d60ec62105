"""Dimensionless indices of the sac's form, from its lengths (mm), areas (mm2) and volumes (mm3)."""

import math

# Makes the index of a hemisphere without its base zero: S = (18 pi)^(1/3) V^(2/3).
_HEMISPHERE = math.cbrt(18 * math.pi)


def aspect_ratio(height_mm: float, neck_mm: float) -> float:
    """Height over neck diameter (Ujiie 1999)."""
    return height_mm / neck_mm


def size_ratio(maximum_height_mm: float, parent_mm: float) -> float:
    """Maximum height over the parent artery's diameter (Dhar 2008)."""
    return maximum_height_mm / parent_mm


def bottleneck_factor(width_mm: float, neck_mm: float) -> float:
    """Width over neck diameter (Raghavan 2005)."""
    return width_mm / neck_mm


def nonsphericity_index(volume_mm3: float, area_mm2: float) -> float:
    """1 - (18 pi)^(1/3) V^(2/3) / S with S without the ostium: 0 for a hemisphere, 0.206 for a sphere (Raghavan 2005)."""
    return 1 - _HEMISPHERE * math.cbrt(volume_mm3**2) / area_mm2


def ellipticity_index(hull_volume_mm3: float, hull_area_mm2: float) -> float:
    """The nonsphericity index of the convex hull: blind to lobes, it tells elongation alone (Raghavan 2005)."""
    return nonsphericity_index(hull_volume_mm3, hull_area_mm2)


def undulation_index(volume_mm3: float, hull_volume_mm3: float) -> float:
    """1 - V / V_hull: 0 for a convex sac (Raghavan 2005)."""
    return max(0.0, 1 - volume_mm3 / hull_volume_mm3)


def convexity_ratio(volume_mm3: float, hull_volume_mm3: float) -> float:
    """V / V_hull: 1 for a convex sac, the undulation index's complement (Ma 2004)."""
    return min(1.0, volume_mm3 / hull_volume_mm3)


def volume_to_ostium_ratio(volume_mm3: float, ostium_mm2: float) -> float:
    """Volume over the area of the ostium, mm (Yasuda 2011)."""
    return volume_mm3 / ostium_mm2
