"""Telling webhooks: events become deliveries in one transaction, deliveries are sent until taken.

Nothing is lost by a restart, for all that waits stands in the database. Whether the account behind
a webhook may see the repository is judged when a delivery is made, and whenever it is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import structlog

from hubd import access, outbound
from hubd.core import happenings
from hubd.core.context import Core
from hubd.core.happenings import Happening
from hubd.core.rows import row_id
from hubd.errors import HubError
from hubd.store import events, queries, repos, users, webhooks
from hubd.store.engine import Connection
from hubd.store.webhooks import Delivery, Webhook
from hubd.types import Actor, ActorKind, RepoAction, Scope

log = structlog.get_logger()
VERSION = 3
_POLL_SECONDS = 1.0
_AT_ONCE = 16
_EVENTS = 200
_SECONDS = 15.0
# The first try is followed by others after 10 s, 40 s, … 11 h.
_ATTEMPTS = 8
_FIRST_PAUSE = 10.0
# So many deliveries in a row that were never taken switch a webhook off.
_MOST_FAILURES = 5
_KEPT_SECONDS = 30 * 86400.0


def context(webhook_id: int) -> str:
    """What its secret is sealed for."""
    return f"webhook {webhook_id}"


async def delivering(core: Core) -> None:
    """Runs as long as the daemon; a failed round is logged and the next one comes."""
    busy: set[int] = set()
    while True:
        try:
            while await spread(core):
                pass
            await _start_due(core, busy)
        except (HubError, OSError) as error:
            log.error("webhooks.failed", reason=str(error))
        await asyncio.sleep(_POLL_SECONDS)


async def spread(core: Core) -> int:
    """Make deliveries of what happened since; how many events that were."""
    async with core.store.read() as conn:
        found = await events.untold(conn, _EVENTS)
    groups = happenings.together(found)
    told = [pair for group in groups for pair in await _addressed(core, group)]

    async def work(conn: Connection) -> None:
        for webhook_id, one in told:
            await webhooks.enqueue(
                conn, webhook_id, one.repo_id, one.action, one.scope, one.payload
            )
        await events.mark_told(conn, [event.id for event in found])

    if found:
        await core.store.write(work)
    return len(found)


async def _addressed(core: Core, group: Sequence[events.Event]) -> list[tuple[int, Happening]]:
    """What a group of events tells, with each webhook that hears it."""
    async with core.store.read() as conn:
        repo = await repos.by_id(conn, group[0].repo_id)
        if repo is None:
            return []
        waiting = await webhooks.watching(conn, repo.id, repo.namespace_id, group[0].created_at)
        waiting = [hook for hook in waiting if await _may_hear(conn, hook, repo.id)]
    if not waiting:
        return []
    happening = await happenings.tell(core, repo, group)
    return [(hook.id, happening) for hook in waiting if happening.domain in hook.domains]


async def _may_hear(conn: Connection, hook: Webhook, repo_id: int) -> bool:
    """Whether the account behind a webhook may see a repository, or might before it was deleted."""
    user = await users.by_id(conn, hook.user_id)
    found = await queries.repo_access_by_id(conn, repo_id, hook.user_id)
    if user is None or user.disabled_at is not None or found is None:
        return False
    actor = Actor(
        kind=ActorKind.USER, user_id=user.id, is_site_admin=user.is_admin, scope=Scope.READ
    )
    facts = replace(access.repo_facts(found), deleted=False)
    return access.decide(actor, RepoAction.READ, facts) is access.Verdict.ALLOW


async def _start_due(core: Core, busy: set[int]) -> None:
    if len(busy) >= _AT_ONCE:
        return
    async with core.store.read() as conn:
        due = await webhooks.due(conn, time.time(), busy, _AT_ONCE - len(busy))
    for webhook_id in due:
        busy.add(webhook_id)
        core.tasks.start(_send_all(core, webhook_id, busy), f"webhook {webhook_id}")


async def _send_all(core: Core, webhook_id: int, busy: set[int]) -> None:
    """Send what one webhook waits for, one after the other, so that a slow one stops no other."""
    try:
        while not core.stopping and await send_next(core, webhook_id):
            pass
    finally:
        busy.discard(webhook_id)


async def send_next(core: Core, webhook_id: int) -> bool:
    """One try to send a webhook's oldest due delivery; whether there was one."""
    async with core.store.read() as conn:
        hook = await webhooks.by_id(conn, webhook_id)
        delivery = await webhooks.next_due(conn, webhook_id, time.time())
        if hook is None or delivery is None:
            return False
        refusal = "The webhook is disabled." if hook.disabled else ""
        if not refusal and not await _may_hear(conn, hook, delivery.repo_id):
            refusal = "Its account may not see the repository any more."
    if refusal:
        await core.store.write(
            lambda conn: webhooks.settle(
                conn, delivery.id, webhooks.FAILED, status=None, answer=refusal
            )
        )
        return True
    status, answer = await _try(core, hook, delivery)
    await core.store.write(lambda conn: _settle(conn, hook, delivery, status, answer))
    return True


async def _try(core: Core, hook: Webhook, delivery: Delivery) -> tuple[int | None, str]:
    try:
        body, headers = _request(core, hook, delivery)
        allowed = outbound.networks(core.config.webhook_networks)
        found = await outbound.post(hook.url, body, headers, allowed=allowed, seconds=_SECONDS)
    except TimeoutError:
        return None, f"There was no answer within {_SECONDS:.0f} seconds."
    except (OSError, HubError) as error:
        return None, str(error)
    return found.status, found.body.decode("utf-8", "replace").replace("\0", "")


def _request(core: Core, hook: Webhook, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
    """The body, and headers by which the receiver knows who sent it, which one, and when."""
    about = {"webhook": {"id": row_id(hook.id), "version": VERSION}}
    body = msgspec.json.encode(delivery.payload | about)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "hubd-webhook",
        "X-Webhook-Id": row_id(hook.id),
        "X-Webhook-Delivery": row_id(delivery.id),
    }
    if hook.secret:
        secret = core.sealer.open(hook.secret, context(hook.id))
        headers["X-Webhook-Secret"] = secret
        headers["X-Webhook-Signature"] = signature(secret, int(time.time()), body)
    return body, headers


def signature(secret: str, at: int, body: bytes) -> str:
    """``t=SECONDS,v1=HEX``: HMAC-SHA256 of ``SECONDS.BODY``, so that a replay shows its age."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


async def _settle(
    conn: Connection, hook: Webhook, delivery: Delivery, status: int | None, answer: str
) -> None:
    if status is not None and 200 <= status < 300:  # noqa: PLR2004
        await webhooks.settle(conn, delivery.id, webhooks.DONE, status=status, answer=answer)
        if hook.failures:
            await webhooks.change(conn, hook.id, failures=0)
        return
    if delivery.attempts + 1 < _ATTEMPTS:
        pause = _FIRST_PAUSE * 4**delivery.attempts * random.uniform(1.0, 1.2)  # noqa: S311
        next_at = time.time() + pause
        await webhooks.settle(
            conn, delivery.id, webhooks.WAITING, status=status, answer=answer, next_at=next_at
        )
        return
    await webhooks.settle(conn, delivery.id, webhooks.FAILED, status=status, answer=answer)
    failures = hook.failures + 1
    await webhooks.change(
        conn, hook.id, failures=failures, disabled=hook.disabled or failures >= _MOST_FAILURES
    )


async def sweep(core: Core) -> None:
    """Forget deliveries that ended a month ago."""
    before = time.time() - _KEPT_SECONDS
    await core.store.write(lambda conn: webhooks.sweep(conn, before))
