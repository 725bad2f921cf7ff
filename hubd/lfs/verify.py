"""Verification: every recorded object is read and hashed, and what is stored is looked up."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable

import msgspec

from hubd.blobs.base import Kind
from hubd.errors import HubError, NotFound
from hubd.lfs import content
from hubd.lfs.context import Lfs
from hubd.store import objects
from hubd.store.objects import StoredObject

_PORTION = 1000


class Damaged(msgspec.Struct, frozen=True):
    """An object whose bytes are not what its row says, and why."""

    oid: str
    size: int
    reason: str


class Verified(msgspec.Struct):
    """What was looked at, in objects and bytes; ``strays`` are stored without a row.

    A stray is no damage: an upload under way, or something for the next collection.
    """

    objects: int = 0
    bytes: int = 0
    strays: int = 0
    damaged: list[Damaged] = []


async def verify(lfs: Lfs, say: Callable[[str], None] = lambda _: None) -> Verified:
    """Read everything; as long as that takes, and beside everything else."""
    done = Verified()
    after = ""
    while True:
        async with lfs.store.read() as conn:
            found = await objects.page(conn, after=after, limit=_PORTION)
        for one in found:
            reason = await _fault(lfs, one)
            if reason and await _is_recorded(lfs, one.oid):
                done.damaged.append(Damaged(one.oid, one.size, reason))
            done.objects += 1
            done.bytes += one.size
            say(f"{done.objects} objects, {done.bytes} bytes")
        if len(found) < _PORTION:
            break
        after = found[-1].oid
    async for stored in lfs.blobs.walk(Kind.OBJECT):
        done.strays += not await _is_recorded(lfs, stored.key.name)
    return done


async def _is_recorded(lfs: Lfs, oid: str) -> bool:
    async with lfs.store.read() as conn:
        return bool(await objects.known(conn, [oid]))


async def _fault(lfs: Lfs, one: StoredObject) -> str:
    """What is wrong with an object; empty if nothing is."""
    hasher, size = hashlib.sha256(), 0
    try:
        async for piece in content.read(lfs, one.oid):
            size += len(piece)
            await asyncio.to_thread(hasher.update, piece)
    except HubError as error:
        return "missing" if isinstance(error, NotFound) else f"unreadable: {error.message}"
    if size != one.size:
        return f"has {size} bytes instead of {one.size}"
    return "" if hasher.hexdigest() == one.oid else "has other bytes than were stored"
