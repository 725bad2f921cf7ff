"""Looking at a repository: refs, folders, files, history, differences.

Everything is read by object id once a revision is resolved, so a page stays true to one commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.entries import Entry, described, line_at
from hubd.core.repos import Found
from hubd.errors import EntryNotFound, Invalid, NotFound, RevisionNotFound
from hubd.git import blame as git_blame
from hubd.git import diff as git_diff
from hubd.git import last as git_last
from hubd.git import log as git_log
from hubd.git.blame import Span
from hubd.git.diff import Diff, FileDiff, Hunk, Line
from hubd.git.log import CommitInfo, Person
from hubd.git.objects import Batch
from hubd.git.refs import Refs
from hubd.git.trees import TreeEntry
from hubd.types import Actor, RepoPath, RepoRef, Revision

__all__ = [
    "At",
    "Blob",
    "CommitInfo",
    "Comparison",
    "Diff",
    "EmptyRepoError",
    "Entry",
    "FileDiff",
    "Hunk",
    "Line",
    "Page",
    "Person",
    "RefInfo",
    "RefList",
]

TEXT_LIMIT = 1024 * 1024
_READMES = ("readme.md", "readme.markdown", "readme.txt", "readme.rst", "readme")


class EmptyRepoError(RevisionNotFound):
    """Nothing has been pushed yet."""


@dataclass(frozen=True, slots=True)
class RefInfo:
    """A branch or tag; ``oid`` is the commit it leads to."""

    name: str
    ref: str
    oid: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class RefList:
    """The branches, default first, the tags, and what the hub keeps: conversions, pull requests."""

    branches: list[RefInfo]
    tags: list[RefInfo]
    converts: list[RefInfo]
    pulls: list[RefInfo]


@dataclass(frozen=True, slots=True)
class At:
    """A repository at one commit; ``revision`` is how it was asked for."""

    found: Found
    revision: str
    commit: str
    is_ref: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries of a folder, folders first; ``total`` counts all."""

    entries: list[Entry]
    total: int
    offset: int


@dataclass(frozen=True, slots=True)
class Blob:
    """A file; ``data`` is None above the limit, ``text`` None if it is not UTF-8 text."""

    entry: Entry
    data: bytes | None
    is_binary: bool
    text: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What ``head`` has that ``base`` has not, since they parted."""

    base: At
    head: At
    merge_base: str | None
    ahead: list[CommitInfo]
    ahead_count: int
    behind_count: int
    diff: Diff


async def refs(core: Core, actor: Actor, ref: RepoRef) -> RefList:
    """All branches and tags."""
    found = await repos.find(core, actor, ref)
    known = await core.refs.get(found.path)
    branches = _named(known, "refs/heads/", f"refs/heads/{found.repo.default_branch}")
    branches.sort(key=lambda info: (not info.is_default, info.name))
    tags, converts, pulls = (
        _named(known, prefix, "") for prefix in ("refs/tags/", "refs/convert/", "refs/pr/")
    )
    return RefList(branches, tags, converts, pulls)


def _named(known: Refs, prefix: str, default: str) -> list[RefInfo]:
    return [
        RefInfo(name.removeprefix(prefix), name, peeled or oid, name == default)
        for name, (oid, peeled) in known.names.items()
        if name.startswith(prefix)
    ]


async def at(core: Core, actor: Actor, ref: RepoRef, revision: str | None = None) -> At:
    """The commit that a branch, tag or object id leads to; None asks for the default branch.

    Raises ``EmptyRepoError`` for the default branch of an empty repository, else
    ``RevisionNotFound``.
    """
    found = await repos.find(core, actor, ref)
    if not core.refs.knows(found.path):
        await repos.ensure_directory(core, found.repo)
    asked = Revision.parse(revision) if revision else Revision(found.repo.default_branch)
    known = await core.refs.get(found.path)
    oid, is_ref = await _resolve(core, found, known, asked)
    if oid is None:
        if not known.names and not asked.is_oid:
            raise EmptyRepoError("This repository is empty.", hint="Push something to it.")
        raise RevisionNotFound(f"There is no branch, tag or commit {str(asked)!r} here.")
    return At(found, str(asked), oid, is_ref)


async def _resolve(
    core: Core, found: Found, known: Refs, asked: Revision
) -> tuple[str | None, bool]:
    """A whole id always means the object; else a branch comes before a tag, then a short id."""
    batch = await core.objects.batch(found.path)
    if not asked.is_oid:
        for name in _candidates(asked, known):
            pair = known.names.get(name)
            if pair is not None:
                return await _commit_of(batch, pair[1] or pair[0]), True
        if not asked.may_be_short_oid:
            return None, False
    return await _commit_of(batch, asked), False


def _candidates(asked: Revision, known: Refs) -> list[str]:
    if asked == "HEAD":
        return [known.head]
    if asked.startswith("refs/"):
        return [asked]
    return [f"refs/heads/{asked}", f"refs/tags/{asked}"]


async def _commit_of(batch: Batch, spec: str) -> str | None:
    info = await batch.info(f"{spec}^{{commit}}")
    return None if info is None else info.oid


async def split_revision(core: Core, actor: Actor, ref: RepoRef, rest: str) -> tuple[str, str]:
    """Part ``feature/x/dir/file`` into the longest ref name it begins with, and a path."""
    found = await repos.find(core, actor, ref)
    known = await core.refs.get(found.path)
    parts = rest.strip("/").split("/")
    for count in range(len(parts), 1, -1):
        name = "/".join(parts[:count])
        if f"refs/heads/{name}" in known.names or f"refs/tags/{name}" in known.names:
            return name, "/".join(parts[count:])
        if name.startswith("refs/") and name in known.names:
            return name, "/".join(parts[count:])
    return parts[0], "/".join(parts[1:])


async def _entry_at(batch: Batch, at_: At, path: RepoPath) -> TreeEntry:
    """The tree entry of a path; raises ``EntryNotFound``."""
    entry = await line_at(batch, at_.commit, path)
    if entry is None:
        raise EntryNotFound(f"There is no file {str(path)!r} at {at_.revision}.")
    return entry


async def tree(
    core: Core,
    at_: At,
    path: str = "",
    *,
    offset: int = 0,
    limit: int = 1000,
    with_commits: bool = False,
    with_sizes: bool = True,
) -> Page:
    """A page of one folder, folders first, in the order of names."""
    batch = await core.objects.batch(at_.found.path)
    place = RepoPath.parse(path.strip("/"))
    if place:
        entry = await _entry_at(batch, at_, place)
        if not entry.is_tree:
            raise Invalid(f"{str(place)!r} is not a folder.")
        oid: str | None = entry.oid
    else:
        oid = await batch.tree_of(at_.commit)
    if oid is None:
        raise NotFound("This revision has no files.")
    found = (await batch.tree(oid)).values()
    lines = sorted(found, key=lambda e: (not e.is_tree, e.name_raw))
    shown = lines[offset : offset + limit]
    entries = await described(
        batch, [(place.child(line.name), line) for line in shown], with_sizes=with_sizes
    )
    if with_commits and shown:
        last = await git_last.last_commits(
            core.git, at_.found.path, at_.commit, place, [line.name for line in shown]
        )
        entries = [replace(entry, last=last.get(entry.name)) for entry in entries]
    return Page(entries, len(lines), offset)


async def _file(batch: Batch, at_: At, path: str) -> Entry:
    place = RepoPath.parse(path.strip("/"))
    if not place:
        raise Invalid("This is a folder.")
    line = await _entry_at(batch, at_, place)
    if line.is_tree:
        raise Invalid(f"{str(place)!r} is a folder.")
    return (await described(batch, [(place, line)]))[0]


async def blob(core: Core, at_: At, path: str, *, limit: int = TEXT_LIMIT) -> Blob:
    """A file to look at; only its facts if it is larger than ``limit`` bytes."""
    repos.require_files(core, at_.found)
    return await _blob(core, at_, path, limit)


async def readme(core: Core, at_: At, entries: Sequence[Entry]) -> Blob | None:
    """The README among the entries of a folder, if it has text.

    The card of a gated repository, which tells how to ask, is for whoever sees the repository.
    """
    named = {e.name.lower(): e for e in reversed(entries) if e.kind == "file"}
    entry = next((named[name] for name in _READMES if name in named), None)
    if entry is None or (RepoPath(entry.path).parent and not at_.found.has_files):
        return None
    found = await _blob(core, at_, entry.path, TEXT_LIMIT)
    return found if found.text is not None and found.text.strip() else None


async def _blob(core: Core, at_: At, path: str, limit: int) -> Blob:
    batch = await core.objects.batch(at_.found.path)
    entry = await _file(batch, at_, path)
    info = await batch.info(entry.oid) if entry.kind != "submodule" else None
    if info is None or info.size > limit:
        return Blob(entry, None, is_binary=info is not None, text=None)
    data = (await batch.contents_many([entry.oid]))[entry.oid]
    binary = b"\0" in data[:8000]
    try:
        text = None if binary else data.decode("utf-8")
    except UnicodeDecodeError:
        text = None
    return Blob(entry, data, is_binary=binary, text=text)


async def file(core: Core, at_: At, path: str) -> tuple[Entry, int]:
    """A file's facts, and its bytes in Git (of a pointer as such)."""
    batch = await core.objects.batch(at_.found.path)
    entry = await _file(batch, at_, path)
    info = await batch.info(entry.oid) if entry.kind != "submodule" else None
    if info is None:
        raise Invalid("A submodule has no bytes here.")
    return entry, info.size


async def commits(
    core: Core, at_: At, path: str = "", *, skip: int = 0, limit: int = 50
) -> list[CommitInfo]:
    """History from a commit back, of the whole or of one path."""
    place = RepoPath.parse(path.strip("/"))
    return await git_log.log(core.git, at_.found.path, at_.commit, place, skip=skip, limit=limit)


async def blame(core: Core, at_: At, path: str) -> list[Span]:
    """Where each line of a file comes from."""
    repos.require_files(core, at_.found)
    async with core.limits.headers.hold():
        return await git_blame.blame(core.git, at_.found.path, at_.commit, RepoPath.parse(path))


async def commit_count(core: Core, at_: At) -> int:
    """How many commits lead to one, itself included."""
    return await git_log.count(core.git, at_.found.path, at_.commit)


async def commit(
    core: Core, actor: Actor, ref: RepoRef, revision: str
) -> tuple[At, CommitInfo, Diff]:
    """One commit and what it changed against its first parent."""
    at_ = await at(core, actor, ref, revision)
    repos.require_files(core, at_.found)
    info = (await git_log.log(core.git, at_.found.path, at_.commit, limit=1))[0]
    base = info.parents[0] if info.parents else None
    return at_, info, await git_diff.diff(core.git, at_.found.path, base, at_.commit)


async def compare(core: Core, actor: Actor, ref: RepoRef, base: str, head: str) -> Comparison:
    """Two revisions: the commits of ``head`` since they parted, and the difference."""
    left = await at(core, actor, ref, base)
    repos.require_files(core, left.found)
    right = await at(core, actor, ref, head)
    path = left.found.path
    parting = await git_diff.merge_base(core.git, path, left.commit, right.commit)
    behind, ahead = await git_diff.ahead_behind(core.git, path, left.commit, right.commit)
    changes = await git_diff.diff(core.git, path, parting or left.commit, right.commit)
    newest = await git_log.log(
        core.git, path, right.commit, limit=min(ahead, 100), exclude=left.commit
    )
    return Comparison(left, right, parting, newest, ahead, behind, changes)


def raw_diff(core: Core, old: At, new: At) -> AsyncGenerator[bytes]:
    """The difference of two commits of one repository as git prints it, in pieces."""
    repos.require_files(core, old.found)
    return _raw_diff(core, old, new)


async def _raw_diff(core: Core, old: At, new: At) -> AsyncGenerator[bytes]:
    child = await core.git.start(
        old.found.path,
        "diff-tree",
        "-p",
        "-r",
        "--find-renames",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--full-index",
        args=[old.commit, new.commit],
        paths=[],
        stdin=False,
    )
    try:
        while piece := await child.read(256 * 1024):
            yield piece
    finally:
        await asyncio.shield(child.kill(0))
