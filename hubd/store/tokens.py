"""Owner of ``tokens``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import inserted, many, now
from hubd.types import Scope

_table = schema.tokens


class Token(msgspec.Struct, frozen=True):
    """A personal access token; the secret is known to its owner only."""

    id: int
    user_id: int
    name: str
    prefix: str
    scope: Scope
    namespace_ids: list[int]
    repo_ids: list[int]
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None


def columns() -> list[sa.ColumnElement[object]]:
    """The columns of a ``Token``."""
    return [_table.c[name] for name in Token.__struct_fields__]


async def add(
    conn: Connection,
    *,
    user_id: int,
    name: str,
    prefix: str,
    secret_hash: str,
    scope: Scope,
    namespace_ids: Sequence[int],
    repo_ids: Sequence[int],
    expires_at: float | None,
) -> int:
    """A new token."""
    return inserted(
        await conn.execute(
            sa.insert(_table).values(
                user_id=user_id,
                name=name,
                prefix=prefix,
                secret_hash=secret_hash,
                scope=scope.value,
                namespace_ids=list(namespace_ids),
                repo_ids=list(repo_ids),
                created_at=now(),
                expires_at=expires_at,
            )
        )
    )


async def for_user(conn: Connection, user_id: int) -> Sequence[Token]:
    """The tokens of an account that are not revoked, newest first."""
    query = sa.select(*columns()).where(_table.c.user_id == user_id, _table.c.revoked_at.is_(None))
    return many(Token, await conn.execute(query.order_by(_table.c.id.desc())))


async def revoke(conn: Connection, user_id: int, token_id: int) -> bool:
    """End a token of this account; whether there was one."""
    done = await conn.execute(
        sa.update(_table)
        .where(_table.c.user_id == user_id, _table.c.id == token_id, _table.c.revoked_at.is_(None))
        .values(revoked_at=now())
    )
    return done.rowcount > 0


async def revoke_all(conn: Connection, token_ids: Sequence[int]) -> None:
    """End these tokens."""
    live = sa.and_(_table.c.id.in_(token_ids), _table.c.revoked_at.is_(None))
    await conn.execute(sa.update(_table).where(live).values(revoked_at=now()))


async def touch(conn: Connection, token_id: int, at: float) -> None:
    """Remember the last use."""
    await conn.execute(sa.update(_table).where(_table.c.id == token_id).values(last_used_at=at))
