"""Objects by id, from ``cat-file --batch-command`` children that stay open.

A child sees new packs by itself and enforces nothing, so it is given object ids and checked ref
names only. Requests are pipelined in bounded portions; a lock keeps one conversation at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hubd.errors import Invalid, TooLarge, Unavailable
from hubd.git.process import Git
from hubd.procs import Child

_PORTION = 128
_READ = 256 * 1024
MAX_CONTENT = 64 * 1024 * 1024


class ObjectInfo(msgspec.Struct, frozen=True):
    """An object's id, type and size in bytes."""

    oid: str
    kind: str
    size: int


class Batch:
    """One ``cat-file`` child; an async context manager, or kept by the pool."""

    def __init__(self, git: Git, path: Path, env: Mapping[str, str] | None = None) -> None:
        self._git = git
        self._path = path
        self._env = env
        self._child: Child | None = None
        self._buffer = bytearray()
        self._lock = asyncio.Lock()
        self._broken = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the child."""
        child, self._child = self._child, None
        if child is not None:
            await asyncio.shield(child.kill())

    @property
    def idle(self) -> bool:
        """Whether nobody talks to the child."""
        return not self._lock.locked()

    async def info(self, spec: str) -> ObjectInfo | None:
        """What an object id or full ref name leads to; None if nothing."""
        return (await self.info_many([spec]))[0]

    async def info_many(self, specs: Sequence[str]) -> list[ObjectInfo | None]:
        """As ``info``, for several, in their order."""
        found: list[ObjectInfo | None] = []
        async with self._talk() as child:
            for start in range(0, len(specs), _PORTION):
                portion = specs[start : start + _PORTION]
                await self._ask(child, "info", portion)
                found += [_parse_head(await self._line(child)) for _ in portion]
        return found

    async def content(self, spec: str, limit: int = MAX_CONTENT) -> tuple[ObjectInfo, bytes] | None:
        """An object whole; None if there is none, ``TooLarge`` over the limit."""
        info = await self.info(spec)
        if info is None:
            return None
        if info.size > limit:
            raise TooLarge("This object is too large to show.")
        return info, (await self.contents_many([info.oid]))[info.oid]

    async def contents_many(self, oids: Sequence[str]) -> dict[str, bytes]:
        """The bytes of several objects that are known to be small; raises for a missing one."""
        found: dict[str, bytes] = {}
        wanted = list(dict.fromkeys(oids))
        async with self._talk() as child:
            for start in range(0, len(wanted), _PORTION):
                portion = wanted[start : start + _PORTION]
                await self._ask(child, "contents", portion)
                for oid in portion:
                    head = _parse_head(await self._line(child))
                    if head is None:
                        raise Unavailable("An object is missing.", details={"oid": oid})
                    found[oid] = (await self._bytes(child, head.size + 1))[:-1]
        return found

    async def stream(self, oid: str) -> AsyncIterator[bytes]:
        """The bytes of a large object, in pieces."""
        async with self._talk() as child:
            await self._ask(child, "contents", [oid])
            head = _parse_head(await self._line(child))
            if head is None:
                raise Unavailable("An object is missing.", details={"oid": oid})
            left = head.size
            while left:
                piece = await self._bytes(child, min(left, _READ))
                left -= len(piece)
                yield piece
            await self._bytes(child, 1)

    async def tree_of(self, oid: str) -> str | None:
        """The tree that a commit, tag or tree leads to; None for a blob or nothing."""
        info = await self.info(oid + "^{tree}")
        return info.oid if info is not None else None

    @asynccontextmanager
    async def _talk(self) -> AsyncIterator[Child]:
        async with self._lock:
            if self._child is not None and (self._broken or self._child.returncode is not None):
                await self.close()
            if self._child is None:
                self._buffer.clear()
                self._child = await self._git.start(
                    self._path, "cat-file", "--batch-command", env_extra=self._env
                )
            # A talk that is cut short leaves answers in the pipe: the child must not be used again.
            self._broken = True
            yield self._child
            self._broken = False

    async def _ask(self, child: Child, command: str, specs: Sequence[str]) -> None:
        if any("\n" in spec or "\0" in spec for spec in specs):
            raise Invalid("An object name has a line feed.")
        lines = "".join(f"{command} {spec}\n" for spec in specs)
        await child.write(lines.encode("utf-8", "surrogateescape"))

    async def _line(self, child: Child) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            await self._more(child)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    async def _bytes(self, child: Child, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more(child)
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _more(self, child: Child) -> None:
        piece = await child.read(_READ)
        if not piece:
            raise Unavailable("git stopped.", details={"stderr": child.error_text})
        self._buffer += piece


def _parse_head(line: bytes) -> ObjectInfo | None:
    parts = line.rsplit(b" ", 2)
    if line.endswith((b" missing", b" ambiguous")) or len(parts) != 3:  # noqa: PLR2004
        return None
    oid, kind, size = parts
    return ObjectInfo(oid.decode(), kind.decode(), int(size))


class ObjectPool:
    """Open children of the repositories read lately."""

    def __init__(self, git: Git, *, most: int = 16, idle_seconds: float = 60.0) -> None:
        self._git = git
        self._most = most
        self._idle_seconds = idle_seconds
        self._open: OrderedDict[Path, tuple[Batch, float]] = OrderedDict()

    async def batch(self, path: Path) -> Batch:
        """The child of a repository, started at its first use."""
        found = self._open.pop(path, None)
        batch = found[0] if found else Batch(self._git, path)
        self._open[path] = (batch, time.monotonic())
        await self.evict()
        return batch

    async def evict(self) -> None:
        """End the children that nobody used for a while, or that are too many."""
        oldest = time.monotonic() - self._idle_seconds
        for path, (batch, used) in list(self._open.items()):
            crowded = len(self._open) > self._most
            if batch.idle and (used < oldest or crowded):
                del self._open[path]
                await batch.close()
            elif not crowded:
                break

    async def forget(self, path: Path) -> None:
        """End a repository's child, as its packs have been replaced."""
        found = self._open.pop(path, None)
        if found is not None:
            await found[0].close()

    async def close(self) -> None:
        """End all children."""
        for batch, _ in self._open.values():
            await batch.close()
        self._open.clear()
