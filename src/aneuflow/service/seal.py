"""The key file of the system, and objects sealed with it: what lies in the store can be read with the key alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aneuflow.errors import ResourceError

MARK = b"aneuflow sealed\x01"
_PIECE_BYTES = 2**20
_TAG_BYTES = 16


def key_in(file: Path, sealed: int) -> bytes:
    """The key, made where there is none yet. Raises ResourceError where it is missing and so many rows need it."""
    if sealed and not file.exists():
        raise ResourceError(
            f"Key file {file} is missing, and {sealed} identities are sealed with it; restore it from a backup."
        )
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(Fernet.generate_key())
    except FileExistsError:
        pass
    return file.read_bytes()


class Seal:
    """AES-256-GCM, piece by piece, under a key of each object's own.

    That key follows from the key file and the object's hash, so the same content always gives the same bytes: writing an
    object twice changes nothing, and no counter is ever used for two contents.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def _cipher(self, sha256: str) -> AESGCM:
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=f"aneuflow object {sha256}".encode()).derive(self._key))

    def sealed(self, sha256: str, content: Iterable[bytes]) -> Iterator[bytes]:
        """The content as it is kept."""
        cipher = self._cipher(sha256)
        yield MARK
        for number, piece in enumerate(_pieces(content, _PIECE_BYTES)):
            yield cipher.encrypt(_nonce(number), piece, None)

    def opened(self, sha256: str, kept: Iterator[bytes]) -> Iterator[bytes]:
        """What was kept as it was given; what is not sealed comes as it is. Raises ResourceError where the key is another."""
        first = next(kept, b"")
        if not first.startswith(MARK):
            yield first
            yield from kept
            return
        cipher = self._cipher(sha256)
        for number, piece in enumerate(_pieces(_chained(first[len(MARK) :], kept), _PIECE_BYTES + _TAG_BYTES)):
            try:
                yield cipher.decrypt(_nonce(number), piece, None)
            except InvalidTag:
                raise ResourceError(
                    f"Object {sha256[:8]} is damaged in the store or sealed with another key; restore either from a backup."
                ) from None


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _chained(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _pieces(content: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The content cut anew into pieces of this size, the last one shorter."""
    held = bytearray()
    for part in content:
        held += part
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
