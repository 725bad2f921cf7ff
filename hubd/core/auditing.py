"""The audit log, for those who may read it."""

from __future__ import annotations

from collections.abc import Sequence

from hubd import access
from hubd.core.context import Core
from hubd.store import audit
from hubd.store.audit import Entry
from hubd.types import Actor, HubAction


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
