from pathlib import Path

import pytest

from aneuflow.errors import InputError
from aneuflow.pipeline.batch import read_list


def test_plain_list_and_unique_names(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# a comment\na/AN1.vtp\n\nb/AN1.vtp\nc.nii.gz\n")
    entries = read_list(file)
    assert [entry.case for entry in entries] == ["AN1", "AN1-2", "c"]
    assert entries[0].path == tmp_path / "a/AN1.vtp"


def test_csv_list(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("input, case, kind, units\nx.nii, first, mask,\ny.stl, , , cm\n")
    entries = read_list(file)
    assert [(entry.case, entry.input_settings) for entry in entries] == [("first", {"kind": "mask"}), ("y", {"units": "cm"})]


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("input,colour\na,b\n", "unknown column colour")])
def test_bad_lists(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_list(file)


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path / "none.csv")
