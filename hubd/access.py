"""Who may do what: three tables of rules, and the one function that reads each.

Pure: facts in, verdict out; nobody else compares roles, scopes or visibility. ``visible`` is the
same rule for reading as an SQL predicate; a test proves that both agree.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from hubd.errors import Denied, Gated, GatedSignIn, RepoNotFound, SignInNeeded
from hubd.store import schema, schema_social
from hubd.store.queries import RepoAccess, request_column, role_column
from hubd.types import (
    Actor,
    ActorKind,
    Gate,
    HubAction,
    NamespaceAction,
    RepoAction,
    RequestState,
    Role,
    Scope,
    Visibility,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(enum.Enum):
    """What the rules say; ``HIDE`` means: answer as for a name that was never there."""

    ALLOW = enum.auto()
    SIGN_IN = enum.auto()
    DENY_ROLE = enum.auto()
    DENY_SCOPE = enum.auto()
    DENY_ARCHIVED = enum.auto()
    GATED = enum.auto()
    GATED_SIGN_IN = enum.auto()
    HIDE = enum.auto()


@dataclass(frozen=True, slots=True)
class RepoRule:
    """The least role and token scope for an action, and whether archiving forbids it.

    ``account``: a role that everybody has is not enough, somebody must answer for it.
    ``behind_gate``: of a gated repository only for those who were let in.
    """

    role: Role
    scope: Scope
    when_archived: bool = True
    account: bool = False
    behind_gate: bool = False


REPO_RULES: Mapping[RepoAction, RepoRule] = {
    RepoAction.READ: RepoRule(Role.READ, Scope.READ),
    RepoAction.FETCH: RepoRule(Role.READ, Scope.READ, behind_gate=True),
    # Decision 8: a reader brings the objects that his pull request names.
    RepoAction.UPLOAD: RepoRule(
        Role.READ, Scope.WRITE, when_archived=False, account=True, behind_gate=True
    ),
    RepoAction.ASK_ACCESS: RepoRule(Role.READ, Scope.WRITE, account=True),
    RepoAction.ANSWER_REQUESTS: RepoRule(Role.WRITE, Scope.WRITE, account=True),
    RepoAction.PUSH: RepoRule(Role.WRITE, Scope.WRITE, when_archived=False),
    RepoAction.DISCUSS: RepoRule(Role.READ, Scope.WRITE, when_archived=False, account=True),
    RepoAction.MODERATE: RepoRule(Role.WRITE, Scope.WRITE, account=True),
    RepoAction.MANAGE_SETTINGS: RepoRule(Role.ADMIN, Scope.WRITE, when_archived=False),
    RepoAction.CHANGE_VISIBILITY: RepoRule(Role.ADMIN, Scope.WRITE),
    RepoAction.RENAME: RepoRule(Role.ADMIN, Scope.WRITE),
    RepoAction.TRANSFER: RepoRule(Role.ADMIN, Scope.WRITE),
    RepoAction.ARCHIVE: RepoRule(Role.ADMIN, Scope.WRITE),
    RepoAction.DELETE: RepoRule(Role.ADMIN, Scope.WRITE),
    RepoAction.MANAGE_ACCESS: RepoRule(Role.ADMIN, Scope.ADMIN),
    RepoAction.MAINTAIN: RepoRule(Role.ADMIN, Scope.ADMIN),
    RepoAction.REMOVE_OBJECTS: RepoRule(Role.ADMIN, Scope.WRITE, when_archived=False),
    RepoAction.RUN_SPACE: RepoRule(Role.WRITE, Scope.WRITE, when_archived=False, account=True),
    RepoAction.BREAK_LOCKS: RepoRule(Role.ADMIN, Scope.WRITE, when_archived=False),
}

NAMESPACE_RULES: Mapping[NamespaceAction, tuple[Role, Scope]] = {
    NamespaceAction.READ: (Role.NONE, Scope.READ),
    NamespaceAction.CREATE_REPO: (Role.WRITE, Scope.WRITE),
    NamespaceAction.SEE_PRIVATE: (Role.READ, Scope.READ),
    NamespaceAction.MANAGE_COLLECTIONS: (Role.WRITE, Scope.WRITE),
    NamespaceAction.SEE_USAGE: (Role.READ, Scope.READ),
    NamespaceAction.SEE_TRASH: (Role.ADMIN, Scope.READ),
    NamespaceAction.RESTORE_REPO: (Role.ADMIN, Scope.WRITE),
    NamespaceAction.MANAGE_MEMBERS: (Role.ADMIN, Scope.ADMIN),
    NamespaceAction.SET_REPO_QUOTAS: (Role.ADMIN, Scope.ADMIN),
    NamespaceAction.MANAGE_APPS: (Role.ADMIN, Scope.ADMIN),
    NamespaceAction.RENAME: (Role.ADMIN, Scope.ADMIN),
    NamespaceAction.DELETE: (Role.ADMIN, Scope.ADMIN),
}

# Whether only administrators of the hub may, and the least token scope.
HUB_RULES: Mapping[HubAction, tuple[bool, Scope]] = {
    HubAction.MANAGE_OWN_ACCOUNT: (False, Scope.ADMIN),
    HubAction.MANAGE_WEBHOOKS: (False, Scope.WRITE),
    HubAction.FOLLOW: (False, Scope.WRITE),
    HubAction.CREATE_ORG: (False, Scope.WRITE),
    HubAction.MANAGE_USERS: (True, Scope.ADMIN),
    HubAction.READ_AUDIT: (True, Scope.ADMIN),
    HubAction.MANAGE_STORAGE: (True, Scope.ADMIN),
    HubAction.SEE_METRICS: (True, Scope.READ),
}


@dataclass(frozen=True, slots=True)
class RepoFacts:
    """What the rules need to know of a repository; ``role`` is the account's own, before token."""

    repo_id: int
    namespace_id: int
    visibility: Visibility
    role: Role
    archived: bool = False
    deleted: bool = False
    gate: Gate = Gate.OFF
    request: RequestState | None = None


def repo_facts(found: RepoAccess) -> RepoFacts:
    """The facts of a looked-up repository."""
    repo = found.repo
    return RepoFacts(
        repo_id=repo.id,
        namespace_id=repo.namespace_id,
        visibility=repo.visibility,
        role=found.role,
        archived=repo.archived_at is not None,
        deleted=repo.deleted_at is not None,
        gate=repo.gate,
        request=found.request,
    )


def repo_role(actor: Actor, facts: RepoFacts) -> Role:
    """The role that the actor, with this very credential, has on the repository."""
    seen = Role.READ if facts.visibility is Visibility.PUBLIC else Role.NONE
    if actor.kind is ActorKind.SYSTEM:
        return Role.ADMIN
    if actor.kind is ActorKind.DEPLOY_KEY and actor.deploy_repo_id == facts.repo_id:
        return Role.WRITE if actor.deploy_can_write else Role.READ
    if actor.kind is not ActorKind.USER:
        return seen
    if not actor.limits.admits(facts.namespace_id, facts.repo_id):
        return seen
    if actor.is_site_admin:
        return Role.ADMIN
    if facts.visibility is Visibility.INTERNAL:
        seen = Role.READ
    return max(seen, facts.role)


def _is_let_in(actor: Actor, facts: RepoFacts) -> bool:
    """Whether the gate is open: for a role of one's own, or by an accepted request."""
    if facts.gate is Gate.OFF or actor.kind is ActorKind.SYSTEM:
        return True
    if actor.kind is ActorKind.DEPLOY_KEY:
        return actor.deploy_repo_id == facts.repo_id
    if actor.kind is not ActorKind.USER:
        return False
    if not actor.limits.admits(facts.namespace_id, facts.repo_id):
        return False
    is_accepted = facts.request is RequestState.ACCEPTED
    return actor.is_site_admin or facts.role >= Role.READ or is_accepted


def decide(actor: Actor, action: RepoAction, facts: RepoFacts) -> Verdict:
    """Judge an action on a repository."""
    rule = REPO_RULES[action]
    role = repo_role(actor, facts)
    if facts.deleted or role < Role.READ:
        return Verdict.HIDE
    if role < rule.role or (rule.account and not actor.is_signed_in):
        return Verdict.DENY_ROLE if actor.kind is not ActorKind.ANONYMOUS else Verdict.SIGN_IN
    if actor.scope < rule.scope:
        return Verdict.DENY_SCOPE
    if facts.archived and not rule.when_archived:
        return Verdict.DENY_ARCHIVED
    if rule.behind_gate and not _is_let_in(actor, facts):
        return Verdict.GATED_SIGN_IN if actor.kind is ActorKind.ANONYMOUS else Verdict.GATED
    return Verdict.ALLOW


def decide_namespace(
    actor: Actor, action: NamespaceAction, namespace_id: int, role: Role
) -> Verdict:
    """Judge an action on a namespace; ``role`` is the account's own there."""
    least, scope = NAMESPACE_RULES[action]
    if least is Role.NONE or actor.kind is ActorKind.SYSTEM:
        return Verdict.ALLOW
    if not actor.is_signed_in:
        return Verdict.SIGN_IN
    if not actor.limits.admits(namespace_id, None):
        return Verdict.DENY_SCOPE
    if role < least and not actor.is_site_admin:
        return Verdict.DENY_ROLE
    return Verdict.ALLOW if actor.scope >= scope else Verdict.DENY_SCOPE


def decide_hub(actor: Actor, action: HubAction) -> Verdict:
    """Judge an action on the hub as a whole; a token limited to places never passes."""
    admins_only, scope = HUB_RULES[action]
    if actor.kind is ActorKind.SYSTEM:
        return Verdict.ALLOW
    if not actor.is_signed_in:
        return Verdict.SIGN_IN
    if admins_only and not actor.is_site_admin:
        return Verdict.DENY_ROLE
    limited = bool(actor.limits.namespace_ids or actor.limits.repo_ids)
    return Verdict.DENY_SCOPE if limited or actor.scope < scope else Verdict.ALLOW


def require(verdict: Verdict, doing: str) -> None:
    """Raise the error that a verdict means; ``doing`` completes "may not …"."""
    match verdict:
        case Verdict.ALLOW:
            return
        case Verdict.HIDE:
            raise RepoNotFound("Repository not found.")
        case Verdict.SIGN_IN:
            raise SignInNeeded(f"You must sign in to {doing}.")
        case Verdict.DENY_ROLE:
            raise Denied(f"You may not {doing}.", hint="Ask an administrator of it for access.")
        case Verdict.DENY_SCOPE:
            raise Denied(
                f"This token may not {doing}.", hint="Use one with a wider scope or limits."
            )
        case Verdict.DENY_ARCHIVED:
            raise Denied(
                "This repository is archived and read-only.", hint="Unarchive it in its settings."
            )
        case Verdict.GATED:
            raise Gated("Access to this repository is restricted to those who were let in.")
        case Verdict.GATED_SIGN_IN:
            raise GatedSignIn("Access to this repository is restricted.", hint="Sign in.")


def visible(actor: Actor) -> sa.ColumnElement[bool]:
    """The rule for reading, as a predicate on ``repos`` (joined with nothing)."""
    repos = schema.repos
    alive: sa.ColumnElement[bool] = repos.c.deleted_at.is_(None)
    public: sa.ColumnElement[bool] = repos.c.visibility == Visibility.PUBLIC.value
    if actor.kind is ActorKind.SYSTEM:
        return alive
    if actor.kind is ActorKind.DEPLOY_KEY:
        return sa.and_(alive, sa.or_(public, repos.c.id == actor.deploy_repo_id))
    if actor.kind is not ActorKind.USER or actor.user_id is None:
        return sa.and_(alive, public)
    if actor.is_site_admin:
        own: sa.ColumnElement[bool] = sa.true()
    else:
        own = sa.or_(
            repos.c.visibility == Visibility.INTERNAL.value,
            role_column(actor.user_id) >= Role.READ.value,
        )
    return sa.and_(alive, sa.or_(public, sa.and_(_admitted(actor), own)))


def fetchable(actor: Actor) -> sa.ColumnElement[bool]:
    """The rule for the bytes of files, as ``visible`` is for reading: the gates count."""
    repos = schema.repos
    is_open: sa.ColumnElement[bool] = repos.c.gate == Gate.OFF.value
    if actor.kind is ActorKind.SYSTEM:
        return visible(actor)
    if actor.kind is ActorKind.DEPLOY_KEY:
        return sa.and_(visible(actor), sa.or_(is_open, repos.c.id == actor.deploy_repo_id))
    if actor.kind is not ActorKind.USER or actor.user_id is None:
        return sa.and_(visible(actor), is_open)
    let_in: sa.ColumnElement[bool] = sa.true()
    if not actor.is_site_admin:
        let_in = sa.or_(
            role_column(actor.user_id) >= Role.READ.value,
            request_column(actor.user_id) == RequestState.ACCEPTED.value,
        )
    return sa.and_(visible(actor), sa.or_(is_open, sa.and_(_admitted(actor), let_in)))


def visible_collection(actor: Actor) -> sa.ColumnElement[bool]:
    """The rule for ``SEE_PRIVATE`` as a predicate on ``collections``; others are for everybody."""
    table = schema_social.collections
    public = table.c.private.is_(False)
    if actor.kind is ActorKind.SYSTEM:
        return sa.true()
    if actor.kind is not ActorKind.USER or actor.user_id is None:
        return public
    limits = actor.limits
    admitted: sa.ColumnElement[bool] = sa.true()
    if limits.namespace_ids or limits.repo_ids:
        admitted = table.c.namespace_id.in_(limits.namespace_ids)
    own: sa.ColumnElement[bool] = sa.true()
    if not actor.is_site_admin:
        members = schema.org_members
        orgs = sa.select(members.c.org_id).where(
            members.c.user_id == actor.user_id, members.c.role >= Role.READ.value
        )
        own = sa.or_(table.c.namespace_id == actor.user_id, table.c.namespace_id.in_(orgs))
    return sa.or_(public, sa.and_(admitted, own))


def _admitted(actor: Actor) -> sa.ColumnElement[bool]:
    limits = actor.limits
    if not limits.namespace_ids and not limits.repo_ids:
        return sa.true()
    return sa.or_(
        schema.repos.c.namespace_id.in_(limits.namespace_ids),
        schema.repos.c.id.in_(limits.repo_ids),
    )
