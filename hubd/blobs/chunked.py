"""Objects held as chunks: the list of a file's terms, and reading any range by it.

A list is a blob named by the file's SHA-256: a header, the xorbs, then the terms (see the structs
below; little endian). Terms are found by binary search in the packed bytes.
"""

from __future__ import annotations

import asyncio
import struct
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from hubd.blobs import xethash
from hubd.blobs.base import PIECE, Blobs, Key, Kind
from hubd.blobs.xorb import Index, Unpacker, footer_size
from hubd.errors import Invalid, NotFound, Unavailable

_MAGIC = b"HUBDLST\x01"
# Magic with the version, file hash, size of the file, xorbs, terms.
_HEADER = struct.Struct("<8s32sQII")
# Hash, bytes of its chunks, number of its chunks.
_XORB = struct.Struct("<32sII")
# Number of the xorb, first and end chunk, where the term ends in the file.
_TERM = struct.Struct("<IIIQ")
# What is kept in memory of lists (bytes) and of xorbs' indexes (chunks of 40 bytes).
_KEPT_LISTS = 4 * 1024 * 1024
_KEPT_CHUNKS = 64 * 1024
A = TypeVar("A")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class XorbRef:
    """A xorb of a list: its name, the bytes of its chunks, and their number."""

    name: str
    size: int
    chunks: int

    @property
    def key(self) -> Key:
        """Where it lies."""
        return Key(Kind.XORB, self.name)


class Term(NamedTuple):
    """The chunks [first, end) of a xorb, which are the file's bytes [start, stop)."""

    xorb: XorbRef
    first: int
    end: int
    start: int
    stop: int

    def narrowed(self, index: Index, start: int, stop: int) -> tuple[int, int, int]:
        """Its chunks [first, end) that hold the file's bytes [start, stop), as far as it has them.

        Third: how many bytes of the first chunk come before.
        """
        shift = index.plain_start(self.first) - self.start
        at = max(start, self.start) + shift
        first = bisect_right(index.plain_ends, at)
        end = bisect_right(index.plain_ends, min(stop, self.stop) - 1 + shift) + 1
        return first, end, at - index.plain_start(first)


class ChunkList:
    """The terms of one file."""

    def __init__(self, data: bytes) -> None:
        """From its packed form; raises ``Invalid``."""
        try:
            magic, self.file_hash, self.size, xorbs, self.count = _HEADER.unpack_from(data)
        except struct.error:
            raise Invalid("A chunk list is cut off.") from None
        self._terms = _HEADER.size + xorbs * _XORB.size
        if magic != _MAGIC or len(data) != self._terms + self.count * _TERM.size:
            raise Invalid("A chunk list cannot be understood.")
        self.data = data
        packed = memoryview(data)[_HEADER.size : self._terms]
        self.xorbs = [
            XorbRef(xethash.to_text(digest), size, chunks)
            for digest, size, chunks in _XORB.iter_unpack(packed)
        ]

    def _packed(self, number: int) -> tuple[int, int, int, int]:
        found: tuple[int, int, int, int] = _TERM.unpack_from(
            self.data, self._terms + number * _TERM.size
        )
        return found

    def term(self, number: int) -> Term:
        """A term by its place, from 0."""
        place, first, end, stop = self._packed(number)
        start = self._packed(number - 1)[3] if number else 0
        return Term(self.xorbs[place], first, end, start, stop)

    def find(self, offset: int) -> int:
        """The place of the term that holds the file's byte at ``offset``."""
        return bisect_right(range(self.count), offset, key=lambda number: self._packed(number)[3])


class ListBuilder:
    """Writes a list; touching terms become one."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._xorbs: list[bytes] = []
        self._terms = array("Q")
        self.size = 0

    def add(self, name: str, index: Index, first: int, end: int) -> None:
        """The next term; the caller has checked its bounds."""
        place = self._places.setdefault(name, len(self._xorbs))
        if place == len(self._xorbs):
            self._xorbs.append(_XORB.pack(xethash.from_text(name), index.size, index.count))
        self.size += index.plain_length(first, end)
        if self._terms and self._terms[-4] == place and self._terms[-2] == first:
            self._terms[-2:] = array("Q", (end, self.size))
        else:
            self._terms.extend((place, first, end, self.size))

    def build(self, file_hash: bytes) -> bytes:
        """The packed list."""
        count = len(self._terms) // 4
        header = _HEADER.pack(_MAGIC, file_hash, self.size, len(self._xorbs), count)
        rows = zip(*[iter(self._terms)] * 4, strict=True)
        return b"".join((header, *self._xorbs, *(_TERM.pack(*row) for row in rows)))


class Reader:
    """Objects by SHA-256, however they are held."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._lists: OrderedDict[str, ChunkList] = OrderedDict()
        self._indexes: OrderedDict[str, Index] = OrderedDict()

    async def read(self, oid: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end) in pieces of about ``PIECE``; as ``Blobs.read``."""
        has_begun = False
        try:
            async for piece in self._blobs.read(Key.object(oid), start, end):
                has_begun = True
                yield piece
        except NotFound:
            if has_begun:
                raise
        else:
            return
        chunks = await self.chunk_list(oid)
        stop = chunks.size if end is None else min(end, chunks.size)
        async for piece in self.read_list(chunks, start, stop):
            yield piece

    async def read_list(self, chunks: ChunkList, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes [start, end) of the file that a list describes."""
        if start >= end:
            return
        for number in range(chunks.find(start), chunks.count):
            term = chunks.term(number)
            if term.start >= end:
                return
            async for piece in self._read_term(term, start, end):
                yield piece

    async def _read_term(self, term: Term, start: int, end: int) -> AsyncIterator[bytes]:
        index = await self.index(term.xorb)
        first, last, skip = term.narrowed(index, start, end)
        left = min(end, term.stop) - max(start, term.start)
        unpacker = Unpacker()
        async for piece in self._blobs.read(term.xorb.key, *index.span(first, last)):
            unpacker.feed(piece)
            while left and (plain := await _sound(term.xorb.name, unpacker.take, PIECE)):
                wanted = plain[skip : skip + left]
                skip = 0
                left -= len(wanted)
                yield wanted
        if left:
            raise Unavailable("Stored bytes are missing.", details={"xorb": term.xorb.name})

    async def chunk_list(self, oid: str) -> ChunkList:
        """How an object is held as chunks; raises ``NotFound``."""
        found = self._lists.get(oid)
        if found is None:
            found = await _sound(oid, ChunkList, await _whole(self._blobs, Key(Kind.LIST, oid)))
            self._lists[oid] = found
            while sum(len(kept.data) for kept in self._lists.values()) > _KEPT_LISTS:
                self._lists.popitem(last=False)
        elif oid in self._lists:
            self._lists.move_to_end(oid)
        return found

    async def index(self, ref: XorbRef) -> Index:
        """Where the chunks of a stored xorb lie; raises ``Unavailable`` if it is not there."""
        found = self._indexes.get(ref.name)
        if found is None:
            end = ref.size + footer_size(ref.chunks)
            try:
                footer = await _whole(self._blobs, ref.key, ref.size, end)
            except NotFound:
                raise Unavailable("Stored bytes are missing.", details={"xorb": ref.name}) from None
            found = await _sound(ref.name, Index.parse, footer)
            self._indexes[ref.name] = found
            while sum(kept.count for kept in self._indexes.values()) > _KEPT_CHUNKS:
                self._indexes.popitem(last=False)
        elif ref.name in self._indexes:
            self._indexes.move_to_end(ref.name)
        return found

    def forget(self, name: str) -> None:
        """What was removed from the store, list or xorb, must not be served from memory."""
        self._lists.pop(name, None)
        self._indexes.pop(name, None)


async def _sound(name: str, work: Callable[[A], T], given: A) -> T:
    """Do it in a thread; what is stored was verified, so a fault in it is ours."""
    try:
        return await asyncio.to_thread(work, given)
    except Invalid as error:
        details = {"name": name, "error": error.message}
        raise Unavailable("Stored bytes are damaged.", details=details) from None


async def _whole(blobs: Blobs, key: Key, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in blobs.read(key, start, end)])
