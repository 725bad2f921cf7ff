"""Files that say nothing to whoever takes the disk away: AES-256-GCM in records of 64 KiB.

    magic 8 | salt 32 | size 8, big-endian | seal 32 | records, each up to 64 KiB and 16 of tag

Salt and the hub's key give, by HKDF-SHA256, two keys that no other file has: one for the records,
whose nonce is their index, and one for the seal, an HMAC-SHA256 of the header and the blob's name.
So no record can be changed, moved or cut off, and no file can stand in for another. A file is
written once, from start to end, so a nonce never meets other data.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hubd.blobs.base import Damaged
from hubd.blobs.local import write_all
from hubd.errors import Invalid

RECORD = 64 * 1024
_MAGIC = b"hubdbox\x01"
_SALT = 32
_SEAL = 32
_TAG = 16
_KEY = 32
HEADER = len(_MAGIC) + _SALT + 8 + _SEAL


def read_key(path: Path) -> bytes:
    """The hub's key: 64 hex digits in a file, as ``openssl rand -hex 32`` writes them.

    Raises ``Invalid``.
    """
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise Invalid(f"The key file {path} cannot be read.") from error
    if len(key) != _KEY:
        raise Invalid(f"The key file {path} must hold 64 hexadecimal digits.")
    return key


def plain_size(stored: int) -> int:
    """Bytes in a file of ``stored`` bytes; a seal that fits says whether that is true."""
    body = max(0, stored - HEADER)
    return body - _TAG * -(-body // (RECORD + _TAG))


class Writer:
    """Turns bytes into records for one new file; not for use by two threads at once."""

    def __init__(self, descriptor: int, key: bytes) -> None:
        self._descriptor = descriptor
        self._salt = secrets.token_bytes(_SALT)
        self._box, self._seal_key = _keys(key, self._salt)
        self._rest = bytearray()
        self._index = 0

    def write(self, piece: bytes) -> None:
        """Take more bytes; what does not fill a record waits in memory."""
        self._rest += piece
        whole = len(self._rest) // RECORD * RECORD
        if whole:
            self._put(whole)

    def _put(self, count: int) -> None:
        with memoryview(self._rest) as view:
            records = b"".join(
                self._box.encrypt(_nonce(self._index + number), view[at : at + RECORD], None)
                for number, at in enumerate(range(0, count, RECORD))
            )
        write_all(self._descriptor, records, _place(self._index))
        self._index += -(-count // RECORD)
        del self._rest[:count]

    def seal(self, name: str) -> None:
        """Write the last record, and the header that binds all of it to ``name``."""
        size = self._index * RECORD + len(self._rest)
        if self._rest:
            self._put(len(self._rest))
        head = _MAGIC + self._salt + size.to_bytes(8, "big")
        write_all(self._descriptor, head + _seal(self._seal_key, head, name), 0)


class Reader:
    """Reads anywhere in a file that ``Writer`` sealed under this name.

    Raises ``Damaged`` for anything but exactly what was written.
    """

    def __init__(self, descriptor: int, key: bytes, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        header = os.pread(descriptor, HEADER, 0)
        head, seal = header[:-_SEAL], header[-_SEAL:]
        if len(header) != HEADER or not head.startswith(_MAGIC):
            raise self._damaged("it is not encrypted, or cut off")
        self._box, seal_key = _keys(key, head[len(_MAGIC) : len(_MAGIC) + _SALT])
        if not hmac.compare_digest(seal, _seal(seal_key, head, name)):
            raise self._damaged("the seal is not ours, or of another object")
        self.size = int.from_bytes(head[-8:], "big")
        stored = os.fstat(descriptor).st_size
        if plain_size(stored) != self.size or stored != _stored_size(self.size):
            raise self._damaged("it is longer or shorter than was written")

    def pread(self, count: int, start: int) -> bytes:
        """Up to ``count`` bytes from ``start``; fewer only at the end."""
        end = min(start + count, self.size)
        if start >= end:
            return b""
        first, last = start // RECORD, (end - 1) // RECORD
        sealed = memoryview(
            _pread(self._descriptor, _place(last + 1) - _place(first), _place(first))
        )
        plain = bytearray()
        try:
            for number in range(first, last + 1):
                at = (number - first) * (RECORD + _TAG)
                plain += self._box.decrypt(_nonce(number), sealed[at : at + RECORD + _TAG], None)
        except InvalidTag:
            raise self._damaged("a record is not what was written") from None
        return bytes(plain[start - first * RECORD : end - first * RECORD])

    def _damaged(self, why: str) -> Damaged:
        return Damaged(self._name, why)


def _keys(key: bytes, salt: bytes) -> tuple[AESGCM, bytes]:
    both = HKDF(SHA256(), 2 * _KEY, salt=salt, info=b"hubd blob").derive(key)
    return AESGCM(both[:_KEY]), both[_KEY:]


def _seal(key: bytes, head: bytes, name: str) -> bytes:
    return hmac.digest(key, head + name.encode(), "sha256")


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "big")


def _place(index: int) -> int:
    return HEADER + index * (RECORD + _TAG)


def _stored_size(size: int) -> int:
    return HEADER + size + _TAG * -(-size // RECORD)


def _pread(descriptor: int, count: int, offset: int) -> bytes:
    """All there is of so many bytes; the kernel may hand out fewer at a time."""
    found = bytearray()
    while len(found) < count:
        piece = os.pread(descriptor, count - len(found), offset + len(found))
        if not piece:
            break
        found += piece
    return bytes(found)
