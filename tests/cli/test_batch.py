"""What a script learns from `aneuflow assess --batch`."""

from pathlib import Path

import pytest

from tests.cli.run import run


def test_failed_cases_end_with_code_1_and_point_to_the_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("none.stl\n")
    code, out, err = run(capsys, "assess", "--batch", str(tmp_path / "list.txt"), "-o", str(tmp_path / "cases"))
    assert code == 1
    assert str(tmp_path / "cases/batch.csv") in out
    assert "1 of 1 cases failed" in err
