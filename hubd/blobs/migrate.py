"""Copying every blob from one place to another, while both are in use.

What the target has already is left out, so a copy that was cut short goes on where it was; what
comes to the source meanwhile is found by the next run. Nothing is removed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hubd.blobs.base import Blobs, Damaged, Key, Kind, Stored
from hubd.blobs.each import each
from hubd.errors import NotFound


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
    at_once: int = 4,
) -> Copied:
    """Copy all that the target lacks; a run that copies nothing says that both are alike.

    ``progress`` hears of every blob. A blob that is not what its name says, or cannot be read as it
    was stored, is named and not copied. Raises ``Unavailable`` when a place does not answer.
    """
    copied = Copied()

    async def copy(found: Stored) -> None:
        await _copy(source, target, found, copied)
        progress(copied)

    for kind in Kind:
        await each(at_once, source.walk(kind), copy)
    return copied


async def _copy(source: Blobs, target: Blobs, found: Stored, copied: Copied) -> None:
    there = await target.stat(found.key)
    if there is not None and there.size == found.stat.size:
        copied.there += 1
        return
    sink = await target.begin(found.stat.size)
    try:
        async for piece in source.read(found.key):
            await sink.write(piece)
        if sink.size != found.stat.size or not _is_right(found.key, await sink.sha256()):
            raise Damaged(found.key.path, "its bytes are not those of its name")
        await sink.commit(found.key)
    except Damaged:
        copied.damaged.append(found.key)
    except NotFound:
        return  # Removed since it was listed.
    else:
        copied.blobs += 1
        copied.size += sink.size
    finally:
        await sink.discard()


def _is_right(key: Key, sha256: str) -> bool:
    """Other kinds are named by more than their bytes; whoever reads those checks them."""
    return key.kind is not Kind.OBJECT or key.name == sha256
