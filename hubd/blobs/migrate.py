"""Copying every blob from one place to another, while both are in use.

What the target has already is left out, so a copy that was cut short goes on where it was; what
comes to the source meanwhile is found by the next run. Nothing is removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field

from hubd.blobs.base import Blobs, Damaged, Key, Kind, Sink, Stored
from hubd.blobs.chunked import ChunkList
from hubd.blobs.each import each
from hubd.blobs.xorb import Checker
from hubd.errors import Invalid, NotFound

Alone = Callable[[Key], AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class Copied:
    """How far a copy is: blobs and bytes, and those that the source holds damaged."""

    blobs: int = 0
    size: int = 0
    there: int = 0
    damaged: list[Key] = field(default_factory=list)


async def migrate(
    source: Blobs,
    target: Blobs,
    progress: Callable[[Copied], None] = lambda _: None,
    *,
    kinds: Iterable[Kind] = Kind,
    alone: Alone = lambda _: nullcontext(),
    at_once: int = 4,
) -> Copied:
    """Copy all that the target lacks; a run that copies nothing says that it lacks nothing.

    ``progress`` hears of every blob. A blob appears in the target in the context of ``alone``, and
    only if the source has it still. One that is not what its name says, or cannot be read as it was
    stored, is named and not copied. Raises ``Unavailable`` when a place does not answer.
    """
    copied = Copied()

    async def copy(found: Stored) -> None:
        await _copy(source, target, found, copied, alone)
        progress(copied)

    for kind in kinds:
        await each(at_once, source.walk(kind), copy)
    return copied


async def _copy(source: Blobs, target: Blobs, found: Stored, copied: Copied, alone: Alone) -> None:
    key = found.key
    there = await target.stat(key)
    if there is not None and there.size == found.stat.size:
        copied.there += 1
        return
    sink = await target.begin(found.stat.size)
    try:
        await _fill(sink, source, found)
        async with alone(key):
            if await source.stat(key) is None:
                return  # Removed since it was listed.
            await sink.commit(key)
    except Damaged:
        copied.damaged.append(key)
    except NotFound:
        return
    else:
        copied.blobs += 1
        copied.size += sink.size
    finally:
        await sink.discard()


async def _fill(sink: Sink, source: Blobs, found: Stored) -> None:
    """Read, check and write; raises ``Damaged`` for bytes that are not those of the name."""
    key = found.key
    try:
        checker = Checker() if key.kind is Kind.XORB else None
        listed = bytearray()
        async for piece in source.read(key):
            if checker is not None:
                await asyncio.to_thread(checker.feed, piece)
            elif key.kind is Kind.LIST:
                listed += piece
            await sink.write(piece)
        if checker is not None:
            await asyncio.to_thread(checker.finish, key.name)
        elif key.kind is Kind.LIST:
            ChunkList(bytes(listed))
    except Invalid as error:
        raise Damaged(key.path, error.message) from None
    if sink.size != found.stat.size:
        raise Damaged(key.path, "it has another size than it should")
    if key.kind is Kind.OBJECT and await sink.sha256() != key.name:
        raise Damaged(key.path, "its bytes are not those of its name")
