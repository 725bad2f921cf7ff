"""Two places as one, while blobs move from one to the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

from hubd.blobs.base import Blobs, Direct, Key, Kind, Part, Sink, Stat, Stored
from hubd.errors import NotFound


class MovingBlobs:
    """What is new goes to the target; what the target lacks is read where it was.

    A blob that is removed goes from both, so the source never has what was changed since.
    """

    def __init__(self, target: Blobs, source: Blobs) -> None:
        self.target = target
        self.source: Blobs | None = source
        # Closed with the rest: who reads there when a move ends goes on.
        self._left: Blobs = source

    @property
    def name(self) -> str:
        """Both."""
        if self.source is None:
            return self.target.name
        return f"{self.target.name}, moving from {self.source.name}"

    @property
    def direct(self) -> Direct | None:
        """Not before all is there: an address must lead to something."""
        return self.target.direct if self.source is None else None

    def _places(self) -> tuple[Blobs, ...]:
        return (self.target,) if self.source is None else (self.target, self.source)

    async def start(self) -> None:
        """Both."""
        await self._left.start()
        await self.target.start()

    async def close(self) -> None:
        """Both."""
        await self._left.close()
        await self.target.close()

    def finish(self) -> None:
        """The source has nothing that the target lacks."""
        self.source = None

    async def stat(self, key: Key) -> Stat | None:
        """Where it is found first."""
        for place in self._places():
            found = await place.stat(key)
            if found is not None:
                return found
        return None

    async def read(self, key: Key, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """From where it is; a blob that has just arrived is read where it was found."""
        for place in self._places():
            async with aclosing(place.read(key, start, end)) as pieces:  # type: ignore[type-var]
                try:
                    first = await anext(pieces)
                except StopAsyncIteration:
                    return
                except NotFound:
                    continue
                yield first
                async for piece in pieces:
                    yield piece
                return
        raise NotFound("This object is not stored here.")

    async def local_path(self, key: Key) -> str | None:
        """Where one of them has a file."""
        for place in self._places():
            path = await place.local_path(key)
            if path is not None:
                return path
        return None

    async def begin(self, size: int = 0) -> Sink:
        """In the target."""
        return await self.target.begin(size)

    async def begin_parts(self, size: int) -> str:
        """In the target."""
        return await self.target.begin_parts(size)

    async def write_part(
        self, handle: str, number: int, offset: int, pieces: AsyncIterator[bytes], size: int
    ) -> Part:
        """In the target."""
        return await self.target.write_part(handle, number, offset, pieces, size)

    async def commit_parts(self, handle: str, key: Key, size: int, parts: list[Part]) -> None:
        """In the target."""
        await self.target.commit_parts(handle, key, size, parts)

    async def discard_parts(self, handle: str) -> None:
        """In the target."""
        await self.target.discard_parts(handle)

    async def delete(self, key: Key) -> None:
        """From both, the source first: nothing may bring it back."""
        for place in reversed(self._places()):
            await place.delete(key)

    async def walk(self, kind: Kind) -> AsyncIterator[Stored]:
        """The target's, then what only the source has."""
        async for stored in self.target.walk(kind):
            yield stored
        if self.source is None:
            return
        async for stored in self.source.walk(kind):
            if await self.target.stat(stored.key) is None:
                yield stored

    async def sweep(self, older_than: float, keep_handles: frozenset[str]) -> int:
        """Both."""
        return sum([await place.sweep(older_than, keep_handles) for place in self._places()])

    async def free(self) -> int | None:
        """Of the target."""
        return await self.target.free()
