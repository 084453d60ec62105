import csv
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aneuflow.errors import InputError
from aneuflow.pipeline.batch import read_list, run_batch
from aneuflow.types import no_progress


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


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "is empty"), ("input,colour\na,b\n", "unknown column colour"), ("input,case\na,b,c\n", "more cells")],
)
def test_bad_lists(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "list.csv"
    file.write_text(content)
    with pytest.raises(InputError, match=message):
        read_list(file)


def test_missing_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_list(tmp_path / "none.csv")


def test_a_batch_says_how_many_failed(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("none.stl\nempty.nii\n")
    (tmp_path / "empty.nii").touch()
    ended = run_batch(read_list(tmp_path / "list.txt"), tmp_path / "cases", {}, no_progress)
    assert (ended.count, ended.failed) == (2, 2)
    rows = list(csv.DictReader(ended.table.read_text("utf-8").splitlines()))
    assert [(row["case"], row["state"], row["exit_code"]) for row in rows] == [
        ("none", "failed", "2"),
        ("empty", "failed", "2"),
    ]
    assert "does not exist" in rows[0]["reason"] and "empty" in rows[1]["reason"]


PARENT = """
import multiprocessing, threading, time
from aneuflow.pipeline.batch import _end_with_parent

def child():
    threading.Thread(target=_end_with_parent, daemon=True).start()
    time.sleep(60)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    print(process.pid, flush=True)
    process.join()
"""


def test_a_killed_batch_leaves_no_solver_behind(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    with subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(5.0)
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    deadline = time.monotonic() + 20.0
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not Path(f"/proc/{child}").exists()
