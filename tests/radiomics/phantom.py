"""The IBSI digital phantom and the values published for it (IBSI reference manual; Zwanenburg et al., Radiology 2020).

All values have the manual's consensus "strong" or "very strong". They are printed with three digits; no tolerance is given for
the phantom, so a value must agree with every digit that is printed.
"""

from __future__ import annotations

import numpy as np

# Levels by (z, y, x); 0 where a voxel is no part of the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=np.int32,
)

STATISTICS = {
    "mean": "2.15", "variance": "3.05", "skewness": "1.08", "kurtosis": "-0.355", "median": "1", "minimum": "1",
    "percentile_10": "1", "percentile_90": "4", "maximum": "6", "interquartile_range": "3", "range": "5",
    "mean_absolute_deviation": "1.55", "robust_mean_absolute_deviation": "1.11", "median_absolute_deviation": "1.15",
    "coefficient_of_variation": "0.812", "quartile_coefficient_of_dispersion": "0.6", "energy": "567",
    "root_mean_square": "2.77",
}  # fmt: skip

HISTOGRAM = {
    **{name: value for name, value in STATISTICS.items() if name not in ("energy", "root_mean_square")},
    "mode": "1", "entropy": "1.27", "uniformity": "0.512", "maximum_gradient": "8", "maximum_gradient_level": "3",
    "minimum_gradient": "-50", "minimum_gradient_level": "1",
}  # fmt: skip

# By name: 3D averaged, 3D merged.
TEXTURE = {
    "joint_maximum": ("0.503", "0.509"), "joint_average": ("2.14", "2.15"), "joint_variance": ("3.1", "3.13"),
    "joint_entropy": ("2.4", "2.57"), "difference_average": ("1.43", "1.38"), "difference_variance": ("3.06", "3.21"),
    "difference_entropy": ("1.56", "1.64"), "sum_average": ("4.29", "4.3"), "sum_variance": ("7.07", "7.41"),
    "sum_entropy": ("1.92", "2.11"), "angular_second_moment": ("0.303", "0.291"), "contrast": ("5.32", "5.12"),
    "dissimilarity": ("1.43", "1.38"), "inverse_difference": ("0.677", "0.688"),
    "normalized_inverse_difference": ("0.851", "0.856"), "inverse_difference_moment": ("0.618", "0.631"),
    "normalized_inverse_difference_moment": ("0.898", "0.902"), "inverse_variance": ("0.0604", "0.0574"),
    "correlation": ("0.157", "0.183"), "autocorrelation": ("5.06", "5.19"), "cluster_tendency": ("7.07", "7.41"),
    "cluster_shade": ("16.6", "17.4"), "cluster_prominence": ("145", "147"),
    "information_correlation_1": ("-0.157", "-0.0288"), "information_correlation_2": ("0.52", "0.269"),
}  # fmt: skip


def as_printed(value: float) -> str:
    """The value with three digits, as the manual prints it."""
    return f"{float(f'{value:.3g}'):g}"
