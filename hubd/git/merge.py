"""Merges in bare repositories: git computes the tree, the new objects become a pack."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from hubd.errors import Unavailable
from hubd.git.log import Person
from hubd.git.process import Git
from hubd.git.write import Pack, commit_body

# Longer than other short commands: renames are looked for over all changed files.
_SECONDS = 300.0
_CLEAN, _CONFLICTS = 0, 1


class Merge(msgspec.Struct, frozen=True):
    """The tree of a merge, and the paths in conflict; the tree counts without conflicts only."""

    tree: str
    conflicts: tuple[str, ...]


async def try_merge(git: Git, path: Path, base: str, head: str) -> Merge:
    """What merging a commit into another would give; nothing is kept."""
    async with _scratch(git, path) as env:
        return await _merge(git, path, base, head, env)


@asynccontextmanager
async def merge_commit(
    git: Git,
    path: Path,
    base: str,
    head: str,
    message: str,
    person: Person,
    *,
    squash: bool,
) -> AsyncIterator[tuple[Merge, Pack | None]]:
    """A commit on top of ``base`` that brings in ``head``; no pack where there are conflicts.

    With ``squash`` its only parent is ``base``.
    """
    async with _scratch(git, path) as env:
        merge = await _merge(git, path, base, head, env)
        if merge.conflicts:
            yield merge, None
            return
        parents = [base] if squash else [base, head]
        body = commit_body(merge.tree, parents, person, person, message)
        made = await git.run(
            path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=body, env_extra=env
        )
        oid = made.decode().strip()
        with await _pack(git, path, oid, merge.tree, [base, head], env) as pack:
            yield merge, pack


async def _merge(git: Git, path: Path, base: str, head: str, env: Mapping[str, str]) -> Merge:
    out = await git.run(
        path,
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        "--allow-unrelated-histories",
        "-z",
        args=[base, head],
        separator="",
        env_extra=env,
        timeout=_SECONDS,
        ok_codes=(_CLEAN, _CONFLICTS),
    )
    tree, *paths = out.decode("utf-8", "surrogateescape").split("\0")
    return Merge(tree, tuple(name for name in paths if name))


async def _pack(
    git: Git, path: Path, oid: str, tree: str, known: Sequence[str], env: Mapping[str, str]
) -> Pack:
    lines = "".join(f"{line}\n" for line in (oid, *(f"^{old}" for old in known)))
    data = await git.run(
        path,
        "pack-objects",
        "--revs",
        "--stdout",
        "--thin",
        "--quiet",
        stdin=lines.encode(),
        env_extra=env,
        timeout=_SECONDS,
    )
    file = tempfile.TemporaryFile(dir=git.scratch)  # noqa: SIM115 - the pack owns it
    try:
        await asyncio.to_thread(file.write, data)
    except OSError as error:
        file.close()
        raise Unavailable("The server cannot store this merge.") from error
    return Pack(file, oid, tree, len(data), 0, unchanged=False)


@asynccontextmanager
async def _scratch(git: Git, path: Path) -> AsyncIterator[dict[str, str]]:
    """An environment in which new objects go to a folder of their own, which goes at the end."""
    git.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = await asyncio.to_thread(tempfile.mkdtemp, dir=git.scratch, prefix="merge-")
    try:
        yield {
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(path / "objects"),
        }
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
