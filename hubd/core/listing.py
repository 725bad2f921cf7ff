"""Files of a commit in the ways that programs ask for them: page by page, by paths, all.

Everything comes from caches keyed by object id where it was read before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from hubd.core import repos
from hubd.core.browse import At
from hubd.core.context import Core
from hubd.core.entries import Entry, described, folder_at, line_at
from hubd.errors import EntryNotFound, Invalid, NotFound, TooLarge
from hubd.git import last as git_last
from hubd.git.objects import Batch
from hubd.git.trees import TreeEntry
from hubd.git.treewalk import Change, Walk, changes, walk_tree
from hubd.lfs import content
from hubd.types import RepoPath

__all__ = ["Change", "Entry"]
# Above this number clients ask for pages instead of one list.
MOST_FILES = 50_001
_MOST_TREES = 20_000


async def page(
    core: Core,
    at: At,
    path: str = "",
    *,
    recursive: bool = False,
    after: str = "",
    limit: int = 1000,
    with_commits: bool = False,
) -> tuple[list[Entry], str | None]:
    """Entries below a folder by whole path, and the path to go on after; submodules are left out.

    Raises ``EntryNotFound`` for no such folder, ``Invalid`` for a mark that is none.
    """
    batch = await core.objects.batch(at.found.path)
    place = _place(path.strip("/"))
    tree = await folder_at(batch, at.commit, place)
    prefix = f"{place}/" if place else ""
    if after and not after.startswith(prefix):
        raise Invalid("The listing cannot go on after a path outside it.")
    if recursive:
        walked, more = await walk_tree(batch, tree, prefix=prefix, after=after, limit=limit)
        lines = [(item.path, item.entry) for item in walked]
    else:
        names = list((await batch.tree(tree)).items())
        start = next((n for n, (name, _) in enumerate(names, 1) if prefix + name == after), 0)
        lines = [(prefix + name, line) for name, line in names[start : start + limit]]
        more = start + limit < len(names)
    mark = lines[-1][0] if more else None
    entries = await described(batch, [pair for pair in lines if not pair[1].is_submodule])
    return await _with_commits(core, at, entries) if with_commits else entries, mark


async def some(
    core: Core, at: At, paths: Sequence[str], *, with_commits: bool = False
) -> list[Entry]:
    """The entries at these paths; those that are not there are left out."""
    batch = await core.objects.batch(at.found.path)
    lines = []
    for path in dict.fromkeys(paths):
        place = path.strip("/")
        line = await _line(batch, at, place)
        if line is not None and not line.is_submodule:
            lines.append((place, line))
    entries = await described(batch, lines)
    return await _with_commits(core, at, entries) if with_commits else entries


async def files(core: Core, at: At, *, with_sizes: bool = False) -> list[Entry]:
    """All files, at most ``MOST_FILES``."""
    batch = await core.objects.batch(at.found.path)
    tree = await folder_at(batch, at.commit, RepoPath(""))
    found: list[Entry] = []
    after, more = "", True
    while more and len(found) < MOST_FILES:
        walked, more = await walk_tree(batch, tree, after=after, limit=5000)
        lines = [(i.path, i.entry) for i in walked if not (i.entry.is_tree or i.entry.is_submodule)]
        found += await described(batch, lines, with_sizes=with_sizes)
        after = walked[-1].path if walked else ""
    return found[:MOST_FILES]


async def differing(core: Core, old: At | None, new: At) -> list[Change]:
    """The files that differ between two commits of one repository; None: all that are there.

    Raises ``TooLarge`` for more than ``MOST_FILES``.
    """
    repos.require_files(core, new.found)
    batch = await core.objects.batch(new.found.path)
    before = await folder_at(batch, old.commit, RepoPath("")) if old is not None else None
    after = await folder_at(batch, new.commit, RepoPath(""))
    walk = Walk(_MOST_TREES)
    found: list[Change] = []
    async with aclosing(changes(batch, before, after, walk)) as walked:
        async for change in walked:
            found.append(change)
            if len(found) > MOST_FILES:
                break
    if walk.cut or len(found) > MOST_FILES:
        raise TooLarge("Too many files differ to name them all.", hint="Clone it and ask git.")
    return found


async def file(core: Core, at: At, path: str) -> Entry:
    """A file or link; raises ``EntryNotFound`` for anything else."""
    batch = await core.objects.batch(at.found.path)
    line = await _line(batch, at, path)
    if line is None or line.is_tree or line.is_submodule:
        raise EntryNotFound(f"There is no file {path!r} at {at.revision}.")
    return (await described(batch, [(path, line)]))[0]


async def _line(batch: Batch, at: At, path: str) -> TreeEntry | None:
    try:
        place = _place(path)
    except EntryNotFound:
        return None
    return await line_at(batch, at.commit, place) if place else None


def _place(path: str) -> RepoPath:
    """The path; one that cannot have been pushed is not there."""
    try:
        return RepoPath.parse(path)
    except Invalid as error:
        raise EntryNotFound(f"There is no {path!r}: {error.message}") from None


async def require_content(core: Core, at: At, entry: Entry) -> None:
    """Raise ``Gated``, or ``EntryNotFound`` for a large file that is not this repository's."""
    repos.require_files(core, at.found)
    if entry.lfs is None:
        return
    try:
        await content.link(core.lfs, at.found.repo.id, entry.lfs.oid)
    except NotFound:
        raise EntryNotFound(f"The content of {entry.path!r} was never uploaded.") from None


async def read(core: Core, at: At, entry: Entry, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes [start, end) of a file as Git has them, in pieces."""
    repos.require_files(core, at.found)
    async with aclosing(core.objects.stream(at.found.path, entry.oid)) as pieces:
        async for piece in part(pieces, start, end):
            yield piece


async def part(pieces: AsyncIterator[bytes], start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes [start, end) of a stream; git reads a file from its start only."""
    at = 0
    async for piece in pieces:
        if at + len(piece) > start:
            yield piece[max(0, start - at) : end - at]
        at += len(piece)
        if at >= end:
            return


async def head(core: Core, at: At, path: str, limit: int) -> bytes | None:
    """A small file's bytes; None if there is none, it is larger than ``limit``, or a pointer."""
    try:
        entry = await file(core, at, path)
    except EntryNotFound:
        return None
    if entry.lfs is not None or entry.kind != "file" or entry.size is None or entry.size > limit:
        return None
    return (await core.objects.contents_many(at.found.path, [entry.oid]))[entry.oid]


async def _with_commits(core: Core, at: At, entries: list[Entry]) -> list[Entry]:
    """Each with the commit that touched it last, found folder by folder."""
    folders: dict[str, list[str]] = {}
    for entry in entries:
        folders.setdefault(RepoPath(entry.path).parent, []).append(entry.name)
    last = {
        RepoPath(folder).child(name): commit
        for folder, names in folders.items()
        for name, commit in (
            await git_last.last_commits(core.git, at.found.path, at.commit, folder, names)
        ).items()
    }
    return [replace(entry, last=last.get(RepoPath(entry.path))) for entry in entries]
