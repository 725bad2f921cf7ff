"""Owner of ``sessions``: browsers that are signed in."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import inserted, many, now, one

_table = schema.sessions


class Session(msgspec.Struct, frozen=True):
    """A browser session; its cookie's secret is stored as a digest only."""

    id: int
    user_id: int
    csrf: str
    created_at: float
    expires_at: float
    last_seen_at: float
    address: str
    user_agent: str


def columns() -> list[sa.ColumnElement[object]]:
    """The columns of a ``Session``."""
    return [_table.c[name] for name in Session.__struct_fields__]


_SELECT = sa.select(*columns())


async def add(
    conn: Connection,
    *,
    user_id: int,
    secret_hash: str,
    csrf: str,
    expires_at: float,
    address: str,
    user_agent: str,
) -> int:
    """A new session."""
    return inserted(
        await conn.execute(
            sa.insert(_table).values(
                user_id=user_id,
                secret_hash=secret_hash,
                csrf=csrf,
                created_at=now(),
                expires_at=expires_at,
                last_seen_at=now(),
                address=address,
                user_agent=user_agent,
            )
        )
    )


async def by_hash(conn: Connection, secret_hash: str) -> Session | None:
    """The session of a cookie."""
    found = await conn.execute(_SELECT.where(_table.c.secret_hash == secret_hash))
    return one(Session, found.first())


async def for_user(conn: Connection, user_id: int) -> Sequence[Session]:
    """The live sessions of an account, newest first."""
    query = _SELECT.where(_table.c.user_id == user_id, _table.c.expires_at > now())
    return many(Session, await conn.execute(query.order_by(_table.c.id.desc())))


async def remove(conn: Connection, user_id: int, session_id: int) -> bool:
    """End one session of an account; whether there was one."""
    done = await conn.execute(
        sa.delete(_table).where(_table.c.user_id == user_id, _table.c.id == session_id)
    )
    return done.rowcount > 0


async def remove_for_user(conn: Connection, user_id: int) -> None:
    """End all sessions of an account."""
    await conn.execute(sa.delete(_table).where(_table.c.user_id == user_id))


async def touch(conn: Connection, session_id: int, at: float) -> None:
    """Remember the last use."""
    await conn.execute(sa.update(_table).where(_table.c.id == session_id).values(last_seen_at=at))


async def sweep(conn: Connection) -> None:
    """Forget sessions that are over."""
    await conn.execute(sa.delete(_table).where(_table.c.expires_at <= now()))
