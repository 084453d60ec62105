"""The digital phantom of the IBSI: every feature to every digit of its published value."""

from __future__ import annotations

import numpy as np
import pytest

from aneuflow.radiomics.intensity import histogram, statistics
from aneuflow.radiomics.texture import DIRECTIONS, cooccurrence, texture
from tests.radiomics.phantom import HISTOGRAM, PHANTOM, STATISTICS, TEXTURE, as_printed

INSIDE = PHANTOM[PHANTOM > 0]


def printed(found: dict[str, float]) -> dict[str, str]:
    return {name: as_printed(value) for name, value in found.items()}


def test_the_phantom_has_the_voxels_that_the_manual_says() -> None:
    assert PHANTOM.shape == (4, 4, 5) and len(INSIDE) == 74
    assert set(INSIDE.tolist()) == {1, 3, 4, 6}


def test_statistics_are_the_published_ones() -> None:
    assert printed(statistics(INSIDE.astype(float))) == STATISTICS


def test_the_histogram_is_the_published_one() -> None:
    assert printed(histogram(INSIDE, 6)) == HISTOGRAM


@pytest.mark.parametrize(("way", "column"), [("averaged", 0), ("merged", 1)])
def test_texture_is_the_published_one(way: str, column: int) -> None:
    found = printed(texture(PHANTOM, 6))
    assert {name: found[f"{name}_{way}"] for name in TEXTURE} == {name: values[column] for name, values in TEXTURE.items()}
    assert len(found) == 2 * len(TEXTURE)


def test_a_matrix_counts_each_pair_both_ways() -> None:
    levels = np.array([1, 2, 2, 0, 1]).reshape(5, 1, 1)
    pairs = cooccurrence(levels.astype(np.int32), 2)
    np.testing.assert_array_equal(pairs[DIRECTIONS.index((1, 0, 0))], [[0, 1], [1, 2]])
    assert pairs.sum() == 4 and len(DIRECTIONS) == 13
