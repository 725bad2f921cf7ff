"""Deleted repositories: listed, taken out again, and removed for good after a week."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hubd.core import orgs
from hubd.core.context import Core
from hubd.errors import NotFound
from hubd.names import check_name
from hubd.store import audit, repos
from hubd.store.engine import Connection
from hubd.store.repos import Repo
from hubd.types import Actor, NamespaceAction

DAYS = 7


async def listing(core: Core, actor: Actor, namespace: str) -> Sequence[Repo]:
    """A namespace's deleted repositories, the latest first; for its administrators."""
    found = await orgs.manage(
        core, actor, namespace, NamespaceAction.SEE_TRASH, "see its deleted repositories"
    )
    async with core.store.read() as conn:
        return await repos.trashed_of(conn, found.id)


async def restore(
    core: Core, actor: Actor, namespace: str, repo_id: int, name: str | None = None
) -> Repo:
    """Take out of the trash, under another name if one is given.

    Raises ``Conflict`` if the address is taken.
    """
    found = await orgs.manage(
        core, actor, namespace, NamespaceAction.RESTORE_REPO, "restore repositories there"
    )

    async def work(conn: Connection) -> Repo:
        repo = await repos.by_id(conn, repo_id)
        if repo is None or repo.deleted_at is None or repo.namespace_id != found.id:
            raise NotFound("There is no such repository in the trash.")
        await repos.restore(conn, repo, name or repo.name)
        await audit.add(conn, actor, "repo.restore", repo.ref.path, {"name": name or repo.name})
        return await repos.by_id(conn, repo_id) or repo

    if name is not None:
        check_name(name, "repository")
    return await core.store.write(work)


async def restore_by_id(core: Core, actor: Actor, repo_id: int) -> Repo:
    """As ``restore``, for a number alone."""
    async with core.store.read() as conn:
        repo = await repos.by_id(conn, repo_id)
    if repo is None:
        raise NotFound("There is no such repository in the trash.")
    return await restore(core, actor, repo.namespace, repo_id)


async def purge(core: Core) -> int:
    """Remove for good what has lain in the trash for a week; returns how many."""
    before = time.time() - DAYS * 86400
    async with core.store.read() as conn:
        old = await repos.trashed_before(conn, before)
    for repo in old:
        path = core.path_of(repo.id)
        grave = path.with_name(f"{path.name}.purged")
        await core.packs.forget(repo.id)
        # Moved first: a crash while removing leaves nothing that looks like a repository.
        await asyncio.to_thread(_bury, path, grave)
        await core.store.write(partial(repos.purge, repo_id=repo.id))
        core.refs.forget(path)
    return len(old)


def _bury(path: Path, grave: Path) -> None:
    if path.exists():
        path.rename(grave)
    shutil.rmtree(grave, ignore_errors=True)
