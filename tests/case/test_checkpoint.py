from pathlib import Path

import numpy as np

from aneuflow.case.checkpoint import CheckpointFile
from aneuflow.flow.checkpoint import SolverState

STATE = SolverState({"cycle": 2, "time_step_s": 1.25e-6}, {"populations": np.arange(6, dtype=np.float32).reshape(2, 3)})


def test_round_trip_to_the_last_bit(tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path / "c", "a" * 64)
    assert kept.load() is None
    kept.save(STATE)
    back = kept.load()
    assert back is not None and dict(back.numbers) == STATE.numbers
    np.testing.assert_array_equal(back.arrays["populations"], STATE.arrays["populations"])
    assert back.arrays["populations"].dtype == np.float32
    kept.remove()
    assert kept.load() is None


def test_the_state_of_another_simulation_is_not_given_back(tmp_path: Path) -> None:
    CheckpointFile(tmp_path, "a" * 64).save(STATE)
    other = CheckpointFile(tmp_path, "b" * 64)
    assert other.load() is None
    other.save(STATE)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_damaged_state_counts_as_none(tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path, "a" * 64)
    kept.save(STATE)
    for content in (b"", kept.file.read_bytes()[:-40], b"PK\x03\x04 nothing"):
        kept.file.write_bytes(content)
        assert kept.load() is None
