"""Owner of ``ssh_keys``: keys of accounts, and deploy keys of repositories."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict
from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import inserted, many, now, one

_table = schema.ssh_keys


class Key(msgspec.Struct, frozen=True):
    """A public key: of a user, or of a repository (a deploy key)."""

    id: int
    user_id: int | None
    repo_id: int | None
    name: str
    kind: str
    fingerprint: str
    public_key: str
    can_write: bool
    created_at: float
    last_used_at: float | None


def columns() -> list[sa.ColumnElement[object]]:
    """The columns of a ``Key``."""
    return [_table.c[name] for name in Key.__struct_fields__]


_SELECT = sa.select(*columns())


async def add(
    conn: Connection,
    *,
    user_id: int | None,
    repo_id: int | None,
    name: str,
    kind: str,
    fingerprint: str,
    public_key: str,
    can_write: bool,
) -> int:
    """A new key; raises ``Conflict`` if anybody has it."""
    if await by_fingerprint(conn, fingerprint) is not None:
        raise Conflict("This key is in use already.", hint="A key belongs to one account only.")
    return inserted(
        await conn.execute(
            sa.insert(_table).values(
                user_id=user_id,
                repo_id=repo_id,
                name=name,
                kind=kind,
                fingerprint=fingerprint,
                public_key=public_key,
                can_write=can_write,
                created_at=now(),
            )
        )
    )


async def by_fingerprint(conn: Connection, fingerprint: str) -> Key | None:
    """The key of a ``SHA256:…`` fingerprint."""
    found = await conn.execute(_SELECT.where(_table.c.fingerprint == fingerprint))
    return one(Key, found.first())


async def for_user(conn: Connection, user_id: int) -> Sequence[Key]:
    """The keys of an account."""
    query = _SELECT.where(_table.c.user_id == user_id).order_by(_table.c.id)
    return many(Key, await conn.execute(query))


async def for_repo(conn: Connection, repo_id: int) -> Sequence[Key]:
    """The deploy keys of a repository."""
    query = _SELECT.where(_table.c.repo_id == repo_id).order_by(_table.c.id)
    return many(Key, await conn.execute(query))


async def remove(
    conn: Connection, key_id: int, *, user_id: int | None = None, repo_id: int | None = None
) -> bool:
    """Forget a key of this account or repository; whether there was one."""
    owner = _table.c.user_id == user_id if user_id is not None else _table.c.repo_id == repo_id
    done = await conn.execute(sa.delete(_table).where(_table.c.id == key_id, owner))
    return done.rowcount > 0


async def touch(conn: Connection, key_id: int, at: float) -> None:
    """Remember the last use."""
    await conn.execute(sa.update(_table).where(_table.c.id == key_id).values(last_used_at=at))
