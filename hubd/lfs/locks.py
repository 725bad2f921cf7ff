"""Locks on paths (git-lfs ``docs/api/locking.md``): only their owner may push changes to these.

A lock holds for the whole repository, whatever branch it was made on. Every look-up is by
repository and id. The caller has judged the action on the repository.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from hubd import access
from hubd.errors import Denied, Invalid, NotFound
from hubd.lfs.context import Lfs
from hubd.store import lfs_locks, queries
from hubd.store.lfs_locks import Lock
from hubd.store.repos import Repo
from hubd.types import Actor, RefName, RepoAction, RepoPath

__all__ = ["Lock", "Page", "create", "of_others", "page", "taken", "time_text", "unlock"]

MAX_PAGE = 1000
_MAX_ID = 2**63 - 1
_NO_LOCK = "There is no such lock."


class Page(msgspec.Struct, frozen=True):
    """Some locks, and the cursor of the next page if there is one."""

    locks: Sequence[Lock]
    next_cursor: str | None


async def create(lfs: Lfs, actor: Actor, repo: Repo, path: str, ref: str = "") -> tuple[Lock, bool]:
    """Lock a path for the actor: the lock and True, or the lock in the way and False.

    Raises ``Invalid``, and ``Denied`` where no account stands behind the actor.
    """
    if not RepoPath.parse(path):
        raise Invalid("A lock needs the path of a file.")
    if ref:
        RefName.parse(ref)
    user_id = actor.user_id
    if user_id is None:
        raise Denied("Only an account can hold a lock.", hint="Use your own key or token.")
    while True:
        add = partial(lfs_locks.add, repo_id=repo.id, path=path, user_id=user_id, ref=ref)
        created = await lfs.store.write(add)
        async with lfs.store.read() as conn:
            lock = await lfs_locks.by_path(conn, repo.id, path)
        # One that was in the way may have gone meanwhile.
        if lock is not None:
            return lock, created


async def page(
    lfs: Lfs,
    repo: Repo,
    *,
    path: str = "",
    lock_id: str = "",
    cursor: str = "",
    limit: int = 0,
) -> Page:
    """Locks in the order in which they were made, all or those of one path or id."""
    count = min(limit, MAX_PAGE) if limit > 0 else MAX_PAGE
    async with lfs.store.read() as conn:
        found = await lfs_locks.page(
            conn,
            repo.id,
            path=path or None,
            lock_id=_number(lock_id) if lock_id else None,
            after=_number(cursor) if cursor else 0,
            limit=count + 1,
        )
    more = len(found) > count
    return Page(found[:count], str(found[count - 1].id) if more else None)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:20]) > _MAX_ID:
        raise Invalid("The id of a lock is a number.")
    return int(text)


async def unlock(lfs: Lfs, actor: Actor, repo: Repo, lock_id: str, *, force: bool = False) -> Lock:
    """Unlock one's own path, or with ``force`` anybody's, which needs a right of its own."""
    number = _number(lock_id)
    async with lfs.store.read() as conn:
        lock = await lfs_locks.get(conn, repo.id, number)
        found = await queries.repo_access(conn, repo.ref, actor.user_id)
    if lock is None or found is None:
        raise NotFound(_NO_LOCK)
    if lock.user_id != actor.user_id:
        if not force:
            raise Denied(f"This lock belongs to {lock.owner}.", hint="Ask them, or use --force.")
        verdict = access.decide(actor, RepoAction.BREAK_LOCKS, access.repo_facts(found))
        access.require(verdict, "break the locks of others")
    if not await lfs.store.write(partial(lfs_locks.remove, repo_id=repo.id, lock_id=number)):
        raise NotFound(_NO_LOCK)
    return lock


def taken(lock: Lock) -> str:
    """Why a path cannot be locked."""
    return f"{lock.path} is locked by {lock.owner} already."


def time_text(lock: Lock) -> str:
    """When it was made, as RFC 3339 in whole seconds."""
    return datetime.fromtimestamp(lock.locked_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def of_others(lfs: Lfs, actor: Actor, repo_id: int) -> Sequence[Lock]:
    """The locks that bind the actor."""
    async with lfs.store.read() as conn:
        return await lfs_locks.of_others(conn, repo_id, actor.user_id)
