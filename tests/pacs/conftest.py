"""A real archive for the tests: Debian's Orthanc with its DICOMweb plugin, on loopback, emptied for each module."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "doctor", "gray's anatomy"


@dataclass(frozen=True)
class Orthanc:
    """Where the archive listens; `receive_port` is where it sends what ANEUFLOW asks it to move."""

    dimse: str
    web: str
    receive_port: int
    log: Path


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    program = shutil.which("Orthanc")
    if program is None or not PLUGIN.exists():
        pytest.skip("Orthanc with DICOMweb is not installed (Debian: apt install orthanc orthanc-dicomweb)")
    folder = tmp_path_factory.mktemp("orthanc")
    web, dimse, receive = free_port(), free_port(), free_port()
    settings = {
        "Name": "archive of the tests",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": web,
        "DicomPort": dimse,
        "DicomAet": "ORTHANC",
        "DefaultEncoding": "Utf8",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomAlwaysAllowStore": True,
        "SyncStorageArea": False,
        "DicomModalities": {
            "aneuflow": {
                "AET": "ANEUFLOW", "Host": "127.0.0.1", "Port": receive, "AllowEcho": True, "AllowFind": True,
                "AllowGet": True, "AllowMove": True, "AllowStore": True,
            }
        },
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            _await(f"http://127.0.0.1:{web}/", process, folder / "log")
            yield Orthanc(f"ORTHANC@127.0.0.1:{dimse}", f"http://127.0.0.1:{web}/dicom-web", receive, folder / "log")
        finally:
            process.terminate()
            process.wait(20)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(url, timeout=1)
        except urllib.error.HTTPError:  # 401: it answers
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Orthanc did not start: " + log.read_text()[-2000:])
