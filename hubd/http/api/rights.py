"""Who may do what in a repository: collaborators, deploy keys, protected refs."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hubd.core import credentials, protection, repos
from hubd.core.rows import RefRule
from hubd.http.api.credentials import KeyAdded, KeyAnswer, KeyToAdd, key_added, key_answer
from hubd.http.api.endpoint import REPO, Call, Endpoint
from hubd.http.api.orgs import MemberAnswer, member_answer
from hubd.http.api.shapes import Answer, Request, RoleChoice
from hubd.names import MAX_REF_BYTES
from hubd.types import Role


class DeployKeyToAdd(KeyToAdd, frozen=True, kw_only=True):
    """A public key for this one repository."""

    can_write: bool = False


class RuleAnswer(Answer, frozen=True, kw_only=True):
    """Branches or tags that match a pattern, and what may be done to them."""

    id: Annotated[int | None, Meta(description="None: the default branch's own rule.")]
    pattern: str
    kind: Literal["branch", "tag"]
    push_role: Literal["write", "admin"]
    allow_force: bool
    allow_delete: bool
    approvals: int


class RuleToAdd(Request, frozen=True, kw_only=True):
    """A protection to be; ``*`` and ``?`` in the pattern stand for anything."""

    pattern: Annotated[str, Meta(min_length=1, max_length=MAX_REF_BYTES)]
    kind: Literal["branch", "tag"] = "branch"
    push_role: Literal["write", "admin"] = "write"
    allow_force: bool = False
    allow_delete: bool = False
    approvals: Annotated[int, Meta(ge=0, le=protection.MAX_APPROVALS)] = 0


def _rule_answer(rule: RefRule) -> RuleAnswer:
    return RuleAnswer(
        id=rule.id or None,
        pattern=rule.pattern,
        kind=rule.kind,  # type: ignore[arg-type]
        push_role=rule.push_role.label,  # type: ignore[arg-type]
        allow_force=rule.allow_force,
        allow_delete=rule.allow_delete,
        approvals=rule.approvals,
    )


async def list_collaborators(call: Call) -> list[MemberAnswer]:
    """Who has a role of their own here."""
    found = await repos.collaborators(call.core, call.actor, call.ref)
    return [member_answer(member) for member in found]


async def set_collaborator(call: Call, body: RoleChoice) -> None:
    """Give a user a role here."""
    await repos.grant(call.core, call.actor, call.ref, call.names["user"], body.value)


async def remove_collaborator(call: Call) -> None:
    """Take a user's role."""
    await repos.grant(call.core, call.actor, call.ref, call.names["user"], Role.NONE)


async def list_deploy_keys(call: Call) -> list[KeyAnswer]:
    """The keys that read, or read and write, this one repository."""
    found = await credentials.list_deploy_keys(call.core, call.actor, call.ref)
    return [key_answer(key) for key in found]


async def add_deploy_key(call: Call, body: DeployKeyToAdd) -> KeyAdded:
    """Let a key read, or read and write, this one repository."""
    made = await credentials.add_deploy_key(
        call.core, call.actor, call.ref, body.key, name=body.name, can_write=body.can_write
    )
    return key_added(made)


async def remove_deploy_key(call: Call) -> None:
    """Forget a deploy key."""
    await credentials.remove_deploy_key(call.core, call.actor, call.ref, call.id)


async def list_rules(call: Call) -> list[RuleAnswer]:
    """The protections in force, the default branch's own included."""
    found = await protection.listing(call.core, call.actor, call.ref)
    return [_rule_answer(rule) for rule in found]


async def add_rule(call: Call, body: RuleToAdd) -> RuleAnswer:
    """Protect branches or tags."""
    rule = await protection.add(
        call.core,
        call.actor,
        call.ref,
        body.pattern,
        kind=body.kind,
        push_role=Role.parse(body.push_role),
        allow_force=body.allow_force,
        allow_delete=body.allow_delete,
        approvals=body.approvals,
    )
    return _rule_answer(rule)


async def remove_rule(call: Call) -> None:
    """Lift a protection."""
    await protection.remove(call.core, call.actor, call.ref, call.id)


PEOPLE = REPO + "/collaborators"
ENDPOINTS = [
    Endpoint("GET", PEOPLE, list_collaborators, "List collaborators"),
    Endpoint("PUT", PEOPLE + "/{user}", set_collaborator, "Set a collaborator's role"),
    Endpoint("DELETE", PEOPLE + "/{user}", remove_collaborator, "Remove a collaborator"),
    Endpoint("GET", REPO + "/keys", list_deploy_keys, "List deploy keys"),
    Endpoint("POST", REPO + "/keys", add_deploy_key, "Add a deploy key", status=201),
    Endpoint("DELETE", REPO + "/keys/{id}", remove_deploy_key, "Remove a deploy key"),
    Endpoint("GET", REPO + "/rules", list_rules, "List protections"),
    Endpoint("POST", REPO + "/rules", add_rule, "Protect branches or tags", status=201),
    Endpoint("DELETE", REPO + "/rules/{id}", remove_rule, "Lift a protection"),
]
