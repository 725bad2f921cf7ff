"""The store of large files: what is used, by whom, how much may be; collection and verification."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from hubd import access
from hubd.core import orgs, repos
from hubd.core.context import Core
from hubd.errors import Denied, Invalid
from hubd.lfs import collect as collecting
from hubd.lfs import move as moving
from hubd.lfs import quota
from hubd.lfs import verify as verifying
from hubd.lfs.collect import Collected
from hubd.lfs.move import Moved
from hubd.lfs.quota import Limits, Room
from hubd.lfs.verify import Verified
from hubd.store import audit, objects, queries, quotas
from hubd.store.engine import Connection
from hubd.store.objects import Usage
from hubd.store.queries import Holding, LargeFile
from hubd.store.repos import Repo
from hubd.types import Actor, HubAction, NamespaceAction, RepoRef

SHOWN = 20
MAX_QUOTA = 2**62
Say = Callable[[str], None]


class Account(msgspec.Struct, frozen=True):
    """What a namespace or repository has and may have; ``own``: its limits are no defaults."""

    room: Room
    own: bool
    largest: list[LargeFile]


class Overview(msgspec.Struct, frozen=True):
    """What the hub has: stored once each, linked by repositories, and by whom most."""

    place: str
    stored: Usage
    linked: Usage
    free: int | None
    holdings: list[Holding]


def forget(core: Core, actor: Actor) -> None:
    """Know nothing more of what the database said; for when somebody else wrote to it."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "manage the storage")
    core.store.forget()


async def of_repo(core: Core, actor: Actor, ref: RepoRef) -> Account:
    """A repository's; for who may read it."""
    repo = (await repos.find(core, actor, ref)).repo
    async with core.store.read() as conn:
        _, own = await quotas.of(conn, repo.namespace_id, repo.id)
        _, room = await quota.rooms(core.lfs, conn, repo)
        files = await queries.large_files(conn, access.visible(actor), {"id": repo.id}, SHOWN)
    return Account(room, own is not None, files)


async def of_namespace(core: Core, actor: Actor, name: str) -> Account:
    """A user's or organization's; for its members. Files of what the actor may read only."""
    namespace = await orgs.manage(core, actor, name, NamespaceAction.SEE_USAGE, "see its storage")
    async with core.store.read() as conn:
        own, _ = await quotas.of(conn, namespace.id, None)
        room = await quota.namespace_room(core.lfs, conn, namespace.id, own)
        where = {"namespace_id": namespace.id}
        files = await queries.large_files(conn, access.visible(actor), where, SHOWN)
    return Account(room, own is not None, files)


async def of_repos(core: Core, actor: Actor, name: str) -> list[tuple[Repo, int]]:
    """A namespace's repositories with the bytes that each takes; for its members."""
    namespace = await orgs.manage(core, actor, name, NamespaceAction.SEE_USAGE, "see its storage")
    async with core.store.read() as conn:
        found = await queries.repo_sizes(conn, access.visible(actor), namespace.id)
    return [(repo, repo.size_bytes + large) for repo, large in found]


async def limit_namespace(core: Core, actor: Actor, name: str, limits: Limits | None) -> None:
    """Set a namespace's limits, or let the defaults hold again with None."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "set quotas")
    namespace, _ = await orgs.namespace(core, name)
    await _set(core, actor, namespace.name, limits, namespace_id=namespace.id)


async def limit_repo(core: Core, actor: Actor, ref: RepoRef, limits: Limits | None) -> None:
    """Set a repository's limits; administrators of its namespace stay within the namespace's."""
    repo = (await repos.find(core, actor, ref)).repo
    if access.decide_hub(actor, HubAction.MANAGE_STORAGE) is not access.Verdict.ALLOW:
        action = NamespaceAction.SET_REPO_QUOTAS
        await orgs.manage(core, actor, repo.namespace, action, "set quotas")
        async with core.store.read() as conn:
            room, _ = await quota.rooms(core.lfs, conn, repo)
        if limits is not None:
            _within(limits.bytes, room.bytes, core.config.quota_repo_bytes, "bytes")
            _within(limits.objects, room.objects, core.config.quota_repo_objects, "files")
    await _set(core, actor, repo.ref.path, limits, repo_id=repo.id)


def _within(limit: int | None, of_namespace: int | None, default: int, what: str) -> None:
    most = of_namespace if of_namespace is not None else default or None
    if most is not None and (limit is None or limit > most):
        raise Denied(
            f"You may set at most {most} {what} here.",
            hint="An administrator of the hub may set more.",
        )


async def _set(core: Core, actor: Actor, target: str, limits: Limits | None, **whose: int) -> None:
    for limit in (limits.bytes, limits.objects) if limits else ():
        if limit is not None and not 0 <= limit <= MAX_QUOTA:
            raise Invalid("A quota is a whole number, not negative.")

    async def work(conn: Connection) -> None:
        if limits is None:
            await quotas.remove(conn, **whose)
        else:
            await quotas.put(conn, **whose, bytes=limits.bytes, objects=limits.objects)
        details: dict[str, Any] = {"default": True}
        if limits is not None:
            details = {"bytes": limits.bytes, "objects": limits.objects}
        await audit.add(conn, actor, "quota.set", target, details)

    await core.store.write(work)


async def overview(core: Core, actor: Actor) -> Overview:
    """What the whole hub has."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "see all storage")
    async with core.store.read() as conn:
        return Overview(
            core.lfs.blobs.name,
            await objects.stored(conn),
            await objects.usage_of_all(conn),
            await core.lfs.blobs.free(),
            await queries.holdings(conn),
        )


async def collect(core: Core, actor: Actor, say: Say, *, dry_run: bool = False) -> Collected:
    """Take what nothing needs and nobody used for the grace; ``dry_run`` only counts it."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "collect")
    done = await collecting.collect(core.lfs, core.git, core.repos_dir, dry_run=dry_run, say=say)
    if not dry_run:
        details = msgspec.to_builtins(done)
        await core.store.write(
            partial(audit.add, actor=actor, action="store.gc", target="", details=details)
        )
    return done


async def migrate(core: Core, actor: Actor, to: str, say: Say) -> Moved:
    """Copy what ``local`` or ``s3`` lacks; see ``lfs/move.py``."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "move large files")
    done = await moving.move(core.lfs, to, say)
    if done.blobs or done.damaged:
        details = msgspec.to_builtins(done)
        await core.store.write(
            partial(audit.add, actor=actor, action="store.migrate", target=to, details=details)
        )
    return done


async def verify(core: Core, actor: Actor, say: Say) -> tuple[Verified, dict[str, list[str]]]:
    """Read and hash all that is stored; and which repositories have what is damaged."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_STORAGE), "verify")
    done = await verifying.verify(core.lfs, say)
    oids = [one.oid for one in done.damaged]
    owners: dict[str, list[str]] = {}
    for portion in (oids[at : at + 1000] for at in range(0, len(oids), 1000)):
        async with core.store.read() as conn:
            owners |= await queries.repos_with_objects(conn, portion)
    return done, owners
