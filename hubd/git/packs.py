"""Writes objects as one pack (gitformat-pack), in either object format and without a child.

Objects are written whole, never as deltas: they are few and new, and the next repack finds deltas.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from hubd.errors import Invalid

_TYPES = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_PIECE = 256 * 1024
# In an index the ids come after the magic, the version and the 256 counts of the fan-out table.
_IDS_AT = 8 + 256 * 4
# Above this size compression is fast rather than small: most such bytes do not compress anyway.
_QUICK_ABOVE = 1024 * 1024


def new_hash(object_format: str) -> hashlib._Hash:
    """The hash of an object format; git's sha1 use is its format, not our security."""
    if object_format == "sha256":
        return hashlib.sha256()
    return hashlib.sha1(usedforsecurity=False)


def object_format_of(oid: str) -> str:
    """The object format that an id belongs to."""
    return "sha1" if len(oid) == 40 else "sha256"  # noqa: PLR2004


class PackWriter:
    """Adds objects to a file, each once; ``finish`` makes it a pack. For use in a thread."""

    def __init__(self, file: BinaryIO, object_format: str) -> None:
        self._file = file
        self._format = object_format
        self._written: set[str] = set()
        file.write(_header(0))

    @property
    def count(self) -> int:
        """How many objects there are."""
        return len(self._written)

    def add(self, kind: str, data: bytes) -> str:
        """Add an object; returns its id."""
        return self._add(kind, len(data), (data,))

    def add_file(self, path: Path) -> str:
        """Add a file's bytes as a blob, in pieces; raises ``Invalid`` if its size changes."""
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            return self._add("blob", size, iter(lambda: source.read(_PIECE), b""))

    def _add(self, kind: str, size: int, pieces: Iterable[bytes]) -> str:
        start = self._file.tell()
        digest = new_hash(self._format)
        digest.update(f"{kind} {size}\0".encode())
        self._file.write(_entry_header(_TYPES[kind], size))
        deflate = zlib.compressobj(1 if size > _QUICK_ABOVE else zlib.Z_DEFAULT_COMPRESSION)
        seen = 0
        for piece in pieces:
            seen += len(piece)
            digest.update(piece)
            self._file.write(deflate.compress(piece))
        self._file.write(deflate.flush())
        if seen != size:
            raise Invalid("A file changed while it was read.")
        oid = digest.hexdigest()
        if oid in self._written:
            self._file.seek(start)
            self._file.truncate()
        self._written.add(oid)
        return oid

    def finish(self) -> int:
        """Write the number of objects and the checksum; returns the size in bytes."""
        self._file.seek(0)
        self._file.write(_header(self.count))
        self._file.seek(0)
        digest = new_hash(self._format)
        while piece := self._file.read(_PIECE):
            digest.update(piece)
        self._file.write(digest.digest())
        self._file.flush()
        return self._file.tell()


def few_objects(objects: Path, object_format: str, most: int) -> list[str] | None:
    """The ids in an object folder that holds one pack and nothing else; None if more than ``most``.

    Read from the pack's index, version 2 (gitformat-pack); None too for whatever is not as simple.
    """
    if sorted(path.name for path in objects.iterdir()) != ["pack"]:
        return None
    indices = list((objects / "pack").glob("*.idx"))
    size = new_hash(object_format).digest_size
    if len(indices) != 1 or indices[0].stat().st_size > _IDS_AT + most * (size + 12) + 2 * size:
        return None
    data = indices[0].read_bytes()
    if data[:8] != b"\xfftOc\0\0\0\2":
        return None
    end = _IDS_AT + int.from_bytes(data[_IDS_AT - 4 : _IDS_AT], "big") * size
    return [data[at : at + size].hex() for at in range(_IDS_AT, end, size)]


def empty_pack(object_format: str) -> bytes:
    """The pack without objects that a push sends which only moves refs."""
    digest = new_hash(object_format)
    digest.update(_header(0))
    return _header(0) + digest.digest()


def _header(count: int) -> bytes:
    return b"PACK" + struct.pack(">II", 2, count)


def _entry_header(kind: int, size: int) -> bytes:
    """Type and size in the pack's variable-length form."""
    return bytes(_size_bytes(kind, size))


def _size_bytes(kind: int, size: int) -> Iterator[int]:
    byte = kind << 4 | size & 0x0F
    size >>= 4
    while size:
        yield byte | 0x80
        byte = size & 0x7F
        size >>= 7
    yield byte
