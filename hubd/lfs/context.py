"""What the large-object services work with, gathered once by ``app.build``."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from hubd.blobs.base import Blobs
from hubd.blobs.chunked import Reader
from hubd.config import Config
from hubd.lfs.signing import Signer
from hubd.store.engine import Store


class ObjectLocks:
    """One at a time per object: storing its bytes with its row, or removing both.

    Without this, collection could remove the bytes that an upload has just put in place.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def hold(self, oid: str) -> AsyncIterator[None]:
        """Wait for the object, and let nobody else at it meanwhile."""
        lock = self._locks.setdefault(oid, asyncio.Lock())
        self._users[oid] += 1
        try:
            async with lock:
                yield
        finally:
            self._users[oid] -= 1
            if not self._users[oid]:
                del self._users[oid], self._locks[oid]


@dataclass
class Lfs:
    """One hub's large objects; ``config`` is replaced whole when the settings file changes."""

    config: Config
    store: Store
    blobs: Blobs
    signer: Signer
    locks: ObjectLocks = field(default_factory=ObjectLocks)
    reader: Reader = field(init=False)

    def __post_init__(self) -> None:
        """Objects are read by it, however they are held."""
        self.reader = Reader(self.blobs)
