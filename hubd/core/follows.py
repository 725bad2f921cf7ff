"""Following users and organizations."""

from __future__ import annotations

from collections.abc import Sequence

from hubd import access
from hubd.core import accounts, orgs
from hubd.core.context import Core
from hubd.errors import Invalid
from hubd.store import follows
from hubd.store.engine import Connection
from hubd.store.follows import Counts, Followed
from hubd.store.namespaces import Namespace
from hubd.types import Actor, HubAction


async def follow(core: Core, actor: Actor, name: str, *, follows_it: bool) -> None:
    """Follow a user or organization, or no longer."""
    access.require(access.decide_hub(actor, HubAction.FOLLOW), "follow somebody")
    user = await accounts.me(core, actor)
    found, _ = await orgs.namespace(core, name)
    if found.id == user.id:
        raise Invalid("Nobody follows himself.")

    async def work(conn: Connection) -> None:
        if follows_it:
            await follows.add(conn, user.id, found.id)
        else:
            await follows.remove(conn, user.id, found.id)

    await core.store.write(work)


async def followers(
    core: Core, name: str, *, start: int = 0, limit: int = 100
) -> Sequence[Followed]:
    """Who follows a user or organization."""
    found, _ = await orgs.namespace(core, name)
    async with core.store.read() as conn:
        return await follows.followers(conn, found.id, start=start, limit=limit)


async def following(
    core: Core, name: str, *, kind: str = "", start: int = 0, limit: int = 100
) -> Sequence[Followed]:
    """Whom a user follows; ``kind`` is ``user``, ``org`` or empty for both."""
    user = await accounts.by_name(core, name)
    async with core.store.read() as conn:
        return await follows.following(conn, user.id, kind=kind, start=start, limit=limit)


async def counts(core: Core, actor: Actor, namespace: Namespace) -> Counts:
    """How many follow and are followed, and whether the actor follows."""
    async with core.store.read() as conn:
        return await follows.counts(conn, namespace.id, actor.user_id)
