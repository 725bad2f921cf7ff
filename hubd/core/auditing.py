"""The audit log, for those who may read it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hubd import access
from hubd.core.context import Core
from hubd.errors import Denied, HubError
from hubd.store import audit
from hubd.store.audit import Entry
from hubd.types import Actor, HubAction


def note_denied(core: Core, actor: Actor, request: str, error: HubError) -> None:
    """Write down that somebody was denied what they asked for; returns at once."""
    if isinstance(error, Denied):
        _note(core, actor, "request.denied", request, error.message)


def note_failed_sign_in(core: Core, seen: Actor, account: str, reason: str) -> None:
    """Write down that a credential was wrong; ``account`` is whose it was to be, if known."""
    _note(core, seen, "sign_in.failed", account, reason)


def _note(core: Core, actor: Actor, action: str, target: str, reason: str) -> None:
    if core.refusals.is_news(action, actor.name, actor.address, target):
        work = partial(audit.add, actor=actor, action=action, target=target)
        core.tasks.start(
            core.store.write(lambda conn: work(conn, details={"reason": reason})),
            "audit of a refusal",
        )


async def listing(
    core: Core,
    actor: Actor,
    *,
    actor_name: str | None = None,
    action: str | None = None,
    target: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> tuple[Sequence[Entry], int | None]:
    """Lines that match, newest first, and the mark of the next page."""
    access.require(access.decide_hub(actor, HubAction.READ_AUDIT), "read the audit log")
    async with core.store.read() as conn:
        found = await audit.page(
            conn,
            actor_name=actor_name,
            action=action,
            target=target,
            before=before,
            limit=limit + 1,
        )
    more = len(found) > limit
    return found[:limit], found[limit - 1].id if more else None
