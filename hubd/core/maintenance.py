"""Keeping repositories fast and sound: repack, prune, fsck, size."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.locks import own_lock
from hubd.errors import Unavailable
from hubd.git import maintenance
from hubd.store import audit
from hubd.store import repos as repo_store
from hubd.store.engine import Connection
from hubd.types import Actor, RepoAction, RepoRef

log = structlog.get_logger()
# A full repack now and then, since a geometric one never recompresses the big old pack.
_FULL_EVERY = 25


@dataclass(frozen=True, slots=True)
class FsckResult:
    """What ``git fsck`` found; no faults means sound."""

    ref: RepoRef
    faults: tuple[str, ...]


async def due(core: Core) -> int:
    """Repack the repositories that took enough pushes, one at a time; returns how many."""
    async with core.store.read() as conn:
        waiting = await repo_store.due_for_maintenance(conn, core.config.maintenance_pushes)
    for repo in waiting:
        try:
            await _maintain(core, repo.id, full=False)
        except (Unavailable, OSError) as error:
            log.error("maintenance.failed", repo_id=repo.id, reason=str(error))
            await core.store.write(partial(repo_store.maintained, repo_id=repo.id, size=None))
    return len(waiting)


async def _maintain(core: Core, repo_id: int, *, full: bool) -> None:
    path = core.path_of(repo_id)
    await maintenance.maintain(core.git, path, full=full)
    size = await asyncio.to_thread(_size_of, path)
    await core.store.write(lambda conn: repo_store.maintained(conn, repo_id, size))


def _size_of(path: Path) -> int:
    return sum(
        (Path(folder) / name).stat().st_size
        for folder, _, names in os.walk(path / "objects")
        for name in names
        if (Path(folder) / name).exists()
    )


async def gc(core: Core, actor: Actor, ref: RepoRef, *, prune_now: bool = False) -> None:
    """Repack now; with ``prune_now`` also forget what no ref reaches, as after a leaked secret."""
    found = await repos.find(core, actor, ref, RepoAction.MAINTAIN)
    if prune_now:
        # Alone: a push under way refers to objects that nothing reaches yet.
        lock = await asyncio.to_thread(own_lock, found.path, [], 60.0)
        try:
            await maintenance.prune_now(core.git, found.path)
        finally:
            os.close(lock)
        await core.packs.forget(found.repo.id)
        await core.objects.forget(found.path)
    await _maintain(core, found.repo.id, full=True)

    async def work(conn: Connection) -> None:
        details = {"prune": prune_now}
        await audit.add(conn, actor, "repo.gc", found.repo.ref.path, details)

    await core.store.write(work)


async def fsck(core: Core, actor: Actor, ref: RepoRef) -> FsckResult:
    """Verify all objects and links of a repository."""
    found = await repos.find(core, actor, ref, RepoAction.MAINTAIN)
    faults = await maintenance.fsck(core.git, found.path)
    return FsckResult(found.repo.ref, tuple(faults))
