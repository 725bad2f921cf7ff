"""Owner of ``access_requests``: who asked for the files of a gated repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa

from hubd.errors import Conflict, NotFound
from hubd.store import schema, schema_social
from hubd.store.engine import Connection
from hubd.store.rows import insert, many, now, one
from hubd.types import RequestState

_table = schema_social.access_requests
_ns = schema.namespaces
_users = schema.users


class AccessRequest(msgspec.Struct, frozen=True):
    """A request, or with ``asked`` false a grant that nobody asked for; who, and what for."""

    id: int
    user_id: int
    name: str
    full_name: str
    email: str | None
    state: RequestState
    asked: bool
    fields: dict[str, str]
    reason: str
    created_at: float
    answered_at: float | None


_PEOPLE = sa.join(_users, _ns, _users.c.id == _ns.c.id)
_SELECT = sa.select(
    *(_table.c[name] for name in ("id", "user_id", "state", "asked", "fields", "reason")),
    *(_table.c[name] for name in ("created_at", "answered_at")),
    _ns.c.name,
    _ns.c.full_name,
    # Whoever was let in unasked has not shown it.
    sa.case((_table.c.asked, _users.c.email), else_=sa.null()).label("email"),
).select_from(sa.join(_table, _PEOPLE, _table.c.user_id == _users.c.id))


async def ask(
    conn: Connection,
    repo_id: int,
    user_id: int,
    fields: Mapping[str, str],
    state: RequestState,
) -> None:
    """A new request; raises ``Conflict`` if there is one."""
    await _add(conn, repo_id, user_id, state, asked=True, fields=dict(fields))


async def grant(conn: Connection, repo_id: int, user_id: int, by: int | None) -> None:
    """Let somebody in, asked or not; raises ``Conflict`` if he is in."""
    found = await of_user(conn, repo_id, user_id)
    if found is None:
        await _add(conn, repo_id, user_id, RequestState.ACCEPTED, asked=False, fields={}, by=by)
    elif found.state is RequestState.ACCEPTED:
        raise Conflict(f"{found.name} has access already.")
    else:
        await answer(conn, repo_id, found.id, RequestState.ACCEPTED, by=by)


async def _add(
    conn: Connection,
    repo_id: int,
    user_id: int,
    state: RequestState,
    *,
    asked: bool,
    fields: dict[str, str],
    by: int | None = None,
) -> None:
    at = now()
    query = insert(conn, _table).values(
        repo_id=repo_id,
        user_id=user_id,
        state=state.value,
        asked=asked,
        fields=fields,
        reason="",
        created_at=at,
        answered_at=None if state is RequestState.PENDING else at,
        answered_by=by,
    )
    keys = [_table.c.repo_id, _table.c.user_id]
    if (await conn.execute(query.on_conflict_do_nothing(index_elements=keys))).rowcount == 0:
        raise Conflict("You have asked for access already.")


async def answer(
    conn: Connection,
    repo_id: int,
    request_id: int,
    state: RequestState,
    *,
    reason: str = "",
    by: int | None = None,
) -> None:
    """Change a request's state; raises ``NotFound`` if there is none that is not in it already."""
    pending = state is RequestState.PENDING
    done = await conn.execute(
        sa.update(_table)
        .where(
            _table.c.repo_id == repo_id, _table.c.id == request_id, _table.c.state != state.value
        )
        .values(
            state=state.value,
            reason=reason,
            answered_at=None if pending else now(),
            answered_by=None if pending else by,
        )
    )
    if done.rowcount == 0:
        raise NotFound(f"There is no such request, or it is {state.value} already.")


async def get(conn: Connection, repo_id: int, request_id: int) -> AccessRequest | None:
    """One of a repository's requests."""
    query = _SELECT.where(_table.c.repo_id == repo_id, _table.c.id == request_id)
    return one(AccessRequest, (await conn.execute(query)).first())


async def of_user(conn: Connection, repo_id: int, user_id: int) -> AccessRequest | None:
    """Somebody's request for a repository."""
    query = _SELECT.where(_table.c.repo_id == repo_id, _table.c.user_id == user_id)
    return one(AccessRequest, (await conn.execute(query)).first())


async def page(
    conn: Connection, repo_id: int, state: RequestState, *, after: int = 0, limit: int = 100
) -> Sequence[AccessRequest]:
    """Requests in a state, oldest first."""
    query = _SELECT.where(
        _table.c.repo_id == repo_id, _table.c.state == state.value, _table.c.id > after
    )
    return many(AccessRequest, await conn.execute(query.order_by(_table.c.id).limit(limit)))
