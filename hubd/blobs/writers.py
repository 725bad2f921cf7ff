"""Who writes to an upload in parts, so that none of them is left when its bytes are judged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from hubd.errors import Conflict


@dataclass
class _Open:
    """The writers of one upload; they stop when it ``ended``."""

    count: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Writers:
    """The writers of all uploads, by handle."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    @contextmanager
    def one_of(self, handle: str) -> Iterator[asyncio.Event]:
        """Count as a writer; gives what is set when writing must stop. Raises ``Conflict``."""
        upload = self._open.setdefault(handle, _Open())
        if upload.ended.is_set():
            raise Conflict("This upload is being put together.")
        upload.count += 1
        try:
            yield upload.ended
        finally:
            upload.count -= 1
            if not upload.count:
                upload.idle.set()
                if not upload.ended.is_set():
                    del self._open[handle]

    @asynccontextmanager
    async def none_of(self, handle: str) -> AsyncIterator[None]:
        """Stop the writers, wait until they have, and let no new one in. Raises ``Conflict``."""
        upload = self._open.setdefault(handle, _Open())
        if upload.ended.is_set():
            raise Conflict("This upload is being put together.")
        upload.ended.set()
        try:
            if upload.count:
                await upload.idle.wait()
            yield
        finally:
            # Those that are still leaving know their own entry.
            del self._open[handle]


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
                raise Conflict("This upload is being put together.")
            piece = coming.result()
            if not piece:
                return
            yield piece
    finally:
        end.cancel()
