"""The indices against shapes they are exact for and against the published table of another group."""

import csv
import gzip
import math

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
        rows = [
            {key: float(value) for key, value in row.items()} for row, _ in zip(csv.DictReader(table), range(20), strict=False)
        ]
    assert len(rows) == 20
    for row in rows:
        ours = {
            "AR": shape.aspect_ratio(row["H"], row["NW"]),
            "BF": shape.bottleneck_factor(row["Dmax"], row["NW"]),
            "NSI": shape.nonsphericity_index(row["Volume"], row["Surface_Area"]),
            "EI": shape.ellipticity_index(row["Hull_Volume"], row["Hull_Area"]),
            "UI": shape.undulation_index(row["Volume"], row["Hull_Volume"]),
        }
        assert ours == pytest.approx({key: row[key] for key in ours}, abs=1e-6), row["case_id"]
