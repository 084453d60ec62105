"""Drawing apart from the case: what fails is named, what was drawn is kept."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from aneuflow.report import figures
from aneuflow.report.plots import round_length
from aneuflow.report.ranges import field_range, is_shown
from tests.report.sample import sample_content


def _stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> None:
    """Has a small program drawn in place of the drawing process; it finds the folder in sys.argv[-1]."""
    script = tmp_path / "stand_in.py"
    script.write_text(f"import os, sys, pathlib\nfolder = pathlib.Path(sys.argv[-1])\n{body}\n")
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setattr(figures.sys, "executable", str(program))


def test_a_crash_keeps_the_pictures_made_before_it_and_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _stand_in(monkeypatch, tmp_path, "(folder / 'curves.png').write_bytes(b'picture'); os.kill(os.getpid(), 11)")
    pictures, notes = figures.draw_figures(sample_content(with_image=False))
    assert pictures == {"curves": b"picture"}
    assert (notes[0].code, notes[0].values) == ("figures_stopped", {"reason": "signal 11"})


def test_one_picture_that_fails_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _stand_in(
        monkeypatch, tmp_path, "(folder / 'flow.failed').write_text('reason'); (folder / 'key.jpg').write_bytes(b'picture')"
    )
    pictures, notes = figures.draw_figures(sample_content(with_image=False))
    assert pictures == {"key": b"picture"}
    assert [note.values for note in notes] == [{"figure": "flow"}]


def test_ranges_leave_out_extremes_and_hold_for_constant_fields() -> None:
    values = np.append(np.linspace(1.0, 2.0, 1000), [1e9, np.inf, np.nan])
    low, high = field_range("TAWSS", values)
    assert low == 0.0 and 1.9 < high < 2.1
    low, high = field_range("pressure", np.full(10, 3.0))
    assert low == 3.0 < high
    low, high = field_range("RRT", np.geomspace(1e-6, 1.0, 100))
    assert 0 < low < high


def test_shear_is_scaled_to_the_sac_and_pressure_to_the_whole_wall() -> None:
    sac = np.arange(2000) < 1000
    values = np.where(sac, np.linspace(0.0, 1.0, 2000) * 2, 20.0)
    assert field_range("TAWSS", values, sac) == pytest.approx((0.0, 0.95), abs=0.01)
    assert field_range("pressure", values, sac)[1] == 20.0
    assert field_range("TAWSS", values, np.zeros(2000, bool))[1] == 20.0


def test_steady_flow_has_no_picture_of_oscillation_nor_of_the_inverse_of_shear() -> None:
    still = {"TAWSS": np.ones(3), "OSI": np.zeros(3), "RRT": np.ones(3)}
    assert [name for name in still if is_shown(name, still)] == ["TAWSS"]
    assert is_shown("RRT", still | {"OSI": np.array([0.0, 0.1, 0.0])})
    assert not is_shown("TAWSS", {})


@pytest.mark.parametrize(("longest", "shown"), [(0.3, 1.0), (4.9, 2.0), (5.0, 5.0), (300.0, 50.0)])
def test_a_scale_bar_shows_a_round_length(longest: float, shown: float) -> None:
    assert round_length(longest) == shown
