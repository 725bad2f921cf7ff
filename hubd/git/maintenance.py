"""Repacking and verifying, in the background and at low priority."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hubd.git.process import Git

_HOUR = 3600.0
_NICE = 10


async def maintain(git: Git, path: Path, *, full: bool) -> None:
    """Fold packs, write bitmaps and the commit-graph, pack refs.

    Safe beside pushes: what a push has in quarantine or just moved in is in packs of its own, and
    unreachable objects stay for two weeks. ``full`` makes one pack of all, and another of what is
    unreachable.
    """
    await _run(git, path, "pack-refs", "--all", "--prune")
    if not await asyncio.to_thread(_has_objects, path):
        return
    if full:
        keep = ("--cruft", "--cruft-expiration=2.weeks.ago")
        await _run(git, path, "repack", *keep, "-d", "--write-bitmap-index", "--quiet")
    else:
        fold = ("--geometric=2", "--write-midx")
        await _run(git, path, "repack", *fold, "-d", "--write-bitmap-index", "--quiet")
    await _write_commit_graph(git, path, anew=full)


async def prune_now(git: Git, path: Path) -> None:
    """Forget everything that no ref reaches; the caller holds the repository's lock alone."""
    await _run(git, path, "repack", "-a", "-d", "--write-bitmap-index", "--quiet")
    await _run(git, path, "prune", "--expire=now")
    await _write_commit_graph(git, path, anew=True)


async def _write_commit_graph(git: Git, path: Path, *, anew: bool) -> None:
    # Where objects may have gone the chain is replaced: it would name commits that are no more.
    split = "--split=replace" if anew else "--split"
    flags = ("--reachable", "--changed-paths", split, "--no-progress")
    await _run(git, path, "commit-graph", "write", *flags)


async def _run(git: Git, path: Path, subcommand: str, *flags: str) -> None:
    await git.run(path, subcommand, *flags, timeout=6 * _HOUR, nice=_NICE)


def _has_objects(path: Path) -> bool:
    """Whether there is a pack or a folder of loose objects; git will not index no packs."""
    packs = path / "objects" / "pack"
    loose = (entry for entry in (path / "objects").iterdir() if len(entry.name) == 2)  # noqa: PLR2004
    return any(packs.glob("*.pack")) or any(loose)


async def fsck(git: Git, path: Path) -> list[str]:
    """What ``git fsck --full`` complains of, a line each; its notices are no complaints."""
    out = await git.run(
        path,
        "fsck",
        "--full",
        "--no-dangling",
        "--no-progress",
        timeout=6 * _HOUR,
        ok_codes=range(256),
        nice=_NICE,
        merge_stderr=True,
    )
    lines = out.decode("utf-8", "replace").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("notice: ")]
