"""Runs the command line within the test's process."""

from unittest.mock import patch

import pytest

from aneuflow.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `aneuflow ARGUMENTS`."""
    capsys.readouterr()
    code: int | str | None = 0
    with patch("sys.argv", ["aneuflow", *arguments]):
        try:
            main()
        except SystemExit as end:
            code = end.code
    out, err = capsys.readouterr()
    return int(code or 0), out, err
