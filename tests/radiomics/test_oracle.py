"""Image processing and features on a crop of a real angiogram, against MIRP, an IBSI-compliant program of other authors."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from aneuflow.case.files import read_nifti, write_nifti
from aneuflow.radiomics.measure import features
from aneuflow.radiomics.processing import sample
from aneuflow.radiomics.settings import RadiomicsSettings
from aneuflow.types import LABEL_ANEURYSM, Volume
from tests.conftest import shared_data

SHORT = {
    "mean": "mean", "variance": "var", "skewness": "skew", "kurtosis": "kurt", "median": "median", "minimum": "min",
    "percentile_10": "p10", "percentile_90": "p90", "maximum": "max", "interquartile_range": "iqr", "range": "range",
    "mean_absolute_deviation": "mad", "robust_mean_absolute_deviation": "rmad", "median_absolute_deviation": "medad",
    "coefficient_of_variation": "cov", "quartile_coefficient_of_dispersion": "qcod", "energy": "energy",
    "root_mean_square": "rms", "mode": "mode", "entropy": "entropy", "uniformity": "uniformity",
    "maximum_gradient": "max_grad", "maximum_gradient_level": "max_grad_g", "minimum_gradient": "min_grad",
    "minimum_gradient_level": "min_grad_g",
}  # fmt: skip
TEXTURE = {
    "joint_maximum": "joint_max", "joint_average": "joint_avg", "joint_variance": "joint_var", "joint_entropy": "joint_entr",
    "difference_average": "diff_avg", "difference_variance": "diff_var", "difference_entropy": "diff_entr",
    "sum_average": "sum_avg", "sum_variance": "sum_var", "sum_entropy": "sum_entr", "angular_second_moment": "energy",
    "contrast": "contrast", "dissimilarity": "dissimilarity", "inverse_difference": "inv_diff",
    "normalized_inverse_difference": "inv_diff_norm", "inverse_difference_moment": "inv_diff_mom",
    "normalized_inverse_difference_moment": "inv_diff_mom_norm", "inverse_variance": "inv_var", "correlation": "corr",
    "autocorrelation": "auto_corr", "cluster_tendency": "clust_tend", "cluster_shade": "clust_shade",
    "cluster_prominence": "clust_prom", "information_correlation_1": "info_corr1", "information_correlation_2": "info_corr2",
}  # fmt: skip


def theirs_of(folder: Path, settings: RadiomicsSettings) -> dict[str, float]:
    """MIRP's features of image.nii.gz in the region mask.nii.gz, by its own names without what they say of the settings.

    In a process of its own: MIRP loads Ray, which reads its settings then and not when later tests make a cluster.
    """
    if find_spec("mirp") is None:
        pytest.skip("mirp is not installed (pip install mirp)")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_by_mirp, folder, settings).result()


def _by_mirp(folder: Path, settings: RadiomicsSettings) -> dict[str, float]:
    import mirp

    low, high = (np.nan if end is None else end for end in (settings.low, settings.high))
    number = {"base_discretisation_method": "fixed_bin_number", "base_discretisation_n_bins": settings.bins}
    width = {"base_discretisation_method": "fixed_bin_size", "base_discretisation_bin_width": settings.bin_width}
    table = mirp.extract_features(
        image=str(folder / "image.nii.gz"),
        mask=str(folder / "mask.nii.gz"),
        by_slice=False,
        new_spacing=settings.spacing_mm,
        spline_order=1,
        anti_aliasing=False,
        roi_spline_order=1,
        resegmentation_intensity_range=[low, high],
        resegmentation_method="range",
        base_feature_families=["statistics", "intensity_histogram", "glcm"],
        glcm_spatial_method=["3d_average", "3d_volume_merge"],
        write_features=False,
        export_features=True,
        **(number if settings.bin_width is None else width),
    )[0]
    return {name: float(value) for name, value in table.iloc[0].items() if name.startswith(("stat_", "ih_", "cm_"))}


@pytest.mark.slow
@pytest.mark.parametrize("settings", [
    RadiomicsSettings(spacing_mm=0.45, bins=24),
    RadiomicsSettings(spacing_mm=0.7, low=100.0, high=600.0, bin_width=20.0),
])  # fmt: skip
def test_every_feature_is_that_of_mirp(settings: RadiomicsSettings, tmp_path: Path) -> None:
    values, affine = read_nifti(shared_data("imaging/niivue/chris_MRA.nii.gz"))
    middle = np.array(values.shape) // 2
    brightest = np.unravel_index(np.argmax(values[tuple(slice(m - 40, m + 40) for m in middle)]), (80, 80, 80))
    box = tuple(slice(m - 40 + int(b) - 15, m - 40 + int(b) + 16) for m, b in zip(middle, brightest, strict=True))
    crop = values[box].astype(np.float32)
    edges = np.linalg.norm(affine[:3, :3], axis=0)
    straight = np.diag([*edges, 1.0])
    away = (np.indices(crop.shape) - 15) * edges[:, None, None, None]
    mask = (away[0] / 3.0) ** 2 + (away[1] / 2.4) ** 2 + ((away[2] + away[0] / 3) / 3.4) ** 2 < 1.0
    write_nifti(tmp_path / "image.nii.gz", crop, straight)
    write_nifti(tmp_path / "mask.nii.gz", mask.astype(np.uint8), straight)
    theirs = theirs_of(tmp_path, settings)
    labels = np.where(mask, LABEL_ANEURYSM, 0).astype(np.uint8)
    ours = features(sample(Volume(crop, straight, "MRA", "crop"), labels, settings), settings)
    checked = 0
    for id, value in ours.items():
        zone, _, rest = id.removeprefix("radiomics_").partition("_")
        if zone != "sac":
            continue
        name = their_name(rest, theirs)
        assert value == pytest.approx(theirs[name], rel=1e-5, abs=1e-7), (id, name)
        checked += 1
    assert checked == 18 + 23 + 2 * 25


def their_name(rest: str, theirs: dict[str, float]) -> str:
    if rest.startswith("texture_"):
        feature, way = rest.removeprefix("texture_").rsplit("_", 1)
        wanted = f"cm_{TEXTURE[feature]}_d1_{ {'merged': '3d_v_mrg', 'averaged': '3d_avg'}[way] }"
    elif rest.startswith("histogram_"):
        wanted = f"ih_{SHORT[rest.removeprefix('histogram_')]}"
    else:
        wanted = f"stat_{SHORT[rest]}"
    return next(name for name in theirs if name == wanted or name.startswith(f"{wanted}_f"))
