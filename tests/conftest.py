"""Where the tests find the real data that are too large or not free enough to stand in the repository."""

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
