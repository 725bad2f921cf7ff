"""Moving all large files from one place to another, while they are used.

A place is copied to as often as one likes before the settings name it. From the start that finds
them naming it, what is new goes there and the rest is still read where it was, until a copy has
found nothing more to bring. So no upload waits, and a daemon that dies goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import msgspec

from hubd.blobs import place
from hubd.blobs.base import Key, Kind
from hubd.blobs.build import build
from hubd.blobs.migrate import Alone, Copied, migrate
from hubd.blobs.moving import MovingBlobs
from hubd.blobs.place import Place
from hubd.errors import Conflict, Invalid
from hubd.lfs.context import Lfs
from hubd.store import uploads

Say = Callable[[str], None]


class Moved(msgspec.Struct, frozen=True):
    """What was copied and what was there; damaged blobs by path; whether nothing is left."""

    blobs: int
    bytes: int
    there: int
    damaged: list[str]
    is_done: bool


async def settle(lfs: Lfs, to: Place, *, begins: bool) -> None:
    """Write down where blobs lie, before anything uses them; ``begins``: a move starts now."""
    if begins and isinstance(lfs.blobs, MovingBlobs):
        # Of an earlier stay, maybe: what is listed there can have been made anew since.
        async for stored in lfs.blobs.target.walk(Kind.LIST):
            await lfs.blobs.target.delete(stored.key)
        # Their parts are in the other place.
        await lfs.store.write(uploads.remove_all)
    await asyncio.to_thread(place.write, lfs.config, to)


async def move(lfs: Lfs, to: str, say: Say = lambda _: None) -> Moved:
    """Copy what ``local`` or ``s3`` lacks; ends the move, if there is one and nothing is left.

    Raises ``Conflict`` while a move goes the other way, ``Unavailable``.
    """
    if to not in {"local", "s3"}:
        raise Invalid("Files move to local or to s3.")
    if to != lfs.config.blob_store:
        return await _ahead(lfs, to, say)
    if not isinstance(lfs.blobs, MovingBlobs) or lfs.blobs.source is None:
        return Moved(0, 0, 0, [], is_done=True)
    moving, source = lfs.blobs, lfs.blobs.source
    total = Copied()
    while True:
        copied = await migrate(source, moving.target, _teller(say), alone=_alone(lfs))
        total.blobs += copied.blobs
        total.size += copied.size
        total.damaged = copied.damaged
        if not copied.blobs:
            break
    total.there = copied.there - total.blobs
    is_done = not total.damaged
    if is_done:
        await asyncio.to_thread(place.write, lfs.config, Place(place.named(lfs.config)))
        moving.finish()
    return _told(total, is_done=is_done)


async def _ahead(lfs: Lfs, to: str, say: Say) -> Moved:
    """Into a place that is not used yet; lists of chunks come last, since they can change."""
    if isinstance(lfs.blobs, MovingBlobs) and lfs.blobs.source is not None:
        now = lfs.config.blob_store
        raise Conflict(
            f"Large files are on their way to {now}.",
            hint=f"Finish it first: hubd store migrate --to {now}",
        )
    if to == "s3" and not lfs.config.s3_bucket:
        raise Invalid("s3_bucket: name the bucket that files are to move to.")
    target = build(lfs.config, to)
    await target.start()
    try:
        kinds = (Kind.OBJECT, Kind.XORB)
        copied = await migrate(lfs.blobs, target, _teller(say), kinds=kinds)
    finally:
        await target.close()
    return _told(copied, is_done=False)


def _told(copied: Copied, *, is_done: bool) -> Moved:
    damaged = [key.path for key in copied.damaged]
    return Moved(copied.blobs, copied.size, copied.there, damaged, is_done)


def _teller(say: Say) -> Callable[[Copied], None]:
    def tell(copied: Copied) -> None:
        say(f"{copied.blobs} copied, {copied.size} bytes; {copied.there} were there")

    return tell


def _alone(lfs: Lfs) -> Alone:
    """The locks of those who store and remove blobs."""

    def alone(key: Key) -> AbstractAsyncContextManager[None]:
        return lfs.locks.hold(key.path if key.kind is Kind.XORB else key.name)

    return alone
