"""Where the tests find the real data that are too large or not free enough to stand in the repository, and test slices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(os.environ.get("ANEUFLOW_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def shared_data(relative: str) -> Path:
    """The path of a shared data file; the calling test is skipped, saying so, where the data are not at hand."""
    path = SHARED_DATA / relative
    if not path.exists():
        pytest.skip(f"{relative} is not under {SHARED_DATA}; set ANEUFLOW_SHARED_DATA to the data folder")
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slice", default="0/1", help="I/N: run each N-th test, starting with number I")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = config.getoption("markexpr")
    first, step = (int(part) for part in config.getoption("--slice").split("/"))
    chosen = [item for item in items if marked != "slow" or item.get_closest_marker("slow")]
    keep = set(map(id, chosen[first::step]))
    if step > 1:
        config.hook.pytest_deselected(items=[item for item in items if id(item) not in keep])
        items[:] = [item for item in items if id(item) in keep]
