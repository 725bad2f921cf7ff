"""Who writes to an upload in parts, so that none of them is left when its bytes are judged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hubd.errors import Conflict

_ENDED = "This part is being sent again, or its upload is being put together."


@dataclass
class _Writer:
    """Who writes a part; stops when ``ended``, and says when it is ``gone``."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Writers:
    """The writers of all uploads, by handle and part."""

    def __init__(self) -> None:
        self._writers: dict[tuple[str, int], _Writer] = {}
        self._closing: set[str] = set()

    @asynccontextmanager
    async def one_of(self, handle: str, number: int) -> AsyncIterator[asyncio.Event]:
        """Be the writer of a part; gives what is set when writing must stop. Raises ``Conflict``.

        Who sends a part again has given up the earlier connection, but what that one still holds
        would be written over the new bytes: it is ended first.
        """
        while (older := self._writers.get((handle, number))) is not None:
            older.ended.set()
            await older.gone.wait()
        if handle in self._closing:
            raise Conflict(_ENDED)
        writer = self._writers[handle, number] = _Writer()
        try:
            yield writer.ended
        finally:
            del self._writers[handle, number]
            writer.gone.set()

    @asynccontextmanager
    async def none_of(self, handle: str) -> AsyncIterator[None]:
        """Stop the writers, wait until they have, and let no new one in. Raises ``Conflict``."""
        if handle in self._closing:
            raise Conflict(_ENDED)
        self._closing.add(handle)
        try:
            writing = [writer for (other, _), writer in self._writers.items() if other == handle]
            for writer in writing:
                writer.ended.set()
            for writer in writing:
                await writer.gone.wait()
            yield
        finally:
            self._closing.remove(handle)


async def until(ended: asyncio.Event, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces as they come; raises ``Conflict`` once it has ended, however long one takes."""
    end = asyncio.ensure_future(ended.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(pieces, b""))
            try:
                await asyncio.wait({end, coming}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait([coming])
            if end.done():
                raise Conflict(_ENDED)
            piece = coming.result()
            if not piece:
                return
            yield piece
    finally:
        end.cancel()
