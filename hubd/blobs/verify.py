"""Whether every object still is what its name says, and every object that should be there is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from hubd.blobs.base import Blobs, Damaged, Key, Kind, Stored
from hubd.blobs.each import each
from hubd.errors import NotFound


@dataclass(slots=True)
class Verified:
    """What was read, and what is wrong."""

    objects: int = 0
    size: int = 0
    damaged: list[Key] = field(default_factory=list)
    missing: list[Key] = field(default_factory=list)


async def verify(
    blobs: Blobs,
    expected: AsyncIterator[tuple[Key, int]] | None = None,
    progress: Callable[[Verified], None] = lambda _: None,
    at_once: int = 2,
) -> Verified:
    """Hash every object anew, and look for those that somebody counts on.

    ``expected``: keys and sizes that something refers to. An object of another size is damaged.
    Raises ``Unavailable`` when the place does not answer.
    """
    verified = Verified()

    async def check(found: Stored) -> None:
        await _check(blobs, found.key, verified)
        progress(verified)

    await each(at_once, blobs.walk(Kind.OBJECT), check)
    if expected is not None:
        await each(16, expected, lambda wanted: _look(blobs, *wanted, verified))
    progress(verified)
    return verified


async def _check(blobs: Blobs, key: Key, verified: Verified) -> None:
    hasher = hashlib.sha256()
    size = 0
    try:
        async for piece in blobs.read(key):
            await asyncio.to_thread(hasher.update, piece)
            size += len(piece)
    except NotFound:
        return  # Removed since it was listed; who counts on it is asked below.
    except Damaged:
        verified.damaged.append(key)
        return
    verified.objects += 1
    verified.size += size
    if hasher.hexdigest() != key.name:
        verified.damaged.append(key)


async def _look(blobs: Blobs, key: Key, size: int, verified: Verified) -> None:
    found = await blobs.stat(key)
    if found is None:
        verified.missing.append(key)
    elif found.size != size and key not in verified.damaged:
        verified.damaged.append(key)
