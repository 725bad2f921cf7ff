"""Owner of ``events``: what happened, in the transaction in which it did, for work that follows.

Every move of a ref leaves one. Other kinds are written only while some webhook may wait for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from hubd.store import schema, webhooks
from hubd.store.engine import Connection
from hubd.store.rows import for_each, many, now

if TYPE_CHECKING:
    from hubd.store.pushes import RefMove

_table = schema.events
REF_UPDATED = "ref.updated"
REPO_CREATED, REPO_DELETED, REPO_MOVED = "repo.created", "repo.deleted", "repo.moved"
REPO_CHANGED = "repo.changed"
DISCUSSION_CREATED, DISCUSSION_CHANGED = "discussion.created", "discussion.changed"
COMMENT_CREATED, COMMENT_CHANGED = "comment.created", "comment.changed"


class Event(msgspec.Struct, frozen=True):
    """Something that happened; what ``payload`` has depends on the kind."""

    id: int
    kind: str
    repo_id: int
    push_id: int | None
    ref: str
    payload: dict[str, Any]
    created_at: float


async def add_moves(
    conn: Connection,
    repo_id: int,
    push_id: int,
    actor_name: str,
    moves: Iterable[RefMove],
    at: float,
) -> None:
    """An event for each ref that a push moved."""
    told = not await webhooks.any_waits(conn)
    rows = (
        {
            "kind": REF_UPDATED,
            "repo_id": repo_id,
            "push_id": push_id,
            "ref": move.ref,
            "payload": {"old": move.old, "new": move.new, "actor": actor_name},
            "created_at": at,
            "told": told,
        }
        for move in moves
    )
    await for_each(conn, sa.insert(_table), rows)


async def add(
    conn: Connection,
    kind: str,
    repo_id: int | sa.ScalarSelect[int],
    payload: Mapping[str, object] | None = None,
) -> None:
    """Something that only webhooks wait for, if any does."""
    if await webhooks.any_waits(conn):
        row = {"kind": kind, "repo_id": repo_id, "ref": "", "payload": dict(payload or {})}
        await conn.execute(sa.insert(_table).values(**row, created_at=now(), told=False))


async def untold(conn: Connection, limit: int) -> Sequence[Event]:
    """What webhooks have not been told of, oldest first."""
    query = sa.select(*(_table.c[name] for name in Event.__struct_fields__))
    query = query.where(_table.c.told.is_(False)).order_by(_table.c.id).limit(limit)
    return many(Event, await conn.execute(query))


async def mark_told(conn: Connection, event_ids: Sequence[int]) -> None:
    """They have their deliveries."""
    await conn.execute(sa.update(_table).where(_table.c.id.in_(event_ids)).values(told=True))


async def last_recorded(conn: Connection, repo_id: int, ref: str) -> str | None:
    """Where the newest event left a ref; None if there is none."""
    found = await conn.execute(
        sa.select(_table.c.payload)
        .where(_table.c.repo_id == repo_id, _table.c.ref == ref, _table.c.kind == REF_UPDATED)
        .order_by(_table.c.id.desc())
        .limit(1)
    )
    payload = found.scalar_one_or_none()
    return None if payload is None else str(payload["new"])
