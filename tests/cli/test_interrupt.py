"""Ctrl-C ends in words, also while the commands are still being imported."""

from unittest.mock import patch

import pytest

from aneuflow.cli import main
from tests.cli.run import run


def test_an_interruption_before_the_commands_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    with patch.object(main, "_register_commands", side_effect=KeyboardInterrupt), patch.object(main, "app", main.typer.Typer()):
        code, out, err = run(capsys, "assess", "input.stl", "-o", "case")
    assert (code, out) == (130, "")
    assert err.count("\n") == 1 and "Interrupted" in err
