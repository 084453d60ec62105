"""Objects by the SHA-256 of their content: in a folder or an S3 store, each kept once, checked whenever it is read."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, S3Store, from_url

from aneuflow.errors import InputError, ResourceError
from aneuflow.service.seal import MARK, Seal
from aneuflow.service.settings import ServiceSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3Config

CHUNK_BYTES = 8 * 2**20
# Of a large object so many chunks are on their way at once; with the next one, this is all the memory it takes.
_AT_ONCE = 3
# How long a store that is being mended (a server of it was lost) is asked again before it counts as away.
_PATIENCE = timedelta(seconds=40)


class StoreAway(ResourceError):
    """The store does not answer; what was to be done can be done when it does."""


class Objects:
    """The object store. What it holds is named by content, so writing twice is harmless and nothing is ever changed."""

    def __init__(self, settings: ServiceSettings, seal: Seal) -> None:
        """Raises InputError where the address is none, ResourceError where no store takes objects there."""
        self.store, self._seal, self._is_sealing = _store(settings, _PATIENCE), seal, settings.seal_objects
        self._asked_once = _store(settings, timedelta(0))
        try:
            self._ask()
        except BaseError as error:
            place = settings.objects_url or settings.data
            remedy = "check its address, bucket and keys, and that it runs"
            raise ResourceError(f"The object store at {place} cannot be used ({_kind(error)}); {remedy}.") from error

    def add(self, file: Path, sha256: str) -> None:
        """Keep a file under its hash, unless it is there already. Raises StoreAway, or ResourceError where it is full."""
        if self.has(sha256):
            return
        try:
            if file.stat().st_size <= CHUNK_BYTES:
                obstore.put(self.store, _name(sha256), b"".join(self._as_kept(file, sha256)), mode="create")
            else:
                parts = self._as_kept(file, sha256)
                obstore.put(self.store, _name(sha256), parts, chunk_size=CHUNK_BYTES, max_concurrency=_AT_ONCE)
        except AlreadyExistsError:
            return
        except (BaseError, OSError) as error:
            if not self.answers():
                raise _away(error) from error
            raise ResourceError(f"The object store takes no more ({_kind(error)}); free space there.") from error

    def _as_kept(self, file: Path, sha256: str) -> Iterator[bytes]:
        """Sealed where that is set, and what would be taken for sealed always."""
        with file.open("rb") as stream:
            is_misleading = stream.read(len(MARK)) == MARK
        return self._seal.sealed(sha256, _parts(file)) if self._is_sealing or is_misleading else _parts(file)

    def has(self, sha256: str) -> bool:
        try:
            obstore.head(self.store, _name(sha256))
        except FileNotFoundError:
            return False
        except BaseError as error:
            raise _away(error) from error
        return True

    def read(self, sha256: str) -> Iterator[bytes]:
        """The content in chunks. The last one is held back until the hash is right; raises ResourceError where it is not."""
        name = _name(sha256)
        try:
            found = obstore.get(self.store, name)
            size = found.meta["size"]
            kept = self._chunks(name, size) if size > CHUNK_BYTES else iter([bytes(found.bytes())])
        except FileNotFoundError as error:
            raise ResourceError(f"Object {sha256[:8]} is not in the store; restore it from a backup.") from error
        except BaseError as error:
            raise _away(error) from error
        return _checked(sha256, self._seal.opened(sha256, kept))

    def _chunks(self, name: str, size: int) -> Iterator[bytes]:
        """One request for each: none is cut by a slow reader, and one that fails is sent again by itself."""
        for start in range(0, size, CHUNK_BYTES):
            try:
                yield bytes(obstore.get_range(self.store, name, start=start, end=min(start + CHUNK_BYTES, size)))
            except (BaseError, FileNotFoundError) as error:
                raise _away(error) from error

    def fetch(self, sha256: str, target: Path) -> None:
        with target.open("wb") as stream:
            stream.writelines(self.read(sha256))

    def remove(self, sha256: str) -> None:
        """Raises StoreAway; what is not there is not missed."""
        try:
            with contextlib.suppress(FileNotFoundError):
                obstore.delete(self.store, _name(sha256))
        except BaseError as error:
            raise _away(error) from error

    def names(self) -> Iterator[str]:
        """The hashes of all that is kept. Raises StoreAway."""
        try:
            for found in obstore.list(self.store):
                yield from (each["path"].replace("/", "") for each in found)
        except BaseError as error:
            raise _away(error) from error

    def answers(self) -> bool:
        """Whether the store answers at once."""
        try:
            self._ask()
        except BaseError:
            return False
        return True

    def _ask(self) -> None:
        # Of an object that is not there a store says the same as of a bucket that is not; of a list it does not.
        next(iter(obstore.list(self._asked_once, prefix="00")), None)


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while part := stream.read(CHUNK_BYTES):
            yield part


def _checked(sha256: str, stream: Iterator[bytes]) -> Iterator[bytes]:
    digest, held = hashlib.sha256(), b""
    for chunk in stream:
        digest.update(chunk)
        if held:
            yield held
        held = chunk
    if digest.hexdigest() != sha256:
        raise ResourceError(f"Object {sha256[:8]} is damaged in the store; restore it from a backup.")
    yield held


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:]}"


def _away(error: BaseException) -> StoreAway:
    return StoreAway(f"The object store does not answer ({_kind(error)}); check that it runs, or try again later.")


def _kind(error: BaseException) -> str:
    """What S3 calls the error, else its type; never the whole text, which bears addresses and keys."""
    found = re.search(r"<Code>(\w{1,60})</Code>", str(error))
    return found[1] if found else type(error).__name__


def _store(settings: ServiceSettings, patience: timedelta) -> ObjectStore:
    try:
        if not settings.objects_url:
            folder = settings.data / "objects"
            folder.mkdir(parents=True, exist_ok=True)
            return LocalStore(folder.absolute())
        if settings.objects_url.startswith("s3:"):
            return _s3(settings, patience)
        return from_url(settings.objects_url)
    except (BaseError, ValueError) as error:
        raise InputError(f"Objects at {settings.objects_url}: {type(error).__name__}; correct objects_url.") from error


def _s3(settings: ServiceSettings, patience: timedelta) -> S3Store:
    bucket, _, prefix = settings.objects_url.removeprefix("s3://").partition("/")
    given: S3Config = {"virtual_hosted_style_request": False, "region": settings.objects_region or "us-east-1"}
    if settings.objects_endpoint:
        given["endpoint"] = settings.objects_endpoint
    if settings.objects_key_id:
        given |= {"access_key_id": settings.objects_key_id, "secret_access_key": settings.objects_secret}
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=given,
        client_options={
            "allow_http": settings.objects_endpoint.startswith("http:"),
            "connect_timeout": timedelta(seconds=3),
            "timeout": timedelta(seconds=30) if patience else timedelta(seconds=5),
        },
        retry_config={
            "max_retries": 40 if patience else 0,
            "retry_timeout": patience,
            "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=2), "base": 2},
        },
    )
