"""Owner of ``lfs_locks``: who has reserved which path of a repository."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now, one

_locks = schema.lfs_locks
_COLUMNS = (
    _locks.c.id,
    _locks.c.path,
    _locks.c.user_id,
    schema.namespaces.c.name.label("owner"),
    _locks.c.locked_at,
)


class Lock(msgspec.Struct, frozen=True):
    """A path that only its owner, an account, may change; ``locked_at`` in epoch seconds."""

    id: int
    path: str
    user_id: int
    owner: str
    locked_at: float


def _select(repo_id: int) -> sa.Select[Any]:
    namespaces = schema.namespaces
    return (
        sa.select(*_COLUMNS)
        .select_from(sa.join(_locks, namespaces, _locks.c.user_id == namespaces.c.id))
        .where(_locks.c.repo_id == repo_id)
    )


async def add(conn: Connection, repo_id: int, path: str, user_id: int, ref: str) -> bool:
    """Lock a path; False if it is locked, by whomever."""
    row = {"repo_id": repo_id, "path": path, "user_id": user_id, "ref": ref, "locked_at": now()}
    query = insert(conn, _locks).values(**row)
    query = query.on_conflict_do_nothing(index_elements=[_locks.c.repo_id, _locks.c.path])
    return (await conn.execute(query)).rowcount > 0


async def by_path(conn: Connection, repo_id: int, path: str) -> Lock | None:
    """The lock of a path."""
    return one(Lock, (await conn.execute(_select(repo_id).where(_locks.c.path == path))).first())


async def get(conn: Connection, repo_id: int, lock_id: int) -> Lock | None:
    """A lock of this repository."""
    return one(Lock, (await conn.execute(_select(repo_id).where(_locks.c.id == lock_id))).first())


async def page(
    conn: Connection,
    repo_id: int,
    *,
    path: str | None = None,
    lock_id: int | None = None,
    after: int = 0,
    limit: int = 100,
) -> Sequence[Lock]:
    """Locks in the order of their ids, those after a given one."""
    query = _select(repo_id).where(_locks.c.id > after)
    if path is not None:
        query = query.where(_locks.c.path == path)
    if lock_id is not None:
        query = query.where(_locks.c.id == lock_id)
    return many(Lock, await conn.execute(query.order_by(_locks.c.id).limit(limit)))


async def of_others(conn: Connection, repo_id: int, user_id: int | None) -> Sequence[Lock]:
    """All locks that bind this account; nobody's own bind nobody."""
    query = _select(repo_id)
    if user_id is not None:
        query = query.where(_locks.c.user_id != user_id)
    return many(Lock, await conn.execute(query.order_by(_locks.c.path)))


async def remove(conn: Connection, repo_id: int, lock_id: int) -> bool:
    """Unlock; whether there was such a lock."""
    query = sa.delete(_locks).where(_locks.c.repo_id == repo_id, _locks.c.id == lock_id)
    return (await conn.execute(query)).rowcount > 0
