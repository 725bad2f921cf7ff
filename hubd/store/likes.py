"""Owner of ``likes``."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema, schema_social
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now
from hubd.types import RepoType

_table = schema_social.likes
_ns = schema.namespaces
_repos = schema.repos


class Liker(msgspec.Struct, frozen=True):
    """Somebody who likes a repository."""

    name: str
    full_name: str


class Liked(msgspec.Struct, frozen=True):
    """A repository that somebody likes, and since when."""

    type: RepoType
    namespace: str
    name: str
    created_at: float


async def add(conn: Connection, user_id: int, repo_id: int) -> None:
    """Like; once is enough."""
    query = insert(conn, _table).values(user_id=user_id, repo_id=repo_id, created_at=now())
    keys = [_table.c.user_id, _table.c.repo_id]
    await conn.execute(query.on_conflict_do_nothing(index_elements=keys))


async def remove(conn: Connection, user_id: int, repo_id: int) -> None:
    """Like no longer."""
    await conn.execute(
        sa.delete(_table).where(_table.c.user_id == user_id, _table.c.repo_id == repo_id)
    )


async def counts(conn: Connection, repo_ids: Collection[int]) -> dict[int, int]:
    """How many like each of these repositories; those that nobody likes are left out."""
    query = sa.select(_table.c.repo_id, sa.func.count().label("likes"))
    query = query.where(_table.c.repo_id.in_(repo_ids)).group_by(_table.c.repo_id)
    return {int(row.repo_id): int(row.likes) for row in await conn.execute(query)}


async def has(conn: Connection, user_id: int, repo_id: int) -> bool:
    """Whether somebody likes a repository."""
    query = sa.select(_table.c.repo_id).where(
        _table.c.user_id == user_id, _table.c.repo_id == repo_id
    )
    return (await conn.execute(query)).first() is not None


def count_column() -> sa.ColumnElement[int]:
    """How many like a row of ``repos``."""
    count = sa.select(sa.func.count()).where(_table.c.repo_id == _repos.c.id)
    return count.correlate(_repos).scalar_subquery()


async def count_of_user(conn: Connection, user_id: int) -> int:
    """How many repositories somebody likes."""
    query = sa.select(sa.func.count()).where(_table.c.user_id == user_id)
    return int((await conn.execute(query)).scalar_one())


async def likers(
    conn: Connection, repo_id: int, *, start: int = 0, limit: int = 100
) -> Sequence[Liker]:
    """Who likes a repository, by name."""
    query = (
        sa.select(_ns.c.name, _ns.c.full_name)
        .join(_table, _table.c.user_id == _ns.c.id)
        .where(_table.c.repo_id == repo_id)
        .order_by(_ns.c.name_fold)
        .offset(start)
        .limit(limit)
    )
    return many(Liker, await conn.execute(query))


async def liked(
    conn: Connection,
    visible: sa.ColumnElement[bool],
    user_id: int,
    *,
    start: int = 0,
    limit: int = 100,
) -> Sequence[Liked]:
    """What somebody likes of the repositories under a predicate, newest first."""
    query = (
        sa.select(_repos.c.type, _ns.c.name.label("namespace"), _repos.c.name, _table.c.created_at)
        .select_from(
            sa.join(_table, _repos, _table.c.repo_id == _repos.c.id).join(
                _ns, _repos.c.namespace_id == _ns.c.id
            )
        )
        .where(visible, _table.c.user_id == user_id)
        .order_by(_table.c.created_at.desc(), _repos.c.id)
        .offset(start)
        .limit(limit)
    )
    return many(Liked, await conn.execute(query))
