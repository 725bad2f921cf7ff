"""The asker's own account, and all accounts for administrators."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import accounts, orgs
from hubd.core.rows import User
from hubd.http.api.endpoint import Call, Endpoint, Page
from hubd.http.api.shapes import (
    Answer,
    Email,
    FullName,
    Mark,
    Name,
    Rename,
    Request,
    RoleName,
    ScopeName,
    Time,
    maybe_when,
    when,
)

Password = Annotated[str, Meta(min_length=1, max_length=1024)]


class UserAnswer(Answer, frozen=True, kw_only=True):
    """An account, as its owner and administrators see it."""

    name: str
    full_name: str
    email: str | None
    is_admin: bool
    must_change_password: bool
    created_at: Time
    disabled_at: Time | None


class Membership(Answer, frozen=True, kw_only=True):
    """An organization that one belongs to."""

    name: str
    role: RoleName


class Me(Answer, frozen=True, kw_only=True):
    """Who asks, with which token."""

    user: UserAnswer
    orgs: list[Membership]
    scope: ScopeName
    limited: Annotated[bool, Meta(description="Whether the token works in some places only.")]


class UserChange(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    full_name: FullName | None = None
    email: Email | None = None


class PasswordChange(Request, frozen=True, kw_only=True):
    """The password there is, and the one to be."""

    old: Password
    new: Password


class NewUser(Request, frozen=True, kw_only=True):
    """An account to be; without a password it works by tokens and keys only."""

    name: Name
    full_name: FullName = ""
    email: Email | None = None
    password: Password | None = None
    is_admin: bool = False
    must_change_password: bool = False


class NewPassword(Request, frozen=True, kw_only=True):
    """A password that an administrator gives."""

    password: Password
    must_change: bool = True


class AdminFlag(Request, frozen=True, kw_only=True):
    """Whether the account administers the hub."""

    is_admin: bool


class UsersQuery(Request, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Mark | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


def user_answer(user: User) -> UserAnswer:
    """A row as the API shows it."""
    return UserAnswer(
        name=user.name,
        full_name=user.full_name,
        email=user.email,
        is_admin=user.is_admin,
        must_change_password=user.must_change_password,
        created_at=when(user.created_at),
        disabled_at=maybe_when(user.disabled_at),
    )


async def whoami(call: Call) -> Me:
    """The account and token of this request."""
    user = await accounts.me(call.core, call.actor)
    limits = call.actor.limits
    return Me(
        user=user_answer(user),
        orgs=[
            Membership(name=org.name, role=role.label)  # type: ignore[arg-type]
            for org, role in await orgs.of_user(call.core, user.id)
        ],
        scope=call.actor.scope.label,  # type: ignore[arg-type]
        limited=bool(limits.namespace_ids or limits.repo_ids),
    )


async def update_me(call: Call, body: UserChange) -> UserAnswer:
    """Change one's own account."""
    me = await accounts.me(call.core, call.actor)
    return user_answer(
        await accounts.update(
            call.core, call.actor, me.name, full_name=body.full_name, email=body.email
        )
    )


async def rename_me(call: Call, body: Rename) -> UserAnswer:
    """Take another name; the old addresses redirect."""
    me = await accounts.me(call.core, call.actor)
    return user_answer(await accounts.rename(call.core, call.actor, me.name, body.name))


async def change_password(call: Call, body: PasswordChange) -> None:
    """Change one's own password; ends all browser sessions."""
    await accounts.change_own_password(call.core, call.actor, body.old, body.new)


async def list_users(call: Call, query: UsersQuery) -> Page[UserAnswer]:
    """All accounts by name."""
    found, after = await accounts.listing(
        call.core, call.actor, after=query.after, limit=query.limit
    )
    return Page([user_answer(user) for user in found], after)


async def add_user(call: Call, body: NewUser) -> UserAnswer:
    """Add an account."""
    return user_answer(
        await accounts.add_user(
            call.core,
            call.actor,
            body.name,
            full_name=body.full_name,
            email=body.email,
            password=body.password,
            is_admin=body.is_admin,
            must_change_password=body.must_change_password,
        )
    )


async def get_user(call: Call) -> UserAnswer:
    """One account; for itself and administrators."""
    return user_answer(await accounts.account(call.core, call.actor, call.names["user"]))


async def update_user(call: Call, body: UserChange) -> UserAnswer:
    """Change an account."""
    return user_answer(
        await accounts.update(
            call.core,
            call.actor,
            call.names["user"],
            full_name=body.full_name,
            email=body.email,
        )
    )


async def rename_user(call: Call, body: Rename) -> UserAnswer:
    """Give an account another name; the old addresses redirect."""
    name = call.names["user"]
    return user_answer(await accounts.rename(call.core, call.actor, name, body.name))


async def set_password(call: Call, body: NewPassword) -> None:
    """Give an account a password; ends its browser sessions."""
    await accounts.set_password(
        call.core,
        call.actor,
        call.names["user"],
        body.password,
        must_change=body.must_change,
    )


async def set_admin(call: Call, body: AdminFlag) -> UserAnswer:
    """Make an account an administrator of the hub, or not."""
    return user_answer(
        await accounts.set_admin(call.core, call.actor, call.names["user"], is_admin=body.is_admin)
    )


async def disable_user(call: Call) -> UserAnswer:
    """Shut an account out everywhere at once."""
    name = call.names["user"]
    return user_answer(await accounts.set_disabled(call.core, call.actor, name, disabled=True))


async def enable_user(call: Call) -> UserAnswer:
    """Let a disabled account in again."""
    name = call.names["user"]
    return user_answer(await accounts.set_disabled(call.core, call.actor, name, disabled=False))


ENDPOINTS = [
    Endpoint("GET", "/me", whoami, "Who am I"),
    Endpoint("PATCH", "/me", update_me, "Change my account"),
    Endpoint("PUT", "/me/name", rename_me, "Rename my account"),
    Endpoint("PUT", "/me/password", change_password, "Change my password"),
    Endpoint("GET", "/users", list_users, "List all accounts"),
    Endpoint("POST", "/users", add_user, "Add an account", status=201),
    Endpoint("GET", "/users/{user}", get_user, "Get an account"),
    Endpoint("PATCH", "/users/{user}", update_user, "Change an account"),
    Endpoint("PUT", "/users/{user}/name", rename_user, "Rename an account"),
    Endpoint("PUT", "/users/{user}/password", set_password, "Set an account's password"),
    Endpoint("PUT", "/users/{user}/admin", set_admin, "Set an account's administrator flag"),
    Endpoint("PUT", "/users/{user}/disabled", disable_user, "Disable an account"),
    Endpoint("DELETE", "/users/{user}/disabled", enable_user, "Enable an account"),
]
