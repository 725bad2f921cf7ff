"""Owner of ``webhooks``, what they watch, and their deliveries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from hubd.errors import NotFound
from hubd.store import schema, schema_social
from hubd.store.engine import Connection
from hubd.store.rows import inserted, many, now, one

_table = schema_social.webhooks
_watches = schema_social.webhook_watches
_deliveries = schema_social.webhook_deliveries
_users = schema.users

WAITING, DONE, FAILED = "waiting", "done", "failed"
_MAX_ANSWER = 500


class Webhook(msgspec.Struct, frozen=True):
    """Where an account wants to be told; ``secret`` is sealed, empty without one."""

    id: int
    user_id: int
    url: str
    secret: str
    domains: list[str]
    disabled: bool
    failures: int
    created_at: float


class Watch(msgspec.Struct, frozen=True):
    """What a webhook watches; one of the two is set."""

    webhook_id: int
    namespace_id: int | None
    repo_id: int | None


class Delivery(msgspec.Struct, frozen=True):
    """What is to be sent, and what came of it; ``answer`` is its beginning, or a reason."""

    id: int
    webhook_id: int
    repo_id: int
    action: str
    scope: str
    payload: dict[str, Any]
    state: str
    attempts: int
    next_at: float | None
    status: int | None
    answer: str
    created_at: float
    finished_at: float | None


async def any_waits(conn: Connection) -> bool:
    """Whether there is any webhook to tell."""
    query = sa.select(_table.c.id).where(_table.c.disabled.is_(False)).limit(1)
    return (await conn.execute(query)).first() is not None


async def add(
    conn: Connection,
    *,
    user_id: int,
    url: str,
    secret: str,
    domains: Sequence[str],
) -> int:
    """A new webhook that watches nothing yet; its id."""
    made = await conn.execute(
        sa.insert(_table).values(
            user_id=user_id,
            url=url,
            secret=secret,
            domains=list(domains),
            disabled=False,
            failures=0,
            created_at=now(),
        )
    )
    return inserted(made)


async def change(conn: Connection, webhook_id: int, **values: object) -> None:
    """Set columns: ``url``, ``secret``, ``domains``, ``disabled``, ``failures``."""
    await conn.execute(sa.update(_table).where(_table.c.id == webhook_id).values(**values))


async def watch(
    conn: Connection,
    webhook_id: int,
    namespace_ids: Collection[int],
    repo_ids: Collection[int],
) -> None:
    """Watch just these."""
    await conn.execute(sa.delete(_watches).where(_watches.c.webhook_id == webhook_id))
    rows = [{"namespace_id": one, "repo_id": None} for one in sorted(set(namespace_ids))]
    rows += [{"namespace_id": None, "repo_id": one} for one in sorted(set(repo_ids))]
    if rows:
        await conn.execute(sa.insert(_watches), [{"webhook_id": webhook_id, **r} for r in rows])


async def of_user(conn: Connection, user_id: int) -> Sequence[Webhook]:
    """An account's webhooks."""
    query = sa.select(_table).where(_table.c.user_id == user_id).order_by(_table.c.id)
    return many(Webhook, await conn.execute(query))


async def get(conn: Connection, user_id: int, webhook_id: int) -> Webhook:
    """One of an account's; raises ``NotFound``."""
    query = sa.select(_table).where(_table.c.user_id == user_id, _table.c.id == webhook_id)
    found = one(Webhook, (await conn.execute(query)).first())
    if found is None:
        raise NotFound("There is no such webhook.")
    return found


async def by_id(conn: Connection, webhook_id: int) -> Webhook | None:
    """One, for the daemon itself."""
    query = sa.select(_table).where(_table.c.id == webhook_id)
    return one(Webhook, (await conn.execute(query)).first())


async def remove(conn: Connection, webhook_id: int) -> None:
    """Forget it and its deliveries."""
    await conn.execute(sa.delete(_table).where(_table.c.id == webhook_id))


async def watches(conn: Connection, webhook_ids: Collection[int]) -> Sequence[Watch]:
    """What they watch."""
    columns = [_watches.c[name] for name in Watch.__struct_fields__]
    query = sa.select(*columns).where(_watches.c.webhook_id.in_(webhook_ids))
    return many(Watch, await conn.execute(query.order_by(_watches.c.id)))


async def watching(
    conn: Connection, repo_id: int, namespace_id: int, at: float
) -> Sequence[Webhook]:
    """Those that waited at a time for what happens to a repository, of accounts in use."""
    hit = sa.select(_watches.c.webhook_id).where(
        sa.or_(_watches.c.repo_id == repo_id, _watches.c.namespace_id == namespace_id)
    )
    query = (
        sa.select(_table)
        .join(_users, _users.c.id == _table.c.user_id)
        .where(
            _table.c.id.in_(hit),
            _table.c.disabled.is_(False),
            _table.c.created_at <= at,
            _users.c.disabled_at.is_(None),
        )
    )
    return many(Webhook, await conn.execute(query.order_by(_table.c.id)))


async def enqueue(
    conn: Connection,
    webhook_id: int,
    repo_id: int,
    action: str,
    scope: str,
    payload: Mapping[str, Any],
) -> int:
    """Something to send at once."""
    made = await conn.execute(
        sa.insert(_deliveries).values(
            webhook_id=webhook_id,
            repo_id=repo_id,
            action=action,
            scope=scope,
            payload=dict(payload),
            state=WAITING,
            attempts=0,
            next_at=now(),
            answer="",
            created_at=now(),
        )
    )
    return inserted(made)


async def due(conn: Connection, at: float, busy: Collection[int], limit: int) -> list[int]:
    """Webhooks with something to send by now, but for those at work."""
    query = (
        sa.select(_deliveries.c.webhook_id)
        .where(_deliveries.c.next_at <= at, _deliveries.c.webhook_id.not_in(busy))
        .distinct()
        .limit(limit)
    )
    return [int(row.webhook_id) for row in await conn.execute(query)]


async def next_due(conn: Connection, webhook_id: int, at: float) -> Delivery | None:
    """A webhook's oldest delivery that is due."""
    query = sa.select(_deliveries).where(
        _deliveries.c.webhook_id == webhook_id, _deliveries.c.next_at <= at
    )
    query = query.order_by(_deliveries.c.next_at, _deliveries.c.id).limit(1)
    return one(Delivery, (await conn.execute(query)).first())


async def settle(
    conn: Connection,
    delivery_id: int,
    state: str,
    *,
    status: int | None,
    answer: str,
    next_at: float | None = None,
) -> None:
    """What came of an attempt, and when the next one is."""
    await conn.execute(
        sa.update(_deliveries)
        .where(_deliveries.c.id == delivery_id)
        .values(
            state=state,
            attempts=_deliveries.c.attempts + 1,
            status=status,
            answer=answer[:_MAX_ANSWER],
            next_at=next_at,
            finished_at=None if state == WAITING else now(),
        )
    )


async def deliveries(
    conn: Connection, webhook_id: int, *, before: int | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """A webhook's deliveries, newest first."""
    query = sa.select(_deliveries).where(_deliveries.c.webhook_id == webhook_id)
    if before is not None:
        query = query.where(_deliveries.c.id < before)
    return many(Delivery, await conn.execute(query.order_by(_deliveries.c.id.desc()).limit(limit)))


async def delivery(conn: Connection, webhook_id: int, delivery_id: int) -> Delivery:
    """One of a webhook's deliveries; raises ``NotFound``."""
    query = sa.select(_deliveries).where(
        _deliveries.c.webhook_id == webhook_id, _deliveries.c.id == delivery_id
    )
    found = one(Delivery, (await conn.execute(query)).first())
    if found is None:
        raise NotFound("There is no such delivery.")
    return found


async def sweep(conn: Connection, before: float) -> None:
    """Forget what ended before a time."""
    await conn.execute(sa.delete(_deliveries).where(_deliveries.c.finished_at < before))
