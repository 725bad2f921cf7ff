"""The one interface to stored bytes; ``local`` and ``s3`` implement it.

A blob never changes: its name is the hash of its content. What is being written is invisible until
it is committed, and a commit is durable when it returns. Nobody outside this room knows where or
how a blob lies.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from hubd.errors import Invalid, Unavailable
from hubd.names import is_oid

# The largest piece that a reader hands out, and the best size for a writer, in bytes.
PIECE = 1024 * 1024
_NAME_LENGTH = 64


class Kind(enum.StrEnum):
    """What a blob is; each kind lies in a folder of its own."""

    OBJECT = "objects"  # A whole file, named by its SHA-256.
    XORB = "xorbs"  # Chunks one after another, named by their Xet tree hash.
    LIST = "lists"  # Which chunks make a file, named by the file's SHA-256.


@dataclass(frozen=True, slots=True)
class Key:
    """The name of a blob. Raises ``Invalid`` unless ``name`` is 64 lower-case hex digits."""

    kind: Kind
    name: str

    def __post_init__(self) -> None:
        if len(self.name) != _NAME_LENGTH or not is_oid(self.name):
            raise Invalid("A blob is named by 64 lower-case hexadecimal digits.")

    @property
    def path(self) -> str:
        """Where it lies below the root of the store: ``objects/aa/bb/aabb…``."""
        return f"{self.kind}/{self.name[:2]}/{self.name[2:4]}/{self.name}"

    @classmethod
    def object(cls, oid: str) -> Key:
        """The whole file with this SHA-256."""
        return cls(Kind.OBJECT, oid)


class Damaged(Unavailable):
    """What lies under a name is not what was stored there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            "A stored object is damaged.",
            hint="Tell the operator.",
            details={"blob": name, "why": why},
        )


@dataclass(frozen=True, slots=True)
class Stat:
    """Size in bytes, and when it was stored (epoch seconds)."""

    size: int
    stored_at: float


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob found by ``walk``."""

    key: Key
    stat: Stat


@dataclass(frozen=True, slots=True)
class Link:
    """An address that works for a while without our credentials, and the headers to send."""

    href: str
    headers: dict[str, str]
    expires_in: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload: number (from 1), bytes, and what the back end calls it, unquoted."""

    number: int
    size: int
    etag: str


class Sink(Protocol):
    """Bytes on their way in, in order; hashed while they are written."""

    @property
    def size(self) -> int:
        """Bytes taken so far."""

    async def write(self, piece: bytes) -> None:
        """Take more bytes; any length, best about ``PIECE``. Raises ``Unavailable``."""

    async def sha256(self) -> str:
        """The hash of everything taken so far, as 64 hex digits."""

    async def commit(self, key: Key) -> None:
        """Make it visible and durable under this name; a blob that is there already stays.

        The caller has compared the hash. Raises ``Unavailable``.
        """

    async def discard(self) -> None:
        """Forget everything that is not committed; harmless at any time, any number of times."""


class Direct(Protocol):
    """For stores that clients can reach themselves: bytes that do not pass the daemon."""

    async def download(self, key: Key, seconds: int, file_name: str = "") -> Link:
        """An address to GET, with Range; ``file_name`` is what a browser saves it as."""

    async def upload(self, staging: str, oid: str, size: int, seconds: int) -> Link:
        """An address to PUT exactly ``size`` bytes with this SHA-256 to a staging name.

        The store refuses other bytes where it can; ``adopt`` finds out where it cannot.
        """

    async def part(self, handle: str, number: int, size: int, seconds: int) -> Link:
        """An address to PUT one part of ``begin_parts``'s upload."""

    async def adopt(self, staging: str, key: Key, size: int) -> None:
        """Make an upload visible after size and SHA-256 were found right; else ``Invalid``."""

    async def drop(self, staging: str) -> None:
        """Forget a staged upload; harmless if it is not there."""


class Blobs(Protocol):
    """A place for blobs. All methods raise ``Unavailable`` when the place does not answer."""

    @property
    def name(self) -> str:
        """``local`` or ``s3``."""

    @property
    def direct(self) -> Direct | None:
        """How clients reach the place themselves, if they can."""

    async def start(self) -> None:
        """Get ready; what an earlier daemon left half-written goes now or with ``sweep``."""

    async def close(self) -> None:
        """Give connections back."""

    async def stat(self, key: Key) -> Stat | None:
        """Size and time, or None when it is not there."""

    def read(self, key: Key, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end) in pieces of at most ``PIECE``; ``end`` None: to the end.

        Raises ``NotFound`` before the first piece, ``Unavailable`` in the middle.
        """

    async def local_path(self, key: Key) -> str | None:
        """A file with exactly these bytes, where there is one (for sendfile); else None."""

    async def begin(self, size: int = 0) -> Sink:
        """Start writing a blob in order; ``size``: about how large, 0 where nobody knows.

        S3 wants parts that suit the size, and few enough.
        """

    async def begin_parts(self, size: int) -> str:
        """Start an upload whose parts come in any order and survive a restart; its handle."""

    async def write_part(
        self, handle: str, number: int, offset: int, pieces: AsyncIterator[bytes], size: int
    ) -> Part:
        """Store one part of exactly ``size`` bytes, again if need be; durable on return.

        Raises ``Invalid`` when another number of bytes came, ``NotFound`` for an unknown handle.
        """

    async def commit_parts(self, handle: str, key: Key, size: int, parts: list[Part]) -> None:
        """Put the parts together and make them visible, when size and SHA-256 are right.

        Raises ``Invalid`` when they are not; the upload is forgotten then. After a success it may
        be called again, until ``discard_parts``: the caller may not have heard of it.
        """

    async def discard_parts(self, handle: str) -> None:
        """Forget an upload in parts; harmless at any time."""

    async def delete(self, key: Key) -> None:
        """Remove a blob; harmless if it is not there."""

    def walk(self, kind: Kind) -> AsyncIterator[Stored]:
        """Every blob of a kind, in no order; what comes or goes meanwhile may be missed."""

    async def sweep(self, older_than: float, keep_handles: frozenset[str]) -> int:
        """Remove unfinished uploads begun before this time but those named; their number."""

    async def free(self) -> int | None:
        """Bytes of room left, or None where the place cannot tell."""
