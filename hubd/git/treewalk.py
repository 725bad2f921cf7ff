"""Walks over trees that end at a limit, however many paths a few objects may name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator

import msgspec

from hubd.errors import Invalid
from hubd.git.objects import Batch
from hubd.git.trees import TreeEntry
from hubd.names import MAX_PATH_DEPTH


class Change(msgspec.Struct, frozen=True):
    """A path that differs; ``old`` or ``new`` is None where it is no file, link or submodule.

    ``replaced`` says that the other side has a folder of this name.
    """

    path: str
    old: TreeEntry | None
    new: TreeEntry | None
    replaced: bool = False


class Walk(msgspec.Struct):
    """How far a walk got: ``trees`` left to read, and whether it had to stop for that."""

    trees: int
    cut: bool = False


async def changes(
    batch: Batch, old: str | None, new: str | None, walk: Walk
) -> AsyncGenerator[Change, None]:
    """Yield the files that differ between two trees (None: no tree), folder by folder.

    Reads at most ``walk.trees`` trees; the caller ends it after as many changes as it wants.
    """
    todo: list[tuple[str, str | None, str | None]] = [("", old, new)]
    while todo:
        prefix, before, after = todo.pop()
        walk.trees -= len({before, after} - {None})
        if walk.trees < 0 or prefix.count("/") > MAX_PATH_DEPTH:
            walk.cut = True
            return
        sides = [await batch.tree(oid) if oid else {} for oid in (before, after)]
        below: list[tuple[str, str | None, str | None]] = []
        for name in sorted({**sides[0], **sides[1]}):
            left, right = sides[0].get(name), sides[1].get(name)
            if left is not None and right is not None and _same(left, right):
                continue
            folders = [e.oid if e is not None and e.is_tree else None for e in (left, right)]
            files = [e if e is not None and not e.is_tree else None for e in (left, right)]
            if any(files):
                yield Change(f"{prefix}{name}", files[0], files[1], replaced=any(folders))
            if any(folders):
                below.append((f"{prefix}{name}/", folders[0], folders[1]))
        todo += reversed(below)


def _same(left: TreeEntry, right: TreeEntry) -> bool:
    return left.oid == right.oid and left.mode == right.mode


class Listed(msgspec.Struct, frozen=True):
    """An entry of a recursive listing, by its whole path."""

    path: str
    entry: TreeEntry


async def walk_tree(
    batch: Batch, tree: str, *, prefix: str = "", after: str = "", limit: int = 1000
) -> tuple[list[Listed], bool]:
    """Up to ``limit`` entries below a tree, folders before what is in them; and if there are more.

    ``prefix`` (empty or ending with a slash) is put before each path; ``after`` is the last path of
    the page before, prefix included. Raises ``Invalid`` below 256 folders, or if ``after`` is not
    there.
    """
    found: list[Listed] = []
    stack = await _resume(batch, tree, prefix, after)
    while stack:
        here, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        if len(found) >= limit:
            return found, True
        path = f"{here}{entry.name}"
        found.append(Listed(path, entry))
        if entry.is_tree:
            if len(stack) > MAX_PATH_DEPTH:
                raise Invalid(f"This folder is deeper than {MAX_PATH_DEPTH} folders.")
            stack.append((f"{path}/", await _entries(batch, entry.oid)))
    return found, False


async def _entries(batch: Batch, oid: str) -> Iterator[TreeEntry]:
    return iter((await batch.tree(oid)).values())


async def _resume(
    batch: Batch, tree: str, prefix: str, after: str
) -> list[tuple[str, Iterator[TreeEntry]]]:
    """The folders that the walk is in, each with the entries still to come."""
    stack = [(prefix, await _entries(batch, tree))]
    if not after:
        return stack
    here = prefix
    for name in after.removeprefix(prefix).split("/")[: MAX_PATH_DEPTH + 1]:
        entry = next((e for e in stack[-1][1] if e.name == name), None)
        if entry is None:
            raise Invalid("The listing cannot go on after a path that is not there.")
        if entry.is_tree:
            here = f"{here}{name}/"
            stack.append((here, await _entries(batch, entry.oid)))
        else:
            # A path below it finds nothing; if this was the last part, the folder goes on here.
            stack.append((here, iter(())))
    return stack
