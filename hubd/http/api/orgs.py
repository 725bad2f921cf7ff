"""Organizations, their members, and names of both kinds."""

from __future__ import annotations

from typing import Literal

from hubd.core import orgs
from hubd.core.rows import Member, Namespace
from hubd.http.api.endpoint import PREFIX, Call, Endpoint, Moved
from hubd.http.api.shapes import (
    Answer,
    FullName,
    Name,
    Rename,
    Request,
    RoleChoice,
    RoleName,
    Time,
    when,
)
from hubd.http.api.users import Membership
from hubd.types import Role, Visibility


class NamespaceAnswer(Answer, frozen=True, kw_only=True):
    """A user or organization, as everybody sees it."""

    kind: Literal["user", "org"]
    name: str
    full_name: str
    created_at: Time


class OrgAnswer(Answer, frozen=True, kw_only=True):
    """An organization."""

    name: str
    full_name: str
    default_visibility: Visibility
    created_at: Time


class NewOrg(Request, frozen=True, kw_only=True):
    """An organization to be; its first administrator is the asker unless named."""

    name: Name
    full_name: FullName = ""
    owner: Name | None = None
    default_visibility: Visibility = Visibility.PUBLIC


class OrgChange(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    full_name: FullName | None = None
    default_visibility: Visibility | None = None


class MemberAnswer(Answer, frozen=True, kw_only=True):
    """A user with a role."""

    name: str
    full_name: str
    role: RoleName


def member_answer(member: Member) -> MemberAnswer:
    """A row as the API shows it."""
    role = member.role.label
    return MemberAnswer(name=member.name, full_name=member.full_name, role=role)  # type: ignore[arg-type]


def _org_answer(org: Namespace) -> OrgAnswer:
    return OrgAnswer(
        name=org.name,
        full_name=org.full_name,
        default_visibility=org.default_visibility,
        created_at=when(org.created_at),
    )


async def get_namespace(call: Call) -> NamespaceAnswer:
    """Whose name it is; a former name redirects to the present one."""
    found, moved = await orgs.namespace(call.core, call.names["namespace"])
    if moved:
        raise Moved(f"{PREFIX}/namespaces/{found.name}")
    return NamespaceAnswer(
        kind=found.kind,  # type: ignore[arg-type]
        name=found.name,
        full_name=found.full_name,
        created_at=when(found.created_at),
    )


async def list_my_orgs(call: Call) -> list[Membership]:
    """The organizations one belongs to."""
    found = await orgs.own(call.core, call.actor)
    return [Membership(name=org.name, role=role.label) for org, role in found]  # type: ignore[arg-type]


async def leave_org(call: Call) -> None:
    """End one's own membership."""
    await orgs.leave(call.core, call.actor, call.names["org"])


async def create_org(call: Call, body: NewOrg) -> OrgAnswer:
    """Make an organization."""
    return _org_answer(
        await orgs.create(
            call.core,
            call.actor,
            body.name,
            owner=body.owner,
            full_name=body.full_name,
            default_visibility=body.default_visibility,
        )
    )


async def get_org(call: Call) -> OrgAnswer:
    """One organization."""
    return _org_answer(await orgs.find(call.core, call.names["org"]))


async def update_org(call: Call, body: OrgChange) -> OrgAnswer:
    """Change an organization."""
    return _org_answer(
        await orgs.update(
            call.core,
            call.actor,
            call.names["org"],
            full_name=body.full_name,
            default_visibility=body.default_visibility,
        )
    )


async def rename_org(call: Call, body: Rename) -> OrgAnswer:
    """Give an organization another name; the old addresses redirect."""
    return _org_answer(await orgs.rename(call.core, call.actor, call.names["org"], body.name))


async def list_members(call: Call) -> list[MemberAnswer]:
    """Who belongs to an organization; for those who are signed in."""
    found = await orgs.members(call.core, call.actor, call.names["org"])
    return [member_answer(member) for member in found]


async def set_member(call: Call, body: RoleChoice) -> None:
    """Make a user a member, or change the role."""
    await orgs.set_member(call.core, call.actor, call.names["org"], call.names["user"], body.value)


async def remove_member(call: Call) -> None:
    """End a membership."""
    await orgs.set_member(call.core, call.actor, call.names["org"], call.names["user"], Role.NONE)


ENDPOINTS = [
    Endpoint("GET", "/namespaces/{namespace}", get_namespace, "Get a user or organization"),
    Endpoint("GET", "/me/orgs", list_my_orgs, "List my organizations"),
    Endpoint("DELETE", "/me/orgs/{org}", leave_org, "Leave an organization"),
    Endpoint("POST", "/orgs", create_org, "Create an organization", status=201),
    Endpoint("GET", "/orgs/{org}", get_org, "Get an organization"),
    Endpoint("PATCH", "/orgs/{org}", update_org, "Change an organization"),
    Endpoint("PUT", "/orgs/{org}/name", rename_org, "Rename an organization"),
    Endpoint("GET", "/orgs/{org}/members", list_members, "List members"),
    Endpoint("PUT", "/orgs/{org}/members/{user}", set_member, "Set a member's role"),
    Endpoint("DELETE", "/orgs/{org}/members/{user}", remove_member, "Remove a member"),
]
