"""Owner of ``follows``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema, schema_social
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now, one

_table = schema_social.follows
_ns = schema.namespaces


class Followed(msgspec.Struct, frozen=True):
    """Somebody who follows, or a user or organization that is followed."""

    name: str
    full_name: str
    kind: str


class Counts(msgspec.Struct, frozen=True):
    """How many follow a namespace, and how many it follows; whether one follows it oneself."""

    followers: int
    following: int
    by_me: bool


async def add(conn: Connection, user_id: int, namespace_id: int) -> None:
    """Follow; once is enough."""
    query = insert(conn, _table).values(
        user_id=user_id, namespace_id=namespace_id, created_at=now()
    )
    keys = [_table.c.user_id, _table.c.namespace_id]
    await conn.execute(query.on_conflict_do_nothing(index_elements=keys))


async def remove(conn: Connection, user_id: int, namespace_id: int) -> None:
    """Follow no longer."""
    await conn.execute(
        sa.delete(_table).where(_table.c.user_id == user_id, _table.c.namespace_id == namespace_id)
    )


async def followers(
    conn: Connection, namespace_id: int, *, start: int = 0, limit: int = 100
) -> Sequence[Followed]:
    """Who follows a user or organization, by name."""
    query = _names(_table.c.user_id).where(_table.c.namespace_id == namespace_id)
    return many(Followed, await conn.execute(query.offset(start).limit(limit)))


async def following(
    conn: Connection, user_id: int, *, kind: str = "", start: int = 0, limit: int = 100
) -> Sequence[Followed]:
    """Whom somebody follows, by name; of one kind (``user``, ``org``) or of both."""
    query = _names(_table.c.namespace_id).where(_table.c.user_id == user_id)
    if kind:
        query = query.where(_ns.c.kind == kind)
    return many(Followed, await conn.execute(query.offset(start).limit(limit)))


def _names(column: sa.Column[int]) -> sa.Select[tuple[str, str, str]]:
    return (
        sa.select(_ns.c.name, _ns.c.full_name, _ns.c.kind)
        .join(_table, column == _ns.c.id)
        .order_by(_ns.c.name_fold)
    )


async def counts(conn: Connection, namespace_id: int, me: int | None) -> Counts:
    """What is counted of a namespace, as somebody sees it."""
    of_it = _table.c.namespace_id == namespace_id

    def number(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(sa.func.count()).select_from(_table).where(*where).scalar_subquery()

    row = await conn.execute(
        sa.select(
            number(of_it).label("followers"),
            number(_table.c.user_id == namespace_id).label("following"),
            number(of_it, _table.c.user_id == (me or 0)).label("by_me"),
        )
    )
    found = one(Counts, row.first())
    assert found is not None, "counting always gives a row"  # noqa: S101
    return found
