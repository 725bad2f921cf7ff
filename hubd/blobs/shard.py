"""Shards: which chunks make which file, as Xet clients send it, and what xorbs hold, as we answer.

Records of 48 bytes, little endian, in two sections (files, then xorbs), each closed by a record of
ones. Uploaded shards have no footer; answers to deduplication queries have one, with the key under
which their chunk hashes are hidden. Source: xet-core, ``mdb_shard``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hubd.blobs import xethash
from hubd.errors import Invalid

# Clients aim at 64 MiB and may overshoot by the last file.
MAX_SIZE = 96 * 1024 * 1024
_TAG = b"HFRepoMetaData\x00" + bytes.fromhex("5569 6745 6a7b 8157 83a5 bdd9 5ccd d14a a9")
_VERSION = 2
_HEADER = struct.Struct("<32sQQ")
_RECORD = 48
_TOP = struct.Struct("<32sII8x")
_TERM = struct.Struct("<32sIIII")
_HASH = struct.Struct("<32s16x")
_XORB_TOP = struct.Struct("<32sIIII")
_CHUNK = struct.Struct("<32sIII4x")
_FOOTER = struct.Struct("<9Q32sQQ48x4Q")
_FOOTER_VERSION = 1
_END = b"\xff" * xethash.LENGTH + bytes(16)
_HAS_RANGE_HASHES = 1 << 31
_HAS_SHA256 = 1 << 30
OFFERED = 1 << 31


class Term(NamedTuple):
    """The chunks [first, end) of a xorb, ``length`` plain bytes in all."""

    xorb: bytes
    length: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class File:
    """A file as a shard lists it; its records stay packed, as there may be very many."""

    hash: bytes
    count: int
    sha256: str | None
    _terms: memoryview
    _range_hashes: memoryview

    def terms(self) -> Iterator[Term]:
        """Its terms in the order of the file."""
        for xorb, _flags, length, first, end in _TERM.iter_unpack(self._terms):
            yield Term(xorb, length, first, end)

    def range_hashes(self) -> Iterator[bytes]:
        """One hash a term; nothing where the sender gave none."""
        for (digest,) in _HASH.iter_unpack(self._range_hashes):
            yield digest


class Chunk(NamedTuple):
    """A chunk of a listed xorb; ``flags`` may say that it is ``OFFERED`` to other files."""

    hash: bytes
    start: int
    length: int
    flags: int


@dataclass(frozen=True, slots=True)
class Xorb:
    """A xorb as a shard lists it; sizes in bytes, ``packed`` is 0 where it is not known."""

    hash: bytes
    chunks: Sequence[Chunk]
    length: int
    packed: int = 0


class Shard:
    """A shard in memory; raises ``Invalid`` at once unless it can be walked to its end."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._view = memoryview(data).toreadonly()
        if len(data) < _HEADER.size:
            raise Invalid("The shard is cut off.")
        tag, version, footer = _HEADER.unpack_from(self._view)
        if tag != _TAG or version != _VERSION or footer not in {0, _FOOTER.size}:
            raise Invalid("This is not a shard in a known version.")
        end = len(data) - footer
        self._files_end = self._walk(_HEADER.size, end, self._file_records)
        self._xorbs_end = self._walk(self._files_end, end, self._xorb_records)
        self.key = xethash.ZERO
        if footer:
            self.key = _FOOTER.unpack_from(self._view, end)[9]

    def _walk(self, at: int, end: int, records: Callable[[int], int]) -> int:
        """The end of a section."""
        while True:
            if end - at < _RECORD:
                raise Invalid("The shard is cut off.")
            if self._view[at : at + xethash.LENGTH] == _END[: xethash.LENGTH]:
                return at + _RECORD
            at += records(at) * _RECORD

    def _file_records(self, at: int) -> int:
        _, flags, count = _TOP.unpack_from(self._view, at)
        more = count if flags & _HAS_RANGE_HASHES else 0
        return int(1 + count + more + bool(flags & _HAS_SHA256))

    def _xorb_records(self, at: int) -> int:
        return 1 + int(_XORB_TOP.unpack_from(self._view, at)[2])

    def files(self) -> Iterator[File]:
        """The files, one after another."""
        at = _HEADER.size
        while at < self._files_end - _RECORD:
            digest, flags, count = _TOP.unpack_from(self._view, at)
            after = at + self._file_records(at) * _RECORD
            terms = at + _RECORD
            ranges = terms + count * _RECORD
            ranges_end = ranges + (count * _RECORD if flags & _HAS_RANGE_HASHES else 0)
            sha256 = None
            if flags & _HAS_SHA256:
                # Kept in the text convention of the other hashes.
                sha256 = xethash.to_text(_HASH.unpack_from(self._view, ranges_end)[0])
            yield File(
                digest, count, sha256, self._view[terms:ranges], self._view[ranges:ranges_end]
            )
            at = after

    def xorbs(self) -> Iterator[Xorb]:
        """What the sender says of xorbs, one after another."""
        at = self._files_end
        while at < self._xorbs_end - _RECORD:
            digest, _, count, length, packed = _XORB_TOP.unpack_from(self._view, at)
            after = at + (1 + count) * _RECORD
            chunks = [Chunk(*item) for item in _CHUNK.iter_unpack(self._view[at + _RECORD : after])]
            yield Xorb(digest, chunks, length, packed)
            at = after


def answer(xorbs: Sequence[Xorb], key: bytes, created_at: int, expires_at: int) -> bytes:
    """A shard that lists xorbs, chunk hashes hidden under ``key``; times in epoch seconds."""
    records = [_HEADER.pack(_TAG, _VERSION, _FOOTER.size), _END]
    for xorb in xorbs:
        top = _XORB_TOP.pack(xorb.hash, 0, len(xorb.chunks), xorb.length, xorb.packed)
        records += [top, *(_CHUNK.pack(*chunk) for chunk in xorb.chunks)]
    records.append(_END)
    body = b"".join(records)
    # No look-up tables: readers build their own from the sections.
    tables = (len(body), 0) * 3
    sections = (_FOOTER_VERSION, _HEADER.size, _HEADER.size + _RECORD, *tables)
    stored = sum(xorb.packed for xorb in xorbs), 0, sum(xorb.length for xorb in xorbs), len(body)
    return body + _FOOTER.pack(*sections, key, created_at, expires_at, *stored)
