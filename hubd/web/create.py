"""New repositories and organizations, and the members of an organization."""

from __future__ import annotations

from aiohttp import web

from hubd.core import orgs, repos, storage
from hubd.errors import HubError, Invalid
from hubd.types import RepoRef, Role, Visibility
from hubd.web.links import TYPE_WORDS, Links
from hubd.web.visit import Visit, problem


async def show_new(visit: Visit) -> web.Response:
    """The form for a new repository."""
    kind = visit.query("type", "model")
    visit.form = {"type": kind, "owner": visit.query("owner") or visit.actor.name}
    return await _new(visit)


async def owners_of(visit: Visit) -> list[tuple[str, str]]:
    """The namespaces in which the visitor may make repositories, as a choice."""
    assert visit.actor.user_id is not None, "the page wants a session"  # noqa: S101
    member_of = await orgs.of_user(visit.core, visit.actor.user_id)
    owners = [visit.actor.name, *(org.name for org, role in member_of if role > Role.READ)]
    return [(name, name) for name in owners]


async def _new(visit: Visit, error: HubError | None = None) -> web.Response:
    return visit.show(
        "new_repo.html",
        owners=await owners_of(visit),
        types=TYPE_WORDS,
        **(problem(error) if error else {}),
    )


def visibility_of(visit: Visit) -> Visibility:
    """The choice of a form; raises ``Invalid``."""
    text = visit.text("visibility")
    if text not in set(Visibility):
        raise Invalid("The visibility is public, internal or private.")
    return Visibility(text)


async def new(visit: Visit) -> web.Response:
    """Make it, and show what to paste."""
    try:
        ref = RepoRef.parse(visit.text("type"), f"{visit.text('owner')}/{visit.text('name')}")
        made = await repos.create(
            visit.core,
            visit.actor,
            ref,
            visibility=visibility_of(visit),
            object_format=visit.text("object_format") or "sha1",
            description=description_of(visit),
        )
    except HubError as error:
        return await _new(visit, error)
    return visit.go(Links(made.repo.ref).home)


def description_of(visit: Visit) -> str:
    """The line shown in lists, on one line."""
    text = " ".join(visit.text("description").split())
    if len(text) > 500:  # noqa: PLR2004
        raise Invalid("A description has at most 500 characters.")
    return text


async def show_new_org(visit: Visit) -> web.Response:
    """The form for a new organization."""
    return visit.show("new_org.html")


async def new_org(visit: Visit) -> web.Response:
    """Make it; one becomes its first administrator."""
    try:
        made = await orgs.create(
            visit.core,
            visit.actor,
            visit.text("name"),
            full_name=visit.text("full_name"),
            default_visibility=visibility_of(visit),
        )
    except HubError as error:
        return visit.show("new_org.html", **problem(error))
    return visit.go(f"/-/organizations/{made.name}")


async def show_org(visit: Visit) -> web.Response:
    """Members and settings of an organization."""
    return await _org(visit)


async def _org(visit: Visit, error: HubError | None = None) -> web.Response:
    org = await orgs.find(visit.core, visit.request.match_info["name"])
    members = await orgs.members(visit.core, visit.actor, org.name)
    own = {member.user_id: member.role for member in members}.get(visit.actor.user_id or 0)
    return visit.show(
        "org.html",
        org=org,
        members=members,
        # What is offered; the core decides.
        manages=own is Role.ADMIN or visit.actor.is_site_admin,
        account=await storage.of_namespace(visit.core, visit.actor, org.name)
        if own or visit.actor.is_site_admin
        else None,
        roles=[Role.READ, Role.WRITE, Role.ADMIN],
        **(problem(error) if error else {}),
    )


async def change_org(visit: Visit) -> web.Response:
    """One of the forms of that page."""
    name = visit.request.match_info["name"]
    action = visit.text("action")
    try:
        if action == "member":
            role = Role.parse(visit.text("role"))
            await orgs.set_member(visit.core, visit.actor, name, visit.text("user"), role)
        elif action == "remove":
            await orgs.set_member(visit.core, visit.actor, name, visit.text("user"), Role.NONE)
        elif action == "leave":
            await orgs.leave(visit.core, visit.actor, name)
        elif action == "profile":
            await orgs.update(
                visit.core,
                visit.actor,
                name,
                full_name=visit.text("full_name"),
                default_visibility=visibility_of(visit),
            )
        else:
            raise Invalid("The form has no known action.")
    except HubError as error:
        return await _org(visit, error)
    return visit.go(f"/-/organizations/{name}", "saved")
