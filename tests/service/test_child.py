"""What the process that does the work is shut off from, and what it says of what no code foresaw."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aneuflow.service import child

_CAN_LEAVE_NETWORK = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
_TRIES = """
import json, os, resource, socket, sys
from aneuflow.service.child import shut_in
shut_in(2**34)
found = {"memory": resource.getrlimit(resource.RLIMIT_AS)[1]}
for name, attempt in {
    "network": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 2).close(),
    "environment": lambda: open(f"/proc/{os.getppid()}/environ", "rb").read(),
}.items():
    try:
        attempt()
        found[name] = "open"
    except OSError as error:
        found[name] = type(error).__name__
print(json.dumps(found))
"""
_PARENT = """
import subprocess, sys
from aneuflow.service.secrecy import hide_memory
hide_memory()
sys.exit(subprocess.run([sys.executable, "-c", *sys.argv[1:]], env={"PATH": "/bin", "PYTHONPATH": sys.argv.pop()}).returncode)
"""


@pytest.mark.skipif(not _CAN_LEAVE_NETWORK, reason="this system lets no user leave the network (user namespaces)")
def test_it_has_no_network_and_sees_no_secret_of_its_parent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        given = [_TRIES, str(server.getsockname()[1]), os.pathsep.join(sys.path)]
        found = subprocess.run([sys.executable, "-c", _PARENT, *given], capture_output=True, check=True, text=True)
    tried = json.loads(found.stdout)
    assert tried.pop("network") != "open"
    assert tried == {"memory": 2**34, "environment": "PermissionError"}


def test_an_unforeseen_failure_names_the_job_and_leaves_a_log_without_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "Doe^Jane"

    def fail(*_: Any) -> None:
        raise ValueError(words)

    monkeypatch.setattr(child, "_intake", fail)
    folder = tmp_path / "0123abcd"
    folder.mkdir()
    reason = child._attempt({"kind": "intake", "folder": str(folder)}, None)  # type: ignore[arg-type]
    assert "ValueError" in reason and "0123abcd" in reason and str(tmp_path) not in reason
    kept = child.failure_of(folder)
    assert "test_child.py" in kept and "ValueError" in kept and "Doe" not in kept


def test_it_says_nothing_of_stages_where_there_is_no_case(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = "from pathlib import Path; from aneuflow.service.child import _News; _News().tell_current(Path('none'))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=True, text=True)
    assert ended.stdout == ended.stderr == ""
