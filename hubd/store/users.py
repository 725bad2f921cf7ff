"""Owner of ``users``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict
from hubd.names import fold_name
from hubd.store import namespaces, schema
from hubd.store.engine import Connection
from hubd.store.rows import many, now, one

_table = schema.users
_names = schema.namespaces


class User(msgspec.Struct, frozen=True):
    """An account; its password hash is asked for separately."""

    id: int
    name: str
    full_name: str
    email: str | None
    is_admin: bool
    must_change_password: bool
    disabled_at: float | None
    created_at: float
    language: str | None


def columns() -> list[sa.ColumnElement[object]]:
    """The columns of a ``User``, from the join below."""
    from_names = {"name", "full_name"}
    return [
        (_names if field in from_names else _table).c[field] for field in User.__struct_fields__
    ]


_JOIN = sa.join(_table, _names, _table.c.id == _names.c.id)
_SELECT = sa.select(*columns()).select_from(_JOIN)


async def add(
    conn: Connection,
    *,
    id: int,  # noqa: A002
    email: str | None,
    password_hash: str | None,
    is_admin: bool,
    must_change_password: bool,
) -> None:
    """The account of a namespace just taken; raises ``Conflict`` if the e-mail is in use."""
    await _require_free_email(conn, email)
    await conn.execute(
        sa.insert(_table).values(
            id=id,
            email=email.lower() if email else None,
            password_hash=password_hash,
            is_admin=is_admin,
            must_change_password=must_change_password,
            created_at=now(),
        )
    )


async def _require_free_email(conn: Connection, email: str | None) -> None:
    if email is not None and await by_email(conn, email) is not None:
        raise Conflict("Another account has this e-mail address.")


async def by_id(conn: Connection, user_id: int) -> User | None:
    """One user."""
    return one(User, (await conn.execute(_SELECT.where(_table.c.id == user_id))).first())


async def by_name(conn: Connection, name: str) -> User | None:
    """The user of this name, old names included."""
    found = await namespaces.by_name(conn, name)
    return None if found is None else await by_id(conn, found[0].id)


async def by_email(conn: Connection, email: str) -> User | None:
    """The user of this e-mail address."""
    return one(User, (await conn.execute(_SELECT.where(_table.c.email == email.lower()))).first())


async def count(conn: Connection) -> int:
    """How many accounts there are."""
    return int((await conn.execute(sa.select(sa.func.count()).select_from(_table))).scalar_one())


async def password_hash(conn: Connection, user_id: int) -> str | None:
    """What ``identity`` compares a password with; None: no password signs in."""
    found = await conn.execute(sa.select(_table.c.password_hash).where(_table.c.id == user_id))
    return found.scalar_one_or_none()


async def set_password(
    conn: Connection, user_id: int, stored: str, *, must_change: bool = False
) -> None:
    """Replace the hash."""
    await conn.execute(
        sa.update(_table)
        .where(_table.c.id == user_id)
        .values(password_hash=stored, must_change_password=must_change)
    )


async def set_disabled(conn: Connection, user_id: int, at: float | None) -> None:
    """Disable from a time on, or enable with None."""
    await conn.execute(sa.update(_table).where(_table.c.id == user_id).values(disabled_at=at))


async def set_admin(conn: Connection, user_id: int, is_admin: bool) -> None:  # noqa: FBT001
    """Make an administrator of the hub, or not."""
    await conn.execute(sa.update(_table).where(_table.c.id == user_id).values(is_admin=is_admin))


async def update(conn: Connection, user_id: int, *, email: str) -> None:
    """Change the e-mail address; raises ``Conflict`` if it is in use."""
    other = await by_email(conn, email)
    if other is not None and other.id != user_id:
        raise Conflict("Another account has this e-mail address.")
    await conn.execute(sa.update(_table).where(_table.c.id == user_id).values(email=email.lower()))


async def page(
    conn: Connection, *, after: str | None = None, limit: int = 100
) -> tuple[Sequence[User], str | None]:
    """Users by name, and the mark of the next page."""
    query = _SELECT.order_by(_names.c.name_fold).limit(limit + 1)
    if after is not None:
        query = query.where(_names.c.name_fold > after)
    found = many(User, await conn.execute(query))
    mark = fold_name(found[limit - 1].name) if len(found) > limit else None
    return found[:limit], mark
