"""Removes chunks that nothing needs any more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from functools import partial

from hubd.blobs.base import Key, Kind, Stored
from hubd.lfs.context import Lfs
from hubd.store import xet
from hubd.store.engine import Connection

_BATCH = 500
Known = Callable[[Connection, Collection[str]], Awaitable[Collection[str]]]


async def collect(lfs: Lfs, before: float) -> int:
    """Remove what no object needs and nobody has sent since this time; how many blobs.

    First xorbs by their rows; then bytes without a row: lists of objects that have gone, and what
    a killed daemon left.
    """
    removed = 0
    async with lfs.store.read() as conn:
        orphans = await xet.orphans(conn, before)
    for orphan in orphans:
        key = Key(Kind.XORB, orphan.hash)
        async with lfs.locks.hold(key.path):
            if await lfs.store.write(partial(xet.remove_orphan, xorb=orphan.hash, before=before)):
                await lfs.blobs.delete(key)
                removed += 1
    removed += await _strays(lfs, Kind.XORB, xet.xorbs, before)
    return removed + await _strays(lfs, Kind.LIST, xet.files, before)


async def _strays(lfs: Lfs, kind: Kind, known: Known, before: float) -> int:
    removed = 0
    async for batch in _batches(lfs.blobs.walk(kind)):
        old = [stored.key.name for stored in batch if stored.stat.stored_at < before]
        async with lfs.store.read() as conn:
            kept = await known(conn, old)
        for name in old:
            if name not in kept:
                removed += await _remove_stray(lfs, Key(kind, name), known)
    return removed


async def _remove_stray(lfs: Lfs, key: Key, known: Known) -> bool:
    """Whether it is gone; under the lock nobody can be about to write its row."""
    async with lfs.locks.hold(key.name if key.kind is Kind.LIST else key.path):
        async with lfs.store.read() as conn:
            if await known(conn, [key.name]):
                return False
        await lfs.blobs.delete(key)
        lfs.reader.forget(key.name)
        return True


async def _batches(found: AsyncIterator[Stored]) -> AsyncIterator[list[Stored]]:
    batch: list[Stored] = []
    async for stored in found:
        batch.append(stored)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
