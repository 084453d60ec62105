"""The indices against shapes they are exact for and against the published table of another group."""

import csv
import gzip
import math

import numpy as np
import pytest

from aneuflow.morphology import shape
from tests.conftest import shared_data


def test_hemisphere_has_no_nonsphericity() -> None:
    assert shape.nonsphericity_index(2 / 3 * math.pi * 8, 2 * math.pi * 4) == pytest.approx(0, abs=1e-12)


def test_sphere_has_one_less_the_cube_root_of_a_half() -> None:
    assert shape.nonsphericity_index(4 / 3 * math.pi, 4 * math.pi) == pytest.approx(1 - 0.5 ** (1 / 3), abs=1e-12)


def test_indices_do_not_depend_on_size() -> None:
    assert shape.nonsphericity_index(8 * 50.0, 4 * 70.0) == pytest.approx(shape.nonsphericity_index(50.0, 70.0))
    assert shape.undulation_index(8 * 40.0, 8 * 50.0) == pytest.approx(0.2)


def test_convex_sac_does_not_undulate_even_where_rounding_says_so() -> None:
    assert shape.undulation_index(50.0000001, 50.0) == 0.0


def test_ratios() -> None:
    assert shape.aspect_ratio(6, 4) == 1.5
    assert shape.size_ratio(6, 3) == 2.0
    assert shape.bottleneck_factor(5, 4) == 1.25


def test_published_table_is_reproduced_from_its_own_columns() -> None:
    """Aneumo's indices follow the same formulas; its bottleneck factor has the maximum diameter in place of the width."""
    with gzip.open(shared_data("aneumo/MPs.csv.gz"), "rt") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 10_652
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "case_id"}
    pairs = {
        "AR": (shape.aspect_ratio, "H", "NW"),
        "BF": (shape.bottleneck_factor, "Dmax", "NW"),
        "NSI": (shape.nonsphericity_index, "Volume", "Surface_Area"),
        "EI": (shape.ellipticity_index, "Hull_Volume", "Hull_Area"),
        "UI": (shape.undulation_index, "Volume", "Hull_Volume"),
    }
    # Eight sacs of the table are larger than their own hulls, which no sac can be: theirs is below zero there, ours zero.
    columns["UI"] = np.maximum(columns["UI"], 0.0)
    for name, (formula, first, second) in pairs.items():
        ours = [formula(a, b) for a, b in zip(columns[first], columns[second], strict=True)]
        assert np.abs(ours - columns[name]).max() < 1e-6, name
