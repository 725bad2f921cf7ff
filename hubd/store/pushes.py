"""Owner of ``pushes`` and ``push_refs``: what happened to refs, once each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.store import events, repos, schema
from hubd.store.engine import Connection
from hubd.store.rows import for_each, inserted, now
from hubd.types import Actor

_pushes = schema.pushes
_refs = schema.push_refs


class RefMove(msgspec.Struct, frozen=True):
    """A ref and the objects before and after; zeros for none."""

    ref: str
    old: str
    new: str


class Push(msgspec.Struct, frozen=True):
    """A push, recorded or under way."""

    id: int
    repo_id: int
    state: str
    channel: str
    actor_name: str
    user_id: int | None
    process_group: int
    process_started: float
    created_at: float
    finished_at: float | None
    moves: tuple[RefMove, ...]


async def intent(
    conn: Connection,
    *,
    repo_id: int,
    actor: Actor,
    moves: Sequence[RefMove],
    options: Sequence[str],
    process_group: int,
    process_started: float,
) -> int:
    """Write down what git is about to do, before it is told to go on."""
    values = {
        "repo_id": repo_id,
        "state": "intent",
        "channel": actor.channel.value,
        "actor_kind": actor.kind.value,
        "actor_name": actor.name,
        "user_id": actor.user_id,
        "token_id": actor.token_id,
        "key_id": actor.key_id,
        "address": actor.address,
        "request_id": actor.request_id,
        "process_group": process_group,
        "process_started": process_started,
        "options": [option.encode("utf-8", "replace").decode() for option in options],
        "created_at": now(),
    }
    push_id = inserted(await conn.execute(sa.insert(_pushes), values))
    rows = ({"push_id": push_id, "ref": m.ref, "old_oid": m.old, "new_oid": m.new} for m in moves)
    await for_each(conn, sa.insert(_refs), rows)
    return push_id


_FINISH = (
    sa.update(_pushes)
    .where(_pushes.c.id == sa.bindparam("b_push"), _pushes.c.state == "intent")
    .values(state="done", finished_at=sa.bindparam("at"))
    .returning(_pushes.c.repo_id, _pushes.c.actor_name, _pushes.c.user_id)
)
_APPLIED = (
    sa.update(_refs)
    .where(_refs.c.push_id == sa.bindparam("b_push"), _refs.c.ref == sa.bindparam("b_ref"))
    .values(applied=True)
)


async def finish(conn: Connection, push_id: int, applied: Sequence[RefMove]) -> int | None:
    """Record the refs that moved, and an event for each; a second call changes nothing.

    Returns the account that pushed, if one did.
    """
    at = now()
    push = (await conn.execute(_FINISH, {"b_push": push_id, "at": at})).first()
    if push is None:
        return None
    marks = ({"b_push": push_id, "b_ref": move.ref} for move in applied)
    await for_each(conn, _APPLIED, marks)
    await events.add_moves(conn, push.repo_id, push_id, push.actor_name, applied, at)
    await repos.touch_pushed(conn, push.repo_id, at)
    return None if push.user_id is None else int(push.user_id)


async def drop(conn: Connection, push_id: int) -> None:
    """Record that git moved nothing."""
    await conn.execute(
        sa.update(_pushes)
        .where(_pushes.c.id == push_id, _pushes.c.state == "intent")
        .values(state="dropped", finished_at=now())
    )


async def open_intents(conn: Connection, repo_id: int | None) -> Sequence[Push]:
    """Pushes without an end, of one repository or of all, oldest first."""
    query = sa.select(_pushes).where(_pushes.c.state == "intent").order_by(_pushes.c.id)
    if repo_id is not None:
        query = query.where(_pushes.c.repo_id == repo_id)
    return await _with_moves(conn, query)


async def page(
    conn: Connection, repo_id: int, *, before: int | None = None, limit: int = 50
) -> Sequence[Push]:
    """Recorded pushes of a repository, newest first."""
    query = (
        sa.select(_pushes)
        .where(_pushes.c.repo_id == repo_id, _pushes.c.state == "done")
        .order_by(_pushes.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(_pushes.c.id < before)
    return await _with_moves(conn, query)


async def _with_moves(conn: Connection, query: sa.Select[tuple[object, ...]]) -> list[Push]:
    rows = (await conn.execute(query)).all()
    moves: dict[int, list[RefMove]] = {int(row.id): [] for row in rows}
    if moves:
        found = await conn.execute(
            sa.select(_refs).where(_refs.c.push_id.in_(moves)).order_by(_refs.c.ref)
        )
        for row in found:
            if row.applied or row.applied is None:
                moves[row.push_id].append(RefMove(row.ref, row.old_oid, row.new_oid))
    return [_push(row, moves[row.id]) for row in rows]


def _push(row: sa.Row[Any], moves: list[RefMove]) -> Push:
    # SQLAlchemy's names are a kind of str of their own, which msgspec takes for no str.
    values: dict[str, Any] = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001
    return msgspec.convert({**values, "moves": tuple(moves)}, Push, strict=False)
