"""Users, their tokens and SSH keys."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from hubd.core import accounts, credentials
from hubd.core.credentials import NewToken
from hubd.core.rows import Key, User
from hubd.core.rows import Token as TokenRow
from hubd.errors import Conflict, Invalid, NotBuilt, NotFound
from hubd.http.csg.endpoint import Endpoint, Listed, Span
from hubd.http.csg.shapes import SshKey, Token, UserShown
from hubd.http.hf.endpoint import Call, not_built
from hubd.http.hf.shapes import when
from hubd.types import Scope

_MOST_USERS = 10_000


class Profile(msgspec.Struct):
    """What to change of a user; None leaves as it is."""

    nickname: str | None = None
    email: str | None = None


class WantedToken(msgspec.Struct):
    """A token to make."""

    permission: str = "write"
    expired_at: datetime | None = None


class WantedKey(msgspec.Struct):
    """A key to add."""

    content: str
    name: str = ""


def _user(call: Call, user: User) -> UserShown:
    own = user.id == call.actor.user_id
    return UserShown(
        id=user.id,
        username=user.name,
        nickname=user.full_name or user.name,
        email=(user.email or "") if own else "",
        created_at=when(user.created_at),
    )


async def get_user(call: Call) -> UserShown:
    """What is shown of a user."""
    return _user(call, await accounts.by_name(call.core, call.name("user")))


async def update_user(call: Call) -> UserShown:
    """Change what is shown of a user."""
    asked = await call.body(Profile)
    changed = await accounts.update(
        call.core, call.actor, call.name("user"), full_name=asked.nickname, email=asked.email
    )
    return _user(call, changed)


async def users(call: Call) -> Listed:
    """All users, for administrators; ``search`` is a part of a name."""
    found, _ = await accounts.listing(call.core, call.actor, limit=_MOST_USERS)
    wanted = call.text("search").lower()
    return Span.of(call).part([_user(call, user) for user in found if wanted in user.name.lower()])


def _token(user: str, row: TokenRow, secret: str = "") -> Token:
    return Token(
        token=secret,
        token_name=row.name,
        permission=row.scope.label,
        user_name=user,
        created_at=when(row.created_at),
        expire_at=when(row.expires_at) if row.expires_at is not None else None,
    )


def _require_git(call: Call) -> None:
    if call.name("app") != "git":
        raise NotBuilt("Only tokens of the application git are there on this hub yet.")


async def _own_token(call: Call) -> TokenRow | None:
    found = await credentials.list_tokens(call.core, call.actor)
    alive = [row for row in found if row.revoked_at is None]
    return next((row for row in alive if row.name == call.name("name")), None)


async def create_token(call: Call) -> Token:
    """Make a token of this name; 409 if it is there."""
    _require_git(call)
    asked = await call.body(WantedToken)
    if await _own_token(call) is not None:
        raise Conflict("There is a token of this name already.")
    return await _make_token(call, asked)


async def _make_token(call: Call, asked: WantedToken) -> Token:
    lifetime = None
    if asked.expired_at is not None:
        lifetime = asked.expired_at.replace(tzinfo=asked.expired_at.tzinfo or UTC).timestamp()
        lifetime -= time.time()
    made: NewToken = await credentials.add_token(
        call.core,
        call.actor,
        name=call.name("name"),
        scope=Scope.parse(asked.permission),
        lifetime_seconds=lifetime,
    )
    return _token(call.actor.name, made.token, made.secret)


async def renew_token(call: Call) -> Token:
    """A new secret for a token of this name; the old one ends."""
    _require_git(call)
    asked = await call.body(WantedToken)
    old = await _own_token(call)
    if old is None:
        raise NotFound("There is no such token.")
    if old.namespace_ids or old.repo_ids:
        raise Invalid("A token for certain places is renewed on its page only.")
    new = await _make_token(call, msgspec.structs.replace(asked, permission=old.scope.label))
    await credentials.revoke_token(call.core, call.actor, old.id)
    return new


async def delete_token(call: Call) -> None:
    """End a token now."""
    _require_git(call)
    old = await _own_token(call)
    if old is None:
        raise NotFound("There is no such token.")
    await credentials.revoke_token(call.core, call.actor, old.id)


async def tokens(call: Call) -> list[Token]:
    """A user's tokens, without their secrets."""
    name = call.name("user")
    found = await credentials.list_tokens(call.core, call.actor, name)
    return [_token(name, row) for row in found if row.revoked_at is None]


def _key(user: str, row: Key) -> SshKey:
    return SshKey(
        id=row.id,
        name=row.name,
        title=row.name,
        content=row.public_key,
        fingerprint=row.fingerprint,
        username=user,
    )


async def keys(call: Call) -> list[SshKey]:
    """A user's SSH keys."""
    name = call.name("user")
    return [_key(name, row) for row in await credentials.list_keys(call.core, call.actor, name)]


async def add_key(call: Call) -> SshKey:
    """Let an SSH key sign in as this user."""
    asked, name = await call.body(WantedKey), call.name("user")
    made = await credentials.add_key(call.core, call.actor, asked.content, name, name=asked.name)
    return _key(name, made.key)


async def delete_key(call: Call) -> None:
    """Forget an SSH key, by its name."""
    name = call.name("user")
    found = await credentials.list_keys(call.core, call.actor, name)
    row = next((row for row in found if row.name == call.name("key")), None)
    if row is None:
        raise NotFound("There is no such key.")
    await credentials.remove_key(call.core, call.actor, row.id, name)


_TOKEN = "/token/{app}/{name}"  # noqa: S105 - an address
_IN_ADDRESS = not_built("Tokens in an address would be in logs: they are not looked up")
ENDPOINTS = [
    Endpoint("GET", "/users", users, "All users, for administrators"),
    Endpoint("GET", "/user/{user}", get_user, "What is shown of a user"),
    Endpoint("PUT", "/user/{user}", update_user, "Change what is shown"),
    Endpoint("GET", "/user/{user}/tokens", tokens, "A user's tokens"),
    Endpoint("POST", _TOKEN, create_token, "Make a token"),
    Endpoint("PUT", _TOKEN, renew_token, "A new secret for a token"),
    Endpoint("DELETE", _TOKEN, delete_token, "End a token"),
    Endpoint("GET", "/token/{value}", _IN_ADDRESS, "Whose a token is"),
    Endpoint("GET", "/user/{user}/ssh_keys", keys, "A user's SSH keys"),
    Endpoint("POST", "/user/{user}/ssh_keys", add_key, "Add an SSH key"),
    Endpoint("DELETE", "/user/{user}/ssh_key/{key}", delete_key, "Forget an SSH key"),
]
