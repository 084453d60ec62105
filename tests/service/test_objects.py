"""The object store in its two forms: a folder, and S3 on a SeaweedFS of three volume servers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aneuflow.errors import ResourceError
from aneuflow.service import objects
from aneuflow.service.objects import CHUNK_BYTES, Objects, StoreAway
from aneuflow.service.publish import read_file
from aneuflow.service.seal import MARK, Seal
from aneuflow.service.settings import ServiceSettings
from aneuflow.service.system import open_system
from tests.service.made_cases import Made, add_case, add_job, job_of, wait_until, work, write_case
from tests.service.seaweed import Cluster, running_seaweed

KEY = b"the key of the tests"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_seaweed(tmp_path_factory.mktemp("seaweed")) as cluster:
        yield cluster


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> ServiceSettings:
    more = request.getfixturevalue("cluster").settings if request.param == "s3" else {}
    return ServiceSettings(data=tmp_path / "data", **more)


def _store(settings: ServiceSettings, key: bytes = KEY, **more: object) -> Objects:
    return Objects(settings.model_copy(update=more), Seal(key))


def _file(folder: Path, size: int, name: str = "file") -> tuple[Path, str]:
    file = folder / name
    file.write_bytes(os.urandom(size))
    return file, hashlib.sha256(file.read_bytes()).hexdigest()


def _kept(store: Objects, sha256: str) -> bytes:
    return bytes(objects.obstore.get(store.store, f"{sha256[:2]}/{sha256[2:]}").bytes())


def _keep(store: Objects, sha256: str, content: bytes) -> None:
    objects.obstore.put(store.store, f"{sha256[:2]}/{sha256[2:]}", content)


@pytest.mark.parametrize("is_sealing", [False, True])
@pytest.mark.parametrize("size", [0, 1, 2**20, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 5])
def test_what_is_kept_comes_back(where: ServiceSettings, tmp_path: Path, size: int, is_sealing: bool) -> None:
    store = _store(where, seal_objects=is_sealing)
    file, sha256 = _file(tmp_path, size)
    store.remove(sha256)
    assert not store.has(sha256)
    for _ in range(2):
        store.add(file, sha256)
    store.fetch(sha256, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == file.read_bytes()
    assert max(map(len, store.read(sha256))) <= CHUNK_BYTES
    kept = _kept(store, sha256)
    assert kept.startswith(MARK) == is_sealing and (file.read_bytes() == kept) != is_sealing
    store.remove(sha256)
    store.remove(sha256)
    assert not store.has(sha256)


def test_two_who_keep_the_same_at_once_keep_it_once(where: ServiceSettings, tmp_path: Path) -> None:
    file, sha256 = _file(tmp_path, 3000)
    store = _store(where, seal_objects=True)
    threads = [threading.Thread(target=store.add, args=(file, sha256)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert b"".join(store.read(sha256)) == file.read_bytes()


@pytest.mark.parametrize("size", [5000, 2 * CHUNK_BYTES])
@pytest.mark.parametrize("is_sealing", [False, True])
def test_what_was_changed_in_the_store_is_refused(where: ServiceSettings, tmp_path: Path, size: int, is_sealing: bool) -> None:
    store = _store(where, seal_objects=is_sealing)
    file, sha256 = _file(tmp_path, size)
    store.add(file, sha256)
    whole = _kept(store, sha256)
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-7], whole + b"more", b"another file"):
        _keep(store, sha256, damaged)
        got = b""
        with pytest.raises(ResourceError, match=r"damaged.*restore"):
            for part in store.read(sha256):
                got += part
        assert got != file.read_bytes() or damaged.startswith(whole), "it came as if it were whole"
    with pytest.raises(ResourceError, match="not in the store"):
        store.read("0" * 64)


def test_what_is_sealed_needs_its_key_and_what_is_not_does_not(where: ServiceSettings, tmp_path: Path) -> None:
    plain, sealing = _store(where), _store(where, seal_objects=True)
    (before, first), (after, second) = _file(tmp_path, 100, "before"), _file(tmp_path, 100, "after")
    plain.add(before, first)
    sealing.add(after, second)
    for store in (plain, sealing):  # whatever is written now, what is there can be read
        assert b"".join(store.read(first)) == before.read_bytes() and b"".join(store.read(second)) == after.read_bytes()
    with pytest.raises(ResourceError, match="another key"):
        list(_store(where, b"another key").read(second))
    assert _kept(plain, second) == b"".join(Seal(KEY).sealed(second, [after.read_bytes()])), "written twice it is the same"
    assert Seal(KEY).sealed(first, [b"x" * 99]) != Seal(KEY).sealed(second, [b"x" * 99])


def test_what_looks_sealed_and_is_not_comes_back_as_it_was(where: ServiceSettings, tmp_path: Path) -> None:
    store, file = _store(where), tmp_path / "misleading"
    for size in (0, 100, CHUNK_BYTES):
        content = MARK + os.urandom(size)
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        store.add(file, sha256)
        assert b"".join(store.read(sha256)) == content


FILL = """
import hashlib, os, sys
from pathlib import Path
from aneuflow.errors import ResourceError
from aneuflow.service.objects import Objects
from aneuflow.service.seal import Seal
from aneuflow.service.settings import ServiceSettings
store = Objects(ServiceSettings(data=Path(sys.argv[1])), Seal(b"key"))
file, kept = Path(sys.argv[2]), {}
for size in (1_000_000, 1_000_000, 9_000_000, 1_000_000, 4_000_000):
    content = os.urandom(size)
    file.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        store.add(file, sha256)
        kept[sha256] = content
    except ResourceError as error:
        print(error)
        assert not store.has(sha256)
assert len(kept) == 3 and all(b"".join(store.read(sha256)) == content for sha256, content in kept.items())
"""


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    """On a disk of 6 MB that the test mounts for itself."""
    (tmp_path / "disk").mkdir()
    mount = f"mount -t tmpfs -o size=6m none {tmp_path}/disk"
    if subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("users may mount nothing here; the full disk is not tested")
    fill = f'{mount} && exec {sys.executable} -c "$0" {tmp_path}/disk/data {tmp_path}/file'
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", fill, FILL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert len(said) == 2 and all("takes no more" in line and "free space" in line for line in said)


@pytest.mark.slow
def test_a_store_that_is_full_or_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PATIENCE", timedelta(seconds=2))
    (tmp_path / "small").mkdir()
    with running_seaweed(tmp_path / "small", volume_servers=1, volumes=8, volume_mib=4) as small:
        where = ServiceSettings(data=tmp_path / "data", **small.settings)
        store = _store(where)
        kept: dict[str, bytes] = {}
        with pytest.raises(ResourceError, match=r"takes no more .*; free space there") as refusal:
            for number in range(40):
                file, sha256 = _file(tmp_path, 2_000_000, str(number))
                store.add(file, sha256)
                kept[sha256] = file.read_bytes()
        assert not isinstance(refusal.value, StoreAway) and len(kept) > 4 and not store.has(sha256)
        assert all(b"".join(store.read(sha256)) == content for sha256, content in kept.items())
        for wrong, said in (
            ({"objects_secret": "wrong"}, "SignatureDoesNotMatch"),
            ({"objects_key_id": "nobody"}, "InvalidAccessKeyId"),
            ({"objects_url": "s3://other"}, "NoSuchBucket"),
        ):
            with pytest.raises(ResourceError, match=rf"cannot be used \({said}\); check its address, bucket and keys"):
                _store(where, **wrong)
        small.kill("s3")
        assert not store.answers()
        for act in (lambda: store.add(file, sha256), lambda: store.read(sha256), lambda: store.remove(sha256)):
            with pytest.raises(StoreAway, match="does not answer"):
                act()


@pytest.mark.slow
def test_what_was_computed_waits_for_a_store_that_is_away(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PATIENCE", timedelta(seconds=2))
    system = open_system(ServiceSettings(data=tmp_path / "data", **cluster.settings))
    case_id = add_case(system)
    job_id = add_job(system, case_id)
    computed: list[Path] = []

    def compute(folder: Path) -> None:
        if not (folder / "case" / "case.json").exists():
            computed.append(folder)
            write_case(folder, {"model/a": "hours of work"})

    cluster.kill("s3")
    work(system, Made(compute, ("model",)))
    assert (job_of(system, job_id).state, job_of(system, job_id).losses) == ("queued", 0)
    assert len(list(system.settings.work.iterdir())) == 1
    cluster.start("s3")
    wait_until(system.objects.answers, 30)
    work(system, Made(compute, ("model",)))
    assert job_of(system, job_id).state == "done" and len(computed) == 1
    with system.database.reading() as session:
        found = read_file(system, session, case_id, "model/a")
    assert found is not None and b"".join(found[1]) == b"hours of work"
    system.database.engine.dispose()


@pytest.mark.slow
def test_of_three_servers_one_may_be_killed_while_writing_and_reading(cluster: Cluster, tmp_path: Path) -> None:
    store = _store(ServiceSettings(data=tmp_path / "data", **cluster.settings))
    sizes = [100, 200_000, 3_000_000, 30_000_000]
    files = [_file(tmp_path, sizes[number % 4], str(number)) for number in range(24)]
    killer = threading.Timer(0.4, cluster.kill, ["volume2"])
    killer.start()
    for file, sha256 in files:
        store.add(file, sha256)
    killer.join()
    assert cluster.processes["volume2"].poll() is not None
    for file, sha256 in files:
        assert b"".join(store.read(sha256)) == file.read_bytes()
    cluster.start("volume2")
    cluster.wait_for_volumes(3)
    for number, (file, sha256) in enumerate(files):
        content = store.read(sha256)
        got = next(content)
        if number == 7:  # a large one, of which the first chunk has come
            cluster.kill("volume1")
        assert got + b"".join(content) == file.read_bytes()
    cluster.start("volume1")
    cluster.wait_for_volumes(3)


STREAM = """
import hashlib, resource, sys
from pathlib import Path
from aneuflow.service.objects import Objects
from aneuflow.service.seal import Seal
from aneuflow.service.settings import ServiceSettings
store = Objects(ServiceSettings(data=Path(sys.argv[1]), seal_objects=True), Seal(b"key"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(sys.argv[2], "rb") as file:
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
store.add(Path(sys.argv[2]), sha256)
assert sum(map(len, store.read(sha256))) == Path(sys.argv[2]).stat().st_size
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_a_large_object_is_never_in_memory_as_a_whole(cluster: Cluster, tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        for _ in range(40):
            file.write(os.urandom(10_000_000))
    environment = {**os.environ, **{f"ANEUFLOW_{name.upper()}": value for name, value in cluster.settings.items()}}
    command = [sys.executable, "-c", STREAM, str(tmp_path / "data"), str(large)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 150, "MiB more than before, for an object of 400 MB"
