"""Owner of ``namespaces`` and ``namespace_redirects``: the names of users and organizations."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict
from hubd.names import fold_name, skeleton
from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import inserted, now, one
from hubd.types import Visibility

_table = schema.namespaces
_redirects = schema.namespace_redirects


class Namespace(msgspec.Struct, frozen=True):
    """A user's or organization's name and what goes with it."""

    id: int
    kind: str
    name: str
    full_name: str
    default_visibility: Visibility
    created_at: float


_COLUMNS = [_table.c[name] for name in Namespace.__struct_fields__]


async def add(
    conn: Connection,
    *,
    kind: str,
    name: str,
    full_name: str,
    default_visibility: Visibility,
) -> int:
    """Take a name; raises ``Conflict`` if it, or one that looks like it, is or was somebody's."""
    await _require_free(conn, name, None)
    return inserted(
        await conn.execute(
            sa.insert(_table).values(
                kind=kind,
                name=name,
                name_fold=fold_name(name),
                skeleton=skeleton(name),
                full_name=full_name,
                default_visibility=default_visibility.value,
                created_at=now(),
            )
        )
    )


async def _require_free(conn: Connection, name: str, own_id: int | None) -> None:
    taken = await conn.execute(
        sa.select(_table.c.id, _table.c.name).where(_table.c.skeleton == skeleton(name))
    )
    for row in taken:
        if row.id != own_id:
            raise Conflict(f"The name {name!r} is taken, or looks like {row.name!r}.")
    moved = await conn.execute(
        sa.select(_redirects.c.namespace_id).where(_redirects.c.skeleton == skeleton(name))
    )
    if any(row.namespace_id != own_id for row in moved):
        raise Conflict(f"The name {name!r} is reserved: it leads to a renamed account.")


async def by_id(conn: Connection, namespace_id: int) -> Namespace | None:
    """One namespace."""
    found = await conn.execute(sa.select(*_COLUMNS).where(_table.c.id == namespace_id))
    return one(Namespace, found.first())


async def by_name(conn: Connection, name: str) -> tuple[Namespace, bool] | None:
    """The namespace of this name, and whether the name is an old one of it."""
    fold = fold_name(name)
    found = await conn.execute(
        sa.select(*_COLUMNS, (_table.c.name_fold != fold).label("moved")).where(
            sa.or_(
                _table.c.name_fold == fold,
                _table.c.id
                == sa.select(_redirects.c.namespace_id)
                .where(_redirects.c.name_fold == fold)
                .scalar_subquery(),
            )
        )
    )
    row = found.first()
    namespace = one(Namespace, row)
    return None if namespace is None or row is None else (namespace, bool(row.moved))


async def rename(conn: Connection, namespace_id: int, new_name: str) -> None:
    """Change the name; the old one redirects and stays reserved. One's own old name may return."""
    await _require_free(conn, new_name, namespace_id)
    found = await conn.execute(
        sa.select(_table.c.name_fold, _table.c.skeleton).where(_table.c.id == namespace_id)
    )
    old = found.one()
    await conn.execute(
        sa.delete(_redirects).where(
            _redirects.c.name_fold.in_([fold_name(new_name), old.name_fold])
        )
    )
    if old.name_fold != fold_name(new_name):
        await conn.execute(
            sa.insert(_redirects).values(
                name_fold=old.name_fold, skeleton=old.skeleton, namespace_id=namespace_id
            )
        )
    await conn.execute(
        sa.update(_table)
        .where(_table.c.id == namespace_id)
        .values(name=new_name, name_fold=fold_name(new_name), skeleton=skeleton(new_name))
    )


async def update(
    conn: Connection,
    namespace_id: int,
    *,
    full_name: str | None = None,
    default_visibility: Visibility | None = None,
) -> None:
    """Change what is shown; None leaves as it is."""
    values: dict[str, Any] = {}
    if full_name is not None:
        values["full_name"] = full_name
    if default_visibility is not None:
        values["default_visibility"] = default_visibility.value
    if values:
        await conn.execute(sa.update(_table).where(_table.c.id == namespace_id).values(**values))
