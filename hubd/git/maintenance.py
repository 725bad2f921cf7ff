"""Repacking and verifying, in the background and at low priority."""

from __future__ import annotations

from pathlib import Path

from hubd.git.process import Git

_HOUR = 3600.0
_NICE = 10


async def maintain(git: Git, path: Path, *, full: bool) -> None:
    """Fold packs, write bitmaps and the commit-graph, pack refs.

    Safe beside pushes: what a push has in quarantine or just moved in is in packs of its own, and
    unreachable objects stay for two weeks.
    """
    await git.run(path, "pack-refs", "--all", "--prune", timeout=_HOUR, nice=_NICE)
    if full:
        await git.run(
            path,
            "repack",
            "--cruft",
            "--cruft-expiration=2.weeks.ago",
            "-d",
            "--write-bitmap-index",
            "--quiet",
            timeout=6 * _HOUR,
            nice=_NICE,
        )
    else:
        await git.run(
            path,
            "repack",
            "-d",
            "--geometric=2",
            "--write-midx",
            "--write-bitmap-index",
            "--quiet",
            timeout=6 * _HOUR,
            nice=_NICE,
        )
    await git.run(
        path,
        "commit-graph",
        "write",
        "--reachable",
        "--changed-paths",
        "--split",
        "--no-progress",
        timeout=_HOUR,
        nice=_NICE,
        separator="",
    )


async def prune_now(git: Git, path: Path) -> None:
    """Forget everything that no ref reaches; the caller holds the repository's lock alone."""
    await git.run(path, "repack", "-a", "-d", "-f", "--quiet", timeout=6 * _HOUR, nice=_NICE)
    await git.run(path, "prune", "--expire=now", timeout=_HOUR, nice=_NICE)


async def fsck(git: Git, path: Path) -> list[str]:
    """What ``git fsck --full`` complains of, a line each."""
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
    return [line for line in out.decode("utf-8", "replace").splitlines() if line.strip()]
