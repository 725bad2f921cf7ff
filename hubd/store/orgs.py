"""Owner of ``org_members``."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.namespaces import Namespace
from hubd.store.rows import many, one
from hubd.types import Role

_table = schema.org_members
_names = schema.namespaces


class Member(msgspec.Struct, frozen=True):
    """A user with a role, in an organization or on a repository."""

    user_id: int
    name: str
    full_name: str
    role: Role


async def set_member(conn: Connection, org_id: int, user_id: int, role: Role) -> None:
    """Give a role, in place of the one before."""
    await remove_member(conn, org_id, user_id)
    await conn.execute(sa.insert(_table).values(org_id=org_id, user_id=user_id, role=role.value))


async def remove_member(conn: Connection, org_id: int, user_id: int) -> None:
    """End a membership."""
    await conn.execute(
        sa.delete(_table).where(_table.c.org_id == org_id, _table.c.user_id == user_id)
    )


async def members(conn: Connection, org_id: int) -> Sequence[Member]:
    """All members by name."""
    found = await conn.execute(
        sa.select(_table.c.user_id, _names.c.name, _names.c.full_name, _table.c.role)
        .join(_names, _names.c.id == _table.c.user_id)
        .where(_table.c.org_id == org_id)
        .order_by(_names.c.name_fold)
    )
    return many(Member, found)


async def orgs_of(conn: Connection, user_id: int) -> Sequence[tuple[Namespace, Role]]:
    """The organizations a user belongs to, by name."""
    columns = [_names.c[field] for field in Namespace.__struct_fields__]
    found = await conn.execute(
        sa.select(*columns, _table.c.role)
        .join(_names, _names.c.id == _table.c.org_id)
        .where(_table.c.user_id == user_id)
        .order_by(_names.c.name_fold)
    )
    rows = found.all()
    pairs = [(one(Namespace, row), Role(row.role)) for row in rows]
    return [(namespace, role) for namespace, role in pairs if namespace is not None]


async def role_of(conn: Connection, org_id: int, user_id: int) -> Role:
    """A member's role, or none."""
    found = await conn.execute(
        sa.select(_table.c.role).where(_table.c.org_id == org_id, _table.c.user_id == user_id)
    )
    return Role(found.scalar_one_or_none() or 0)


async def admin_count(conn: Connection, org_id: int) -> int:
    """How many administrators an organization has."""
    found = await conn.execute(
        sa.select(sa.func.count()).where(
            _table.c.org_id == org_id, _table.c.role == Role.ADMIN.value
        )
    )
    return int(found.scalar_one())
