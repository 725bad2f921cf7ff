"""Xorbs: chunks packed one after another, and the footer that says where each lies.

Each chunk is a header of 8 bytes (version, packed length, scheme, plain length; little endian) and
its packed bytes. Source: xet-core, ``xorb_object``. Clients send no footer; we store one, in the
format of xet-core, behind the chunks.
"""

from __future__ import annotations

import enum
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lz4.frame import LZ4FrameDecompressor

from hubd.blobs import xethash
from hubd.errors import Invalid

MAX_CHUNKS = 8192
MAX_CHUNK = 128 * 1024
MAX_PLAIN = 64 * 1024 * 1024
# What an LZ4 frame may add to bytes that do not compress; writers send those as they are.
_MAX_PACKED_CHUNK = MAX_CHUNK + 4096
_HEADER = struct.Struct("<B3sB3s")
_MARK = b"XETBLOB"
_MAX_FOREIGN_FOOTER = 1024 * 1024
MAX_PACKED = MAX_CHUNKS * _HEADER.size + MAX_PLAIN + MAX_CHUNKS * 4096

_FOOTER_TOP = struct.Struct("<7sB32s7sBI")
_FOOTER_MIDDLE = struct.Struct("<7sBI")
_FOOTER_END = struct.Struct("<III16sI")
_HASH_MARK = b"XBLBHSH"
_BOUNDS_MARK = b"XBLBBND"
_BOUND_BYTES = 8
_STREAMS = 4


class Scheme(enum.IntEnum):
    """How a chunk is packed."""

    NONE = 0
    LZ4 = 1
    BG4_LZ4 = 2


def _unpack(scheme: int, packed: bytes, length: int) -> bytes:
    """A chunk's plain bytes; raises ``Invalid`` unless they are exactly ``length``."""
    if scheme == Scheme.NONE:
        plain = packed
    elif scheme in {Scheme.LZ4, Scheme.BG4_LZ4}:
        plain = _unpack_frame(packed, length)
    else:
        raise Invalid(f"A chunk is packed in a way that is not known: {scheme}.")
    if len(plain) != length:
        raise Invalid(f"A chunk has {len(plain)} bytes, not {length}.")
    return _interleaved(plain) if scheme == Scheme.BG4_LZ4 else plain


def _unpack_frame(packed: bytes, length: int) -> bytes:
    frame = LZ4FrameDecompressor()
    try:
        # One byte more than there may be: a bomb stops there, and a good frame comes to its end.
        plain: bytes = frame.decompress(packed, max_length=length + 1)
    except (RuntimeError, EOFError, ValueError, MemoryError):
        raise Invalid("A chunk is no LZ4 frame.") from None
    if not frame.eof or frame.unused_data:
        raise Invalid("A chunk's LZ4 frame does not end where it should.")
    return plain


def _interleaved(streams: bytes) -> bytes:
    """Undo BG4: bytes 0, 4, 8… stand first, then 1, 5, 9…, and so on."""
    plain = bytearray(len(streams))
    at = 0
    for first in range(_STREAMS):
        count = len(range(first, len(streams), _STREAMS))
        plain[first::_STREAMS] = streams[at : at + count]
        at += count
    return bytes(plain)


@dataclass(frozen=True, slots=True)
class Index:
    """Where the chunks of a xorb lie.

    ``hashes`` are 32 bytes a chunk; ``ends`` and ``plain_ends`` the offsets at which each chunk
    ends, with its header in the xorb and without it in the plain bytes.
    """

    hashes: bytes
    ends: array[int]
    plain_ends: array[int]

    @property
    def count(self) -> int:
        """Chunks."""
        return len(self.ends)

    @property
    def size(self) -> int:
        """Bytes of all chunks with their headers, without the footer."""
        return self.ends[-1]

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The bytes [start, end) of the xorb that hold the chunks [first, end)."""
        return (self.ends[first - 1] if first else 0), self.ends[end - 1]

    def plain_start(self, first: int) -> int:
        """Where a chunk begins in the plain bytes."""
        return self.plain_ends[first - 1] if first else 0

    def plain_length(self, first: int, end: int) -> int:
        """Plain bytes of the chunks [first, end)."""
        return self.plain_ends[end - 1] - self.plain_start(first)

    def lengths(self, first: int, end: int) -> list[int]:
        """The plain length of each of these chunks."""
        bounds = [self.plain_start(first), *self.plain_ends[first:end]]
        return [after - before for before, after in pairwise(bounds)]

    def hashes_of(self, first: int, end: int) -> bytes:
        """The hashes of the chunks [first, end), one after another."""
        return self.hashes[first * xethash.LENGTH : end * xethash.LENGTH]

    def root(self) -> bytes:
        """The hash that names the xorb."""
        tree = xethash.TreeHasher()
        tree.update(self.hashes, self.lengths(0, self.count))
        return tree.root()

    def footer(self) -> bytes:
        """What is stored behind the chunks (``XorbObjectInfoV1``, and its length)."""
        count = self.count
        top = _FOOTER_TOP.pack(_MARK, 1, self.root(), _HASH_MARK, 0, count)
        middle = _FOOTER_MIDDLE.pack(_BOUNDS_MARK, 1, count)
        bounds = struct.pack(f"<{2 * count}I", *self.ends, *self.plain_ends)
        # Distances from the end of the footer, its length not counted.
        to_bounds = _FOOTER_MIDDLE.size + len(bounds) + _FOOTER_END.size - 4
        to_hashes = to_bounds + len(self.hashes) + _FOOTER_MIDDLE.size
        end = _FOOTER_END.pack(count, to_hashes, to_bounds, bytes(16), footer_size(count) - 4)
        return b"".join((top, self.hashes, middle, bounds, end))

    @classmethod
    def parse(cls, footer: bytes) -> Index:
        """From a footer; raises ``Invalid``."""
        try:
            *marks, count = _FOOTER_TOP.unpack_from(footer)
            at = _FOOTER_TOP.size
            hashes = footer[at : at + count * xethash.LENGTH]
            at += len(hashes)
            middle = _FOOTER_MIDDLE.unpack_from(footer, at)
            bounds = struct.unpack_from(f"<{2 * count}I", footer, at + _FOOTER_MIDDLE.size)
        except struct.error:
            raise Invalid("A xorb's footer is cut off.") from None
        known = (marks[0], marks[3], middle[0]) == (_MARK, _HASH_MARK, _BOUNDS_MARK)
        if not known or middle[2] != count or len(footer) != footer_size(count) or not count:
            raise Invalid("A xorb's footer cannot be understood.")
        return cls(hashes, array("I", bounds[:count]), array("I", bounds[count:]))


def footer_size(count: int) -> int:
    """Bytes of the footer of a xorb with so many chunks."""
    per_chunk = xethash.LENGTH + _BOUND_BYTES
    return _FOOTER_TOP.size + _FOOTER_MIDDLE.size + count * per_chunk + _FOOTER_END.size


class Unpacker:
    """Plain chunks from packed bytes that come in pieces of any length."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their chunk, or follow the chunks."""
        return len(self._held)

    @property
    def ended(self) -> bool:
        """Whether everything was taken, but for a footer."""
        return not self._held or self._held.startswith(_MARK)

    def feed(self, piece: bytes) -> None:
        """More packed bytes."""
        self._held += piece

    def chunks(self) -> Iterator[tuple[bytes, bytes]]:
        """Packed (with its header) and plain bytes of each whole chunk; raises ``Invalid``."""
        at = 0
        try:
            while len(self._held) - at >= _HEADER.size and not self._held.startswith(_MARK, at):
                version, packed, scheme, plain = _HEADER.unpack_from(self._held, at)
                size, length = int.from_bytes(packed, "little"), int.from_bytes(plain, "little")
                if version or not 0 < size <= _MAX_PACKED_CHUNK or not 0 < length <= MAX_CHUNK:
                    raise Invalid("A chunk's header cannot be understood.")
                end = at + _HEADER.size + size
                if end > len(self._held):
                    return
                whole = bytes(self._held[at:end])
                at = end
                yield whole, _unpack(scheme, whole[_HEADER.size :], length)
        finally:
            del self._held[:at]

    def take(self, least: int) -> bytes:
        """Plain bytes of whole chunks, ``least`` or a chunk more; fewer when more must be fed."""
        pieces: list[bytes] = []
        size = 0
        for _, plain in self.chunks():
            pieces.append(plain)
            size += len(plain)
            if size >= least:
                break
        return b"".join(pieces)


class Checker:
    """Verifies a xorb while it comes in; blocking work, for a thread."""

    def __init__(self) -> None:
        self._unpacker = Unpacker()
        self._hashes = bytearray()
        self._ends = array("I")
        self._plain_ends = array("I")

    def feed(self, piece: bytes) -> bytes:
        """Take more bytes; returns those of whole, sound chunks, to be stored.

        Raises ``Invalid`` for bytes that are no xorb or beyond its limits.
        """
        self._unpacker.feed(piece)
        sound: list[bytes] = []
        size = self._ends[-1] if self._ends else 0
        plain_size = self._plain_ends[-1] if self._plain_ends else 0
        for packed, plain in self._unpacker.chunks():
            size += len(packed)
            plain_size += len(plain)
            if len(self._ends) == MAX_CHUNKS or plain_size > MAX_PLAIN:
                raise Invalid("A xorb holds at most 8192 chunks and 64 MiB.")
            self._hashes += xethash.chunk_hash(plain)
            self._ends.append(size)
            self._plain_ends.append(plain_size)
            sound.append(packed)
        if self._unpacker.held > _MAX_FOREIGN_FOOTER + len(piece):
            raise Invalid("Too much follows the chunks of the xorb.")
        return b"".join(sound)

    def finish(self, name: str) -> Index:
        """The index, if this was all and the xorb's hash is ``name``; else raises ``Invalid``."""
        if not self._ends or not self._unpacker.ended:
            raise Invalid("The xorb is empty or cut off.")
        index = Index(bytes(self._hashes), self._ends, self._plain_ends)
        if xethash.to_text(index.root()) != name:
            raise Invalid("The bytes sent are not those of this xorb.")
        return index
