"""The bytes of a file at a revision: those that Git has, or the large file behind its pointer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial

from hubd.core import browse, listing, repos
from hubd.core.browse import At, Entry
from hubd.core.context import Core
from hubd.errors import NotFound
from hubd.lfs import content


@dataclass(frozen=True, slots=True)
class File:
    """Something to send; ``mark`` changes with its bytes, ``path`` is a file that has just them."""

    entry: Entry
    size: int
    mark: str
    read: Callable[[int, int], AsyncIterator[bytes]]
    path: str | None = None

    async def head(self, count: int) -> bytes:
        """The first bytes, at most so many."""
        pieces = self.read(0, min(count, self.size))
        try:
            return await anext(pieces, b"")
        finally:
            await close(pieces)


async def open_file(core: Core, at: At, path: str, *, pointer: bool = False) -> File:
    """A file of a commit; ``pointer``: an LFS pointer is sent as such, as Git has it."""
    repos.require_files(core, at.found)
    entry, size = await browse.file(core, at, path)
    if entry.lfs is None or pointer:
        return File(entry, size, entry.oid, partial(listing.read, core, at, entry))
    try:
        link = await content.link(core.lfs, at.found.repo.id, entry.lfs.oid)
    except NotFound:
        raise NotFound(
            "The large file behind this pointer is not on this hub.",
            hint="Whoever has it can run: git lfs push --all origin",
        ) from None
    local = await content.local_path(core.lfs, link.oid)
    return File(entry, link.size, link.oid, partial(content.read, core.lfs, link.oid), local)


async def close(pieces: AsyncIterator[bytes]) -> None:
    """End a reading before its end, and what runs for it."""
    ending = getattr(pieces, "aclose", None)
    if ending is not None:
        await ending()
