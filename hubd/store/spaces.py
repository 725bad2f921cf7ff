"""Owner of ``space_values`` and ``space_wishes``: what a Space runs with, and how."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict
from hubd.store import schema_social
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now, one

_values = schema_social.space_values
_wishes = schema_social.space_wishes


class Value(msgspec.Struct, frozen=True):
    """A variable, or a secret, whose ``value`` is sealed."""

    key: str
    is_secret: bool
    value: str
    description: str
    updated_at: float


class Wish(msgspec.Struct, frozen=True):
    """How a Space is wanted to run; ``sleep_seconds``: -1 never, None as the hub likes."""

    hardware: str = ""
    sleep_seconds: int | None = None
    paused: bool = False


async def values(conn: Connection, repo_id: int, *, secret: bool) -> Sequence[Value]:
    """The variables, or the secrets, of a Space by name."""
    query = sa.select(*(_values.c[name] for name in Value.__struct_fields__)).where(
        _values.c.repo_id == repo_id, _values.c.is_secret == secret
    )
    return many(Value, await conn.execute(query.order_by(_values.c.key)))


async def count(conn: Connection, repo_id: int) -> int:
    """How many variables and secrets a Space has."""
    query = sa.select(sa.func.count()).where(_values.c.repo_id == repo_id)
    return int((await conn.execute(query)).scalar_one())


async def put(
    conn: Connection, repo_id: int, key: str, value: str, description: str, *, secret: bool
) -> None:
    """Set one; raises ``Conflict`` if the other kind has its name."""
    query = sa.select(_values.c.is_secret).where(_values.c.repo_id == repo_id, _values.c.key == key)
    there = (await conn.execute(query)).scalar_one_or_none()
    if there is not None and bool(there) is not secret:
        raise Conflict(f"{key!r} is a {'variable' if secret else 'secret'} already.")
    row = {
        "is_secret": secret,
        "value": value,
        "description": description,
        "updated_at": now(),
    }
    statement = insert(conn, _values).values(repo_id=repo_id, key=key, **row)
    keys = [_values.c.repo_id, _values.c.key]
    await conn.execute(statement.on_conflict_do_update(index_elements=keys, set_=row))


async def remove(conn: Connection, repo_id: int, key: str, *, secret: bool) -> bool:
    """Forget one; whether it was there."""
    done = await conn.execute(
        sa.delete(_values).where(
            _values.c.repo_id == repo_id, _values.c.key == key, _values.c.is_secret == secret
        )
    )
    return done.rowcount > 0


async def wish(conn: Connection, repo_id: int) -> Wish:
    """How a Space is wanted to run."""
    query = sa.select(*(_wishes.c[name] for name in Wish.__struct_fields__))
    found = await conn.execute(query.where(_wishes.c.repo_id == repo_id))
    return one(Wish, found.first()) or Wish()


async def set_wish(conn: Connection, repo_id: int, wanted: Wish) -> None:
    """Want it to run so."""
    row = msgspec.structs.asdict(wanted)
    statement = insert(conn, _wishes).values(repo_id=repo_id, **row)
    await conn.execute(
        statement.on_conflict_do_update(index_elements=[_wishes.c.repo_id], set_=row)
    )
