"""Webhooks of an account: where it is told what happens to repositories that it may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubd import access
from hubd.core import accounts, deliveries, repos
from hubd.core.context import Core
from hubd.errors import Conflict, Invalid, NotFound
from hubd.outbound import check_url
from hubd.store import audit, namespaces, queries, webhooks
from hubd.store.engine import Connection
from hubd.store.users import User
from hubd.store.webhooks import Delivery, Webhook
from hubd.types import Actor, HubAction, RepoRef, RepoType

DOMAINS = ("repo", "discussion")
MAX_SECRET = 256
_MOST_WEBHOOKS = 50
_MOST_WATCHED = 100


@dataclass(frozen=True, slots=True)
class Watched:
    """A user's or organization's repositories (``user``, ``org``), or one by its type and name."""

    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook and what it watches; its secret is never shown."""

    webhook: Webhook
    watched: list[Watched]


async def _owner(core: Core, actor: Actor) -> User:
    access.require(access.decide_hub(actor, HubAction.MANAGE_WEBHOOKS), "manage webhooks")
    return await accounts.me(core, actor)


async def listing(core: Core, actor: Actor) -> list[Told]:
    """The account's webhooks."""
    user = await _owner(core, actor)
    async with core.store.read() as conn:
        found = await webhooks.of_user(conn, user.id)
        return await _told(conn, actor, found)


async def get(core: Core, actor: Actor, webhook_id: int) -> Told:
    """One of the account's; raises ``NotFound``."""
    user = await _owner(core, actor)
    async with core.store.read() as conn:
        found = await webhooks.get(conn, user.id, webhook_id)
        return (await _told(conn, actor, [found]))[0]


async def _told(conn: Connection, actor: Actor, found: Sequence[Webhook]) -> list[Told]:
    watches = await webhooks.watches(conn, [hook.id for hook in found])
    repo_ids = {watch.repo_id for watch in watches if watch.repo_id is not None}
    paths = await queries.repo_paths(conn, access.visible(actor), repo_ids)
    owners = {
        watch.namespace_id: await namespaces.by_id(conn, watch.namespace_id)
        for watch in watches
        if watch.namespace_id is not None
    }
    told = []
    for hook in found:
        watched = []
        for watch in watches:
            owner = owners.get(watch.namespace_id or 0)
            if watch.webhook_id == hook.id and owner is not None:
                watched.append(Watched(owner.kind, owner.name))
            elif watch.webhook_id == hook.id and watch.repo_id in paths:
                ref = RepoRef.from_path(paths[watch.repo_id])
                watched.append(Watched(ref.type.value, ref.repo_id))
        told.append(Told(hook, watched))
    return told


async def create(
    core: Core,
    actor: Actor,
    url: str,
    watched: Sequence[Watched],
    *,
    domains: Sequence[str] = DOMAINS,
    secret: str = "",
) -> Told:
    """A new webhook; what it watches must be there and be visible."""
    user = await _owner(core, actor)
    check_url(url)
    chosen, sealed_later = _domains(domains), _secret(secret)
    namespace_ids, repo_ids = await _found(core, actor, watched)

    async def work(conn: Connection) -> int:
        if len(await webhooks.of_user(conn, user.id)) >= _MOST_WEBHOOKS:
            raise Conflict(f"An account has at most {_MOST_WEBHOOKS} webhooks.")
        made = await webhooks.add(conn, user_id=user.id, url=url, secret="", domains=chosen)
        if sealed_later:
            sealed = core.sealer.seal(secret, deliveries.context(made))
            await webhooks.change(conn, made, secret=sealed)
        await webhooks.watch(conn, made, namespace_ids, repo_ids)
        await audit.add(conn, actor, "webhook.add", user.name, {"url": url})
        return made

    return await get(core, actor, await core.store.write(work))


async def change(
    core: Core,
    actor: Actor,
    webhook_id: int,
    *,
    url: str | None = None,
    watched: Sequence[Watched] | None = None,
    domains: Sequence[str] | None = None,
    secret: str | None = None,
    disabled: bool | None = None,
) -> Told:
    """Change a webhook; None leaves as it is, an empty secret takes it away."""
    user = await _owner(core, actor)
    values: dict[str, object] = {}
    if url is not None:
        values["url"] = check_url(url)
    if domains is not None:
        values["domains"] = _domains(domains)
    if secret is not None:
        sealed = core.sealer.seal(secret, deliveries.context(webhook_id)) if _secret(secret) else ""
        values["secret"] = sealed
    if disabled is not None:
        values |= {"disabled": disabled, "failures": 0}
    where = None if watched is None else await _found(core, actor, watched)

    async def work(conn: Connection) -> None:
        await webhooks.get(conn, user.id, webhook_id)
        if values:
            await webhooks.change(conn, webhook_id, **values)
        if where is not None:
            await webhooks.watch(conn, webhook_id, *where)
        await audit.add(conn, actor, "webhook.change", user.name, {"changed": sorted(values)})

    await core.store.write(work)
    return await get(core, actor, webhook_id)


async def remove(core: Core, actor: Actor, webhook_id: int) -> None:
    """Forget a webhook and its deliveries."""
    user = await _owner(core, actor)

    async def work(conn: Connection) -> None:
        hook = await webhooks.get(conn, user.id, webhook_id)
        await webhooks.remove(conn, webhook_id)
        await audit.add(conn, actor, "webhook.remove", user.name, {"url": hook.url})

    await core.store.write(work)


async def log(
    core: Core, actor: Actor, webhook_id: int, *, before: int | None = None, limit: int = 50
) -> Sequence[Delivery]:
    """A webhook's deliveries, newest first."""
    user = await _owner(core, actor)
    async with core.store.read() as conn:
        await webhooks.get(conn, user.id, webhook_id)
        return await webhooks.deliveries(conn, webhook_id, before=before, limit=limit)


async def redeliver(core: Core, actor: Actor, webhook_id: int, delivery_id: int) -> Delivery:
    """Send what was sent before once more, as a delivery of its own."""
    user = await _owner(core, actor)

    async def work(conn: Connection) -> Delivery:
        await webhooks.get(conn, user.id, webhook_id)
        old = await webhooks.delivery(conn, webhook_id, delivery_id)
        made = await webhooks.enqueue(
            conn, webhook_id, old.repo_id, old.action, old.scope, old.payload
        )
        return await webhooks.delivery(conn, webhook_id, made)

    return await core.store.write(work)


def _domains(domains: Sequence[str]) -> list[str]:
    unknown = set(domains) - set(DOMAINS)
    if unknown or not domains:
        raise Invalid("The domains are repo, discussion or both.")
    return sorted(set(domains))


def _secret(secret: str) -> str:
    if len(secret) > MAX_SECRET or not (secret.isascii() and secret.isprintable()):
        raise Invalid(f"A secret has at most {MAX_SECRET} printable ASCII characters.")
    return secret


async def _found(core: Core, actor: Actor, watched: Sequence[Watched]) -> tuple[set[int], set[int]]:
    """The ids of namespaces and repositories; raises for what the actor may not know of."""
    if not 0 < len(watched) <= _MOST_WATCHED:
        raise Invalid(f"A webhook watches 1 to {_MOST_WATCHED} things.")
    namespace_ids, repo_ids = set(), set()
    for one in watched:
        if one.type in {"user", "org"}:
            async with core.store.read() as conn:
                owner = await namespaces.by_name(conn, one.name)
            if owner is None or owner[0].kind != one.type:
                raise NotFound(f"There is no {one.type} named {one.name!r}.")
            namespace_ids.add(owner[0].id)
        elif one.type in list(RepoType):
            ref = RepoRef.parse(one.type, one.name)
            repo_ids.add((await repos.find(core, actor, ref)).repo.id)
        else:
            raise Invalid("What is watched is a user, an org, or a repository of some type.")
    return namespace_ids, repo_ids
