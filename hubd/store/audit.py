"""Owner of ``audit``: who did what, when, from where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.store import schema
from hubd.store.engine import Connection
from hubd.store.rows import many, now
from hubd.types import Actor

_table = schema.audit


class Entry(msgspec.Struct, frozen=True):
    """One line of the audit log."""

    id: int
    at: float
    actor_kind: str
    actor_name: str
    action: str
    target: str
    details: dict[str, Any]
    channel: str
    address: str
    request_id: str


async def add(
    conn: Connection,
    actor: Actor,
    action: str,
    target: str,
    details: Mapping[str, object] | None = None,
) -> None:
    """Write a line, in the transaction of what it tells of; ``details`` hold no secret."""
    await conn.execute(
        sa.insert(_table).values(
            at=now(),
            actor_kind=actor.kind.value,
            actor_name=actor.name,
            user_id=actor.user_id,
            action=action,
            target=target[:256],
            details=dict(details or {}),
            channel=actor.channel.value,
            address=actor.address,
            request_id=actor.request_id,
        )
    )


async def page(
    conn: Connection,
    *,
    actor_name: str | None = None,
    action: str | None = None,
    target: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Sequence[Entry]:
    """Lines that match, newest first."""
    query = sa.select(*[_table.c[name] for name in Entry.__struct_fields__])
    if actor_name is not None:
        query = query.where(_table.c.actor_name == actor_name)
    if action is not None:
        query = query.where(_table.c.action == action)
    if target is not None:
        query = query.where(_table.c.target == target)
    if before is not None:
        query = query.where(_table.c.id < before)
    return many(Entry, await conn.execute(query.order_by(_table.c.id.desc()).limit(limit)))
