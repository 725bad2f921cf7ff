"""Objects by id, from ``cat-file --batch-command`` children that stay open.

A child sees new packs by itself and enforces nothing, so it is given object ids and checked ref
names only. Requests are pipelined in bounded portions; a lock keeps one conversation at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from hubd.errors import Invalid, NotFound, TooLarge, Unavailable
from hubd.git.objectcache import ObjectCache
from hubd.git.process import Git
from hubd.git.trees import TreeEntry, parse_tree
from hubd.names import is_oid
from hubd.procs import Child

# The capacity of a pipe is never below one page (pipe(7)).
_PORTION_BYTES = 4096
_READ = 256 * 1024
MAX_CONTENT = 64 * 1024 * 1024
_MAX_TREE = 16 * 1024 * 1024
# Blobs up to this size are kept: pointers of large files are below it.
_KEPT_CONTENT = 1024


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

    async def start(self) -> None:
        """Start the child before the first question, so that it is ready by then."""
        async with self._talk():
            pass

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
            for portion in _portions(specs):
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

    async def contents_many(
        self, oids: Sequence[str], limit: int = MAX_CONTENT
    ) -> dict[str, bytes]:
        """The bytes of several objects that are known to be small.

        Raises ``Unavailable`` for a missing one, ``TooLarge`` for one over ``limit`` bytes.
        """
        found: dict[str, bytes] = {}
        wanted = list(dict.fromkeys(oids))
        async with self._talk() as child:
            for portion in _portions(wanted):
                await self._ask(child, "contents", portion)
                for oid in portion:
                    head = _parse_head(await self._line(child))
                    if head is None:
                        raise Unavailable("An object is missing.", details={"oid": oid})
                    if head.size > limit:
                        raise TooLarge("An object is larger than the server reads whole.")
                    found[oid] = (await self._bytes(child, head.size + 1))[:-1]
        return found

    async def stream(self, oid: str) -> AsyncGenerator[bytes, None]:
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

    async def tree(self, oid: str) -> dict[str, TreeEntry]:
        """The entries of a tree object by name, in git's order; not to be changed."""
        data = (await self.contents_many([oid], _MAX_TREE))[oid]
        return {entry.name: entry for entry in parse_tree(data, len(oid) // 2)}

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
        lines = "".join(f"{command} {spec}\n" for spec in specs)
        try:
            await child.write(lines.encode("utf-8", "surrogateescape"))
        except BrokenPipeError:
            raise Unavailable("git stopped.", details={"stderr": child.error_text}) from None

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


def _portions(specs: Sequence[str]) -> Iterator[list[str]]:
    """Requests that fit into the smallest pipe, so that asking never waits for an answer's reader.

    Raises ``Invalid`` before anything is asked if a spec could be taken for two.
    """
    if any("\n" in spec or "\0" in spec for spec in specs):
        raise Invalid("An object name has a line feed.")
    portion: list[str] = []
    size = 0
    for spec in specs:
        length = len(spec.encode("utf-8", "surrogateescape")) + len("contents \n")
        if portion and size + length > _PORTION_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(spec)
        size += length
    if portion:
        yield portion


def _parse_head(line: bytes) -> ObjectInfo | None:
    parts = line.rsplit(b" ", 2)
    if line.endswith((b" missing", b" ambiguous")) or len(parts) != 3:  # noqa: PLR2004
        return None
    oid, kind, size = parts
    return ObjectInfo(oid.decode(), kind.decode(), int(size))


class _Open:
    """A child of the pool: how many use or wait for it, and when it falls idle."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.users = 0
        self.used = time.monotonic()


class ObjectPool:
    """Open children of the repositories read lately, a few for each.

    ``most`` bounds the children in all (those in use may exceed it), ``per_repo`` those of one
    repository; beyond that callers queue. Children idle for ``idle_seconds`` are ended.
    """

    def __init__(
        self, git: Git, *, most: int = 16, per_repo: int = 2, idle_seconds: float = 60.0
    ) -> None:
        self._git = git
        self._most = most
        self._per_repo = per_repo
        self._idle_seconds = idle_seconds
        self._open: dict[Path, list[_Open]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.known = ObjectCache()

    @asynccontextmanager
    async def borrow(self, path: Path) -> AsyncIterator[Batch]:
        """A child of this repository, perhaps shared with others; it stays open meanwhile."""
        found = self._pick(path)
        found.users += 1
        try:
            yield found.batch
        finally:
            found.users -= 1
            found.used = time.monotonic()
            if not found.users and found not in self._open.get(path, ()):
                # Forgotten while in use: nobody else will end it.
                self._end(found)
            self._set_timer()

    def _pick(self, path: Path) -> _Open:
        here = self._open.setdefault(path, [])
        free = next((one for one in here if not one.users), None)
        if free is not None:
            return free
        if len(here) >= self._per_repo:
            return min(here, key=lambda one: one.users)
        self._make_room()
        found = _Open(Batch(self._git, path))
        # Making room may have dropped the list of a repository without children.
        self._open.setdefault(path, here).append(found)
        return found

    def _make_room(self) -> None:
        excess = sum(map(len, self._open.values())) + 1 - self._most
        if excess > 0:
            for path, one in sorted(self._idle(), key=lambda pair: pair[1].used)[:excess]:
                self._drop(path, one)

    def _idle(self) -> list[tuple[Path, _Open]]:
        return [(path, one) for path, here in self._open.items() for one in here if not one.users]

    def _drop(self, path: Path, one: _Open) -> None:
        here = self._open[path]
        here.remove(one)
        if not here:
            del self._open[path]
        self._end(one)

    def _end(self, one: _Open) -> None:
        task = asyncio.get_running_loop().create_task(one.batch.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _set_timer(self) -> None:
        if self._timer is None and self._open:
            self._timer = asyncio.get_running_loop().call_later(self._idle_seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        oldest = time.monotonic() - self._idle_seconds
        for path, one in self._idle():
            if one.used <= oldest:
                self._drop(path, one)
        self._set_timer()

    async def batch(self, path: Path) -> Batch:
        """A reader of this repository that borrows a child for each question."""
        return _Lent(self, self._git, path)

    async def info(self, path: Path, spec: str) -> ObjectInfo | None:
        """What an object id, full ref name or ``OID:PATH`` leads to; None if nothing."""
        async with self.borrow(path) as batch:
            return await batch.info(spec)

    async def info_many(self, path: Path, specs: Sequence[str]) -> list[ObjectInfo | None]:
        """As ``info``, for several, in their order."""
        async with self.borrow(path) as batch:
            return await batch.info_many(specs)

    async def contents(
        self, path: Path, spec: str, limit: int = MAX_CONTENT
    ) -> tuple[ObjectInfo, bytes] | None:
        """An object whole; None if there is none, ``TooLarge`` over ``limit`` bytes."""
        async with self.borrow(path) as batch:
            return await batch.content(spec, limit)

    async def contents_many(self, path: Path, oids: Sequence[str]) -> dict[str, bytes]:
        """The bytes of several objects that are known to be small; raises for a missing one."""
        async with self.borrow(path) as batch:
            return await batch.contents_many(oids)

    async def stream(self, path: Path, oid: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob of any size, in pieces of at most 256 KiB.

        A large one gets a child of its own, so that a slow reader keeps nobody waiting. Wrap it in
        ``contextlib.aclosing`` where the reader may stop early. Raises ``NotFound``.
        """
        info = await self.info(path, oid)
        if info is None:
            raise NotFound("There is no such object.")
        if info.size <= _READ:
            yield (await self.contents_many(path, [info.oid]))[info.oid]
            return
        async with Batch(self._git, path) as batch, aclosing(batch.stream(info.oid)) as pieces:
            async for piece in pieces:
                yield piece

    async def evict(self) -> None:
        """End every child that nobody uses."""
        for path, one in self._idle():
            self._drop(path, one)
        await self._ended()

    async def forget(self, path: Path) -> None:
        """End a repository's children, as its packs are replaced or it goes; users finish."""
        self.known.forget(path)
        for one in self._open.pop(path, ()):
            if not one.users:
                self._end(one)
        await self._ended()

    async def close(self) -> None:
        """End all children."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for here in self._open.values():
            for one in here:
                self._end(one)
        self._open.clear()
        await self._ended()

    async def _ended(self) -> None:
        await asyncio.gather(*self._ending)


class _Lent(Batch):
    """Has no child of its own: each call goes to one of the pool's, if the answer is not known."""

    def __init__(self, pool: ObjectPool, git: Git, path: Path) -> None:
        super().__init__(git, path)
        self._pool = pool

    async def info_many(self, specs: Sequence[str]) -> list[ObjectInfo | None]:
        known = self._pool.known
        found = {
            spec: info
            for spec in specs
            if (info := known.get(self._path, f"info {spec}", ObjectInfo)) is not None
        }
        missing = [spec for spec in dict.fromkeys(specs) if spec not in found]
        if missing:
            infos = await self._pool.info_many(self._path, missing)
            for spec, info in zip(missing, infos, strict=True):
                if info is None:
                    continue
                found[spec] = info
                # A ref or a short id may lead elsewhere tomorrow.
                if is_oid(spec.partition("^")[0]):
                    known.put(self._path, f"info {spec}", info)
        return [found.get(spec) for spec in specs]

    async def contents_many(
        self, oids: Sequence[str], limit: int = MAX_CONTENT
    ) -> dict[str, bytes]:
        known = self._pool.known
        found = {
            oid: data
            for oid in oids
            if (data := known.get(self._path, f"contents {oid}", bytes)) is not None
        }
        missing = [oid for oid in oids if oid not in found]
        if missing:
            async with self._pool.borrow(self._path) as batch:
                read = await batch.contents_many(missing, limit)
            found |= read
            for oid, data in read.items():
                if len(data) <= _KEPT_CONTENT:
                    known.put(self._path, f"contents {oid}", data, 1 + len(data) // 300)
        return found

    async def tree(self, oid: str) -> dict[str, TreeEntry]:
        known: dict[str, TreeEntry] | None = self._pool.known.get(self._path, f"tree {oid}", dict)
        if known is None:
            known = await super().tree(oid)
            self._pool.known.put(self._path, f"tree {oid}", known, 1 + len(known))
        return known

    async def stream(self, oid: str) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._pool.stream(self._path, oid)) as pieces:
            async for piece in pieces:
                yield piece
