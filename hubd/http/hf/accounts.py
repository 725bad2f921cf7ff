"""Who somebody is: whoami, users, organizations, their members."""

from __future__ import annotations

from hubd.core import accounts, credentials, follows, orgs, overview, storage
from hubd.core.rows import Namespace, Token, row_id
from hubd.errors import NotFound
from hubd.http.hf.endpoint import Call, Endpoint, Page
from hubd.http.hf.shapes import (
    AccessToken,
    Auth,
    OrgOf,
    OrgOverview,
    Person,
    RepoStorage,
    UserOverview,
    WhoAmI,
    shown_name,
    when,
)
from hubd.types import RepoType, Role, Scope, Visibility

_ROLES = {Role.ADMIN: "admin", Role.WRITE: "write", Role.READ: "read"}


def _org(namespace: Namespace, role: Role) -> OrgOf:
    return OrgOf(
        id=row_id(namespace.id),
        name=namespace.name,
        fullname=shown_name(namespace),
        role_in_org=_ROLES.get(role, "read"),
    )


def _auth(token: Token | None) -> Auth:
    if token is None:
        return Auth(type="session")
    limited = bool(token.namespace_ids or token.repo_ids)
    role = "read" if token.scope is Scope.READ else "write"
    shown = AccessToken(
        display_name=token.name,
        role="fineGrained" if limited else role,
        created_at=when(token.created_at),
    )
    return Auth(access_token=shown)


async def whoami(call: Call) -> WhoAmI:
    """The account behind the token, its organizations, and what the token may do."""
    user = await accounts.me(call.core, call.actor)
    return WhoAmI(
        id=row_id(user.id),
        name=user.name,
        fullname=user.full_name or user.name,
        email=user.email,
        orgs=[_org(org, role) for org, role in await orgs.of_user(call.core, user.id)],
        auth=_auth(await credentials.used(call.core, call.actor)),
    )


async def user(call: Call) -> UserOverview:
    """What is shown of a user."""
    found = await _namespace(call, "user", "user")
    counts = await overview.counts(call.core, call.actor, found)
    heard = await follows.counts(call.core, call.actor, found)
    return UserOverview(
        id=row_id(found.id),
        user=found.name,
        fullname=shown_name(found),
        num_models=counts.get(RepoType.MODEL, 0),
        num_datasets=counts.get(RepoType.DATASET, 0),
        num_spaces=counts.get(RepoType.SPACE, 0),
        num_likes=await overview.like_count(call.core, found.id),
        num_followers=heard.followers,
        num_following=heard.following,
        is_following=heard.by_me,
        created_at=when(found.created_at),
        orgs=[_org(org, role) for org, role in await orgs.of_user(call.core, found.id)],
    )


async def org(call: Call) -> OrgOverview:
    """What is shown of an organization."""
    found = await _namespace(call, "org", "org")
    counts = await overview.counts(call.core, call.actor, found)
    heard = await follows.counts(call.core, call.actor, found)
    people = await orgs.members(call.core, call.actor, found.name) if _signed_in(call) else []
    return OrgOverview(
        id=row_id(found.id),
        name=found.name,
        fullname=shown_name(found),
        num_users=len(people),
        num_models=counts.get(RepoType.MODEL, 0),
        num_datasets=counts.get(RepoType.DATASET, 0),
        num_spaces=counts.get(RepoType.SPACE, 0),
        num_followers=heard.followers,
        is_following=heard.by_me,
    )


def _signed_in(call: Call) -> bool:
    return call.actor.is_signed_in


async def _namespace(call: Call, part: str, kind: str) -> Namespace:
    found, _ = await orgs.namespace(call.core, call.name(part))
    if found.kind != kind:
        raise NotFound(f"There is no {kind} named {found.name!r}.")
    return found


async def members(call: Call) -> Page:
    """Who belongs to an organization."""
    found = await orgs.members(call.core, call.actor, call.name("org"))
    start, limit = call.number("cursor", 0, 10**9), call.number("limit", 500, 500)
    people = [
        Person(user=member.name, fullname=member.full_name or member.name)
        for member in found[start : start + limit]
    ]
    return Page(people, str(start + limit) if len(found) > start + limit else None)


async def repositories(call: Call) -> Page:
    """The repositories of the account or of an organization, with what each takes of the disk."""
    owner = call.request.match_info.get("org") or (await accounts.me(call.core, call.actor)).name
    found = await storage.of_repos(call.core, call.actor, owner)
    total = sum(size for _, size in found) or 1
    start, limit = call.number("cursor", 0, 10**9), call.number("limit", 500, 500)
    part = [
        RepoStorage(
            id=repo.ref.repo_id,
            type=repo.type.value,
            updated_at=when(repo.updated_at),
            visibility="public" if repo.visibility is Visibility.PUBLIC else "private",
            storage=size,
            storage_percent=100 * size / total,
        )
        for repo, size in found[start : start + limit]
    ]
    return Page(part, str(start + limit) if len(found) > start + limit else None)


_REPOSITORIES = "/settings/repositories"
ENDPOINTS = [
    Endpoint("GET", "/api" + _REPOSITORIES, repositories, "My repositories and their sizes"),
    Endpoint("GET", "/api/organizations/{org}" + _REPOSITORIES, repositories, "An organization's"),
    Endpoint("GET", "/api/whoami-v2", whoami, "The account behind the token"),
    Endpoint("GET", "/api/users/{user}/overview", user, "What is shown of a user"),
    Endpoint("GET", "/api/organizations/{org}/overview", org, "What is shown of an organization"),
    Endpoint("GET", "/api/organizations/{org}/members", members, "Who belongs to it"),
]
