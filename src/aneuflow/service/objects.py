"""Objects by the SHA-256 of their content: in a folder or an S3 store, each kept once, checked whenever it is read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store, from_url

from aneuflow.errors import InputError, ResourceError
from aneuflow.service.settings import ServiceSettings

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CHUNK_BYTES = 8 * 2**20


class Objects:
    """The object store. What it holds is named by content, so writing twice is harmless and nothing is ever changed."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.folder: Path | None = None
        self.store: ObjectStore
        try:
            if not settings.objects_url:
                self.folder = settings.data / "objects"
                self.folder.mkdir(parents=True, exist_ok=True)
                self.store = LocalStore(self.folder.absolute())
            elif settings.objects_url.startswith("s3:"):
                self.store = _s3(settings)
            else:
                self.store = from_url(settings.objects_url)
        except BaseError as error:
            raise InputError(f"Objects at {settings.objects_url}: {type(error).__name__}; correct objects_url.") from error

    def add(self, file: Path, sha256: str) -> None:
        """Keep a file under its hash, unless it is there already."""
        if not self.has(sha256):
            try:
                obstore.put(self.store, _name(sha256), file)
            except (BaseError, OSError) as error:
                kind = type(error).__name__
                raise ResourceError(f"The object store takes no more ({kind}); free space or check that it runs.") from error

    def has(self, sha256: str) -> bool:
        try:
            obstore.head(self.store, _name(sha256))
        except FileNotFoundError:
            return False
        except BaseError as error:
            raise ResourceError(f"The object store does not answer ({type(error).__name__}); try again later.") from error
        return True

    def read(self, sha256: str) -> Iterator[bytes]:
        """The content in chunks. The last one is held back until the hash is right; raises ResourceError where it is not."""
        try:
            stream = obstore.get(self.store, _name(sha256)).stream(min_chunk_size=CHUNK_BYTES)
        except (FileNotFoundError, BaseError) as error:
            raise ResourceError(f"Object {sha256[:8]} is not in the store; restore it from a backup.") from error
        return self._checked(sha256, map(bytes, stream))

    def _checked(self, sha256: str, stream: Iterator[bytes]) -> Iterator[bytes]:
        digest, held = hashlib.sha256(), b""
        for chunk in stream:
            digest.update(chunk)
            if held:
                yield held
            held = chunk
        if digest.hexdigest() != sha256:
            raise ResourceError(f"Object {sha256[:8]} is damaged in the store; restore it from a backup.")
        yield held

    def fetch(self, sha256: str, target: Path) -> None:
        with target.open("wb") as stream:
            stream.writelines(self.read(sha256))

    def remove(self, sha256: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self.store, _name(sha256))

    def answers(self) -> bool:
        try:
            self.has("0" * 64)
        except ResourceError:
            return False
        return True


def _name(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256[2:]}"


def _s3(settings: ServiceSettings) -> S3Store:
    bucket, _, prefix = settings.objects_url.removeprefix("s3://").partition("/")
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=settings.objects_endpoint or None,
        access_key_id=settings.objects_key_id or None,
        secret_access_key=settings.objects_secret or None,
        virtual_hosted_style_request=False,
        client_options={"allow_http": settings.objects_endpoint.startswith("http:")},
    )
