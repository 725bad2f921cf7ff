"""Organizations and their members."""

from __future__ import annotations

import msgspec

from hubd.core import accounts, orgs
from hubd.core.rows import Namespace
from hubd.errors import Invalid
from hubd.http.csg.endpoint import Endpoint, Listed, Span
from hubd.http.csg.shapes import Member, Org
from hubd.http.hf.endpoint import Call
from hubd.http.hf.shapes import shown_name
from hubd.types import Role


class NewOrg(msgspec.Struct):
    """An organization to make; its logo and page have no place here."""

    name: str
    nickname: str = ""


class Profile(msgspec.Struct):
    """What to change; None leaves as it is."""

    nickname: str | None = None


class NewMembers(msgspec.Struct):
    """Users, their names with commas between them."""

    users: str
    role: str = "read"


class NewRole(msgspec.Struct):
    """What a member may do from now on."""

    new_role: str


def _org(namespace: Namespace, role: Role = Role.NONE) -> Org:
    label = "" if role is Role.NONE else role.label
    return Org(path=namespace.name, name=shown_name(namespace), role=label)


async def own(call: Call) -> list[Org]:
    """The organizations of the one who asks."""
    return [_org(org, role) for org, role in await orgs.own(call.core, call.actor)]


async def of_user(call: Call) -> list[Org]:
    """The organizations of a user."""
    user = await accounts.by_name(call.core, call.name("user"))
    return [_org(org, role) for org, role in await orgs.of_user(call.core, user.id)]


async def create(call: Call) -> Org:
    """Make an organization."""
    asked = await call.body(NewOrg)
    made = await orgs.create(call.core, call.actor, asked.name, full_name=asked.nickname)
    return _org(made, Role.ADMIN)


async def get(call: Call) -> Org:
    """What is shown of an organization."""
    return _org(await orgs.find(call.core, call.name("org")))


async def update(call: Call) -> Org:
    """Change what is shown."""
    asked = await call.body(Profile)
    return _org(
        await orgs.update(call.core, call.actor, call.name("org"), full_name=asked.nickname)
    )


async def members(call: Call) -> Listed:
    """Who belongs to an organization."""
    found = await orgs.members(call.core, call.actor, call.name("org"))
    shown = [
        Member(username=one.name, nickname=one.full_name or one.name, role=one.role.label)
        for one in found
    ]
    return Span.of(call).part(shown)


async def add_members(call: Call) -> None:
    """Give users a role."""
    asked = await call.body(NewMembers)
    names = [name.strip() for name in asked.users.split(",") if name.strip()]
    if not names:
        raise Invalid("No user is named.")
    for name in names[:100]:
        await orgs.set_member(call.core, call.actor, call.name("org"), name, Role.parse(asked.role))


async def set_role(call: Call) -> None:
    """Give a member another role."""
    role = Role.parse((await call.body(NewRole)).new_role)
    await orgs.set_member(call.core, call.actor, call.name("org"), call.name("user"), role)


async def remove_member(call: Call) -> None:
    """End a membership."""
    await orgs.set_member(call.core, call.actor, call.name("org"), call.name("user"), Role.NONE)


_ORG = "/organization/{org}"
ENDPOINTS = [
    Endpoint("GET", "/organizations", own, "One's own organizations"),
    Endpoint("POST", "/organizations", create, "Make an organization"),
    Endpoint("GET", "/user/{user}/organizations", of_user, "Those of a user"),
    Endpoint("GET", _ORG, get, "What is shown of an organization"),
    Endpoint("PUT", _ORG, update, "Change what is shown"),
    Endpoint("GET", _ORG + "/members", members, "Who belongs to it"),
    Endpoint("POST", _ORG + "/members", add_members, "Add members"),
    Endpoint("PUT", _ORG + "/members/{user}", set_role, "Give a member another role"),
    Endpoint("DELETE", _ORG + "/members/{user}", remove_member, "End a membership"),
]
