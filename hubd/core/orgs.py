"""Organizations and their members."""

from __future__ import annotations

from collections.abc import Sequence

from hubd import access
from hubd.core import accounts
from hubd.core.context import Core
from hubd.errors import Conflict, Invalid, NotFound
from hubd.names import check_name
from hubd.reserved import check_free
from hubd.store import audit, namespaces, orgs, queries
from hubd.store.engine import Connection
from hubd.store.namespaces import Namespace
from hubd.store.orgs import Member
from hubd.types import Actor, ActorKind, HubAction, NamespaceAction, Role, Visibility


async def create(
    core: Core,
    actor: Actor,
    name: str,
    *,
    owner: str | None = None,
    full_name: str = "",
    default_visibility: Visibility = Visibility.PUBLIC,
) -> Namespace:
    """Make an organization; its first administrator is the owner, oneself unless named."""
    access.require(access.decide_hub(actor, HubAction.CREATE_ORG), "create organizations")
    user = await (accounts.by_name(core, owner) if owner else accounts.me(core, actor))
    if user.id != actor.user_id:
        access.require(
            access.decide_hub(actor, HubAction.MANAGE_USERS), "create organizations for others"
        )
    check_free(check_name(name, "organization"), by_operator=actor.kind is ActorKind.SYSTEM)

    async def work(conn: Connection) -> int:
        org_id = await namespaces.add(
            conn,
            kind="org",
            name=name,
            full_name=full_name,
            default_visibility=default_visibility,
        )
        await orgs.set_member(conn, org_id, user.id, Role.ADMIN)
        await audit.add(conn, actor, "org.add", name, {"owner": user.name})
        return org_id

    return await _by_id(core, await core.store.write(work))


async def _by_id(core: Core, org_id: int) -> Namespace:
    async with core.store.read() as conn:
        found = await namespaces.by_id(conn, org_id)
    if found is None:
        raise NotFound("There is no such organization.")
    return found


async def find(core: Core, name: str) -> Namespace:
    """An organization by name, following renames; raises ``NotFound``."""
    async with core.store.read() as conn:
        found = await namespaces.by_name(conn, name)
    if found is None or found[0].kind != "org":
        raise NotFound(f"There is no organization named {name!r}.")
    return found[0]


async def namespace(core: Core, name: str) -> tuple[Namespace, bool]:
    """A user or organization by name, and whether the name is an old one."""
    async with core.store.read() as conn:
        found = await namespaces.by_name(conn, name)
    if found is None:
        raise NotFound(f"There is no user or organization named {name!r}.")
    return found


async def manage(
    core: Core, actor: Actor, name: str, action: NamespaceAction, doing: str
) -> Namespace:
    """A user or organization by name, on which the actor may act; ``doing`` is for the refusal."""
    found, _ = await namespace(core, name)
    async with core.store.read() as conn:
        role = await queries.namespace_role(conn, found.id, actor.user_id)
    access.require(access.decide_namespace(actor, action, found.id, role), doing)
    return found


async def _manage(core: Core, actor: Actor, name: str, action: NamespaceAction) -> Namespace:
    org = await find(core, name)
    return await manage(core, actor, org.name, action, f"manage {org.name}")


async def members(core: Core, actor: Actor, name: str) -> Sequence[Member]:
    """Who belongs to an organization; known to everybody who is signed in."""
    org = await find(core, name)
    if not actor.is_signed_in:
        access.require(access.Verdict.SIGN_IN, "see members")
    async with core.store.read() as conn:
        return await orgs.members(conn, org.id)


async def set_member(core: Core, actor: Actor, name: str, user_name: str, role: Role) -> None:
    """Give a user a role, or take the membership with ``Role.NONE``; an admin always remains."""
    org = await _manage(core, actor, name, NamespaceAction.MANAGE_MEMBERS)
    user = await accounts.by_name(core, user_name)

    async def work(conn: Connection) -> None:
        before = await orgs.role_of(conn, org.id, user.id)
        if role is Role.NONE and before is Role.NONE:
            raise NotFound(f"{user.name} is not a member of {org.name}.")
        if before is Role.ADMIN and role is not Role.ADMIN:
            await _keep_an_admin(conn, org)
        if role is Role.NONE:
            await orgs.remove_member(conn, org.id, user.id)
        else:
            await orgs.set_member(conn, org.id, user.id, role)
        details = {"user": user.name, "role": role.label}
        await audit.add(conn, actor, "org.member", org.name, details)

    await core.store.write(work)


async def _keep_an_admin(conn: Connection, org: Namespace) -> None:
    if await orgs.admin_count(conn, org.id) <= 1:
        raise Conflict(
            f"{org.name} must keep an administrator.", hint="Make another member one first."
        )


async def leave(core: Core, actor: Actor, name: str) -> None:
    """End one's own membership."""
    org = await find(core, name)
    user = await accounts.me(core, actor)
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "leave")

    async def work(conn: Connection) -> None:
        role = await orgs.role_of(conn, org.id, user.id)
        if role is Role.NONE:
            raise NotFound(f"You are not a member of {org.name}.")
        if role is Role.ADMIN:
            await _keep_an_admin(conn, org)
        await orgs.remove_member(conn, org.id, user.id)
        await audit.add(conn, actor, "org.leave", org.name)

    await core.store.write(work)


async def of_user(core: Core, user_id: int) -> Sequence[tuple[Namespace, Role]]:
    """The organizations of a user, with the roles."""
    async with core.store.read() as conn:
        return await orgs.orgs_of(conn, user_id)


async def own(core: Core, actor: Actor) -> Sequence[tuple[Namespace, Role]]:
    """The organizations of the one who asks, with the roles."""
    return await of_user(core, (await accounts.me(core, actor)).id)


async def update(
    core: Core,
    actor: Actor,
    name: str,
    *,
    full_name: str | None = None,
    default_visibility: Visibility | None = None,
) -> Namespace:
    """Change what is shown, or the visibility of new repositories; None leaves as it is."""
    org = await _manage(core, actor, name, NamespaceAction.RENAME)
    if full_name is not None and len(full_name) > 200:  # noqa: PLR2004
        raise Invalid("A full name has at most 200 characters.")

    async def work(conn: Connection) -> None:
        await namespaces.update(
            conn, org.id, full_name=full_name, default_visibility=default_visibility
        )
        await audit.add(conn, actor, "org.update", org.name)

    await core.store.write(work)
    return await _by_id(core, org.id)


async def rename(core: Core, actor: Actor, name: str, new_name: str) -> Namespace:
    """Give an organization another name; all old addresses redirect and stay reserved."""
    org = await _manage(core, actor, name, NamespaceAction.RENAME)
    check_free(check_name(new_name, "organization"), by_operator=actor.kind is ActorKind.SYSTEM)

    async def work(conn: Connection) -> None:
        await namespaces.rename(conn, org.id, new_name)
        await audit.add(conn, actor, "org.rename", org.name, {"to": new_name})

    await core.store.write(work)
    return await _by_id(core, org.id)
