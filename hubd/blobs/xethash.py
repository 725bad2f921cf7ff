"""The hashes of Xet and their odd text form: chunks, trees over them, files and ranges.

Source: xet-core, ``merklehash`` and ``mdb_shard``; every rule was compared with real uploads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from blake3 import blake3

from hubd.errors import Invalid
from hubd.names import is_oid

LENGTH = 32
ZERO = bytes(LENGTH)
_TEXT_LENGTH = 64
_DATA_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_VERIFY_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
# A group of a tree ends after a node whose last number divides by this, from the third node on.
_GROUP_MODULUS = 4
_GROUP_LEAST = 3
_GROUP_MOST = 9
_DEDUP_MODULUS = 1024


def to_text(digest: bytes) -> str:
    """The text form of 32 bytes: each group of eight, read as a little-endian number, in hex."""
    return struct.pack(">4Q", *struct.unpack("<4Q", digest)).hex()


def from_text(text: str) -> bytes:
    """The 32 bytes of a text form; raises ``Invalid`` unless it is 64 lower-case hex digits."""
    if len(text) != _TEXT_LENGTH or not is_oid(text):
        raise Invalid("A Xet hash is 64 lower-case hexadecimal digits.")
    return struct.pack("<4Q", *struct.unpack(">4Q", bytes.fromhex(text)))


def chunk_hash(data: bytes) -> bytes:
    """The hash of a chunk's plain bytes."""
    return blake3(data, key=_DATA_KEY).digest()


def range_hash(chunk_hashes: bytes) -> bytes:
    """The hash of a term: over the hashes of its chunks, one after another."""
    return blake3(chunk_hashes, key=_VERIFY_KEY).digest()


def keyed(digest: bytes, key: bytes) -> bytes:
    """A chunk hash as a deduplication answer gives it: recognised, not revealed."""
    return blake3(digest, key=key).digest()


def file_hash(tree: bytes) -> bytes:
    """The hash of a file, from the root of the tree over its chunks; an empty file's is zero."""
    return ZERO if tree == ZERO else blake3(tree, key=ZERO).digest()


def is_dedup_eligible(digest: bytes) -> bool:
    """Whether clients ask for a chunk wherever in a file it stands."""
    return _last_number(digest) % _DEDUP_MODULUS == 0


def _last_number(digest: bytes) -> int:
    return int.from_bytes(digest[24:], "little")


class TreeHasher:
    """The root over any number of chunks, with memory for one group a level."""

    def __init__(self) -> None:
        self._levels: list[list[tuple[bytes, int]]] = []
        self._counts: list[int] = []

    def add(self, digest: bytes, length: int) -> None:
        """The next chunk and its plain length."""
        self._add(0, digest, length)

    def update(self, digests: bytes, lengths: Iterable[int]) -> None:
        """The next chunks: their hashes one after another, and their plain lengths."""
        for number, length in enumerate(lengths):
            self._add(0, digests[number * LENGTH : (number + 1) * LENGTH], length)

    def _add(self, level: int, digest: bytes, length: int) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._counts.append(0)
        group = self._levels[level]
        group.append((digest, length))
        self._counts[level] += 1
        ends = len(group) >= _GROUP_LEAST and _last_number(digest) % _GROUP_MODULUS == 0
        if ends or len(group) == _GROUP_MOST:
            self._close(level)

    def _close(self, level: int) -> None:
        group, self._levels[level] = self._levels[level], []
        lines = "".join(f"{to_text(digest)} : {length}\n" for digest, length in group)
        node = blake3(lines.encode(), key=_NODE_KEY).digest()
        self._add(level + 1, node, sum(length for _, length in group))

    def root(self) -> bytes:
        """The hash of all; zero for no chunks, the chunk's own for one. Ends the hasher."""
        level = 0
        while level < len(self._levels):
            group = self._levels[level]
            if self._counts[level] == 1 and group:
                return group[0][0]
            if group:
                self._close(level)
            level += 1
        return ZERO
