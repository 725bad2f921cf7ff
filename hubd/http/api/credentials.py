"""SSH keys, access tokens and browser sessions of an account."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import accounts, credentials
from hubd.core.credentials import NewKey, TokenPlaces
from hubd.core.rows import Key, Token
from hubd.http.api.endpoint import Call, Endpoint
from hubd.http.api.shapes import Answer, Name, Request, ScopeName, Time, maybe_when, when
from hubd.types import RepoRef, RepoType, Scope

Label = Annotated[str, Meta(max_length=100)]


class KeyAnswer(Answer, frozen=True, kw_only=True):
    """A public SSH key."""

    id: int
    name: str
    kind: str
    fingerprint: str
    public_key: str
    can_write: bool
    created_at: Time
    last_used_at: Time | None


class KeyAdded(Answer, frozen=True, kw_only=True):
    """The key, and what its owner should know about it."""

    key: KeyAnswer
    warning: str


class KeyToAdd(Request, frozen=True, kw_only=True):
    """A public key as in ``id_ed25519.pub``."""

    key: Annotated[str, Meta(min_length=1, max_length=16384)]
    name: Label = ""


class Place(Request, frozen=True, kw_only=True):
    """A repository that a token is limited to."""

    type: RepoType = RepoType.MODEL
    namespace: Name
    name: Name


class TokenAnswer(Answer, frozen=True, kw_only=True):
    """An access token without its secret, which is shown once only."""

    id: int
    name: str
    prefix: str
    scope: ScopeName
    namespaces: Annotated[
        list[str], Meta(description="Where it works; with repos empty too: everywhere.")
    ]
    repos: list[str]
    limited: bool
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None


class TokenMade(Answer, frozen=True, kw_only=True):
    """A token just made; ``secret`` is never shown again."""

    token: TokenAnswer
    secret: str


class TokenToMake(Request, frozen=True, kw_only=True):
    """A token to be."""

    name: Label = ""
    scope: ScopeName = "read"
    expires_in: Annotated[
        float | None, Meta(description="Seconds until it ends; none: it does not.")
    ] = None
    namespaces: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    repos: Annotated[tuple[Place, ...], Meta(max_length=100)] = ()


class SessionAnswer(Answer, frozen=True, kw_only=True):
    """A browser that is signed in."""

    id: int
    created_at: Time
    expires_at: Time
    last_seen_at: Time
    address: str
    user_agent: str


def key_answer(key: Key) -> KeyAnswer:
    """A row as the API shows it."""
    return KeyAnswer(
        id=key.id,
        name=key.name,
        kind=key.kind,
        fingerprint=key.fingerprint,
        public_key=key.public_key,
        can_write=key.can_write,
        created_at=when(key.created_at),
        last_used_at=maybe_when(key.last_used_at),
    )


def key_added(made: NewKey) -> KeyAdded:
    """A fresh key as the API shows it."""
    return KeyAdded(key=key_answer(made.key), warning=made.warning)


def _token_answer(token: Token, places: TokenPlaces) -> TokenAnswer:
    return TokenAnswer(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        scope=token.scope.label,  # type: ignore[arg-type]
        namespaces=[places.namespaces[i] for i in token.namespace_ids if i in places.namespaces],
        repos=[places.repos[i] for i in token.repo_ids if i in places.repos],
        limited=bool(token.namespace_ids or token.repo_ids),
        created_at=when(token.created_at),
        expires_at=maybe_when(token.expires_at),
        last_used_at=maybe_when(token.last_used_at),
    )


async def list_keys(call: Call) -> list[KeyAnswer]:
    """The SSH keys that sign in as the account."""
    found = await credentials.list_keys(call.core, call.actor, call.user)
    return [key_answer(key) for key in found]


async def add_key(call: Call, body: KeyToAdd) -> KeyAdded:
    """Let a key sign in as the account."""
    return key_added(
        await credentials.add_key(call.core, call.actor, body.key, call.user, name=body.name)
    )


async def remove_key(call: Call) -> None:
    """Forget a key."""
    await credentials.remove_key(call.core, call.actor, call.id, call.user)


async def list_tokens(call: Call) -> list[TokenAnswer]:
    """The tokens of the account, newest first."""
    tokens = await credentials.list_tokens(call.core, call.actor, call.user)
    places = await credentials.places(call.core, call.actor, tokens)
    return [_token_answer(token, places) for token in tokens]


async def add_token(call: Call, body: TokenToMake) -> TokenMade:
    """Make a token; its secret is in this answer only."""
    made = await credentials.add_token(
        call.core,
        call.actor,
        call.user,
        name=body.name,
        scope=Scope.parse(body.scope),
        lifetime_seconds=body.expires_in,
        namespace_names=body.namespaces,
        repo_refs=[RepoRef.parse(p.type, f"{p.namespace}/{p.name}") for p in body.repos],
    )
    places = await credentials.places(call.core, call.actor, [made.token])
    return TokenMade(token=_token_answer(made.token, places), secret=made.secret)


async def revoke_token(call: Call) -> None:
    """End a token now."""
    await credentials.revoke_token(call.core, call.actor, call.id, call.user)


async def list_sessions(call: Call) -> list[SessionAnswer]:
    """The browsers that are signed in to one's own account."""
    return [
        SessionAnswer(
            id=session.id,
            created_at=when(session.created_at),
            expires_at=when(session.expires_at),
            last_seen_at=when(session.last_seen_at),
            address=session.address,
            user_agent=session.user_agent,
        )
        for session in await accounts.own_sessions(call.core, call.actor)
    ]


async def end_session(call: Call) -> None:
    """Sign a browser out."""
    await accounts.end_session(call.core, call.actor, call.id)


async def list_user_keys(call: Call) -> list[KeyAnswer]:
    """The SSH keys of any account, for administrators."""
    return await list_keys(call)


async def add_user_key(call: Call, body: KeyToAdd) -> KeyAdded:
    """Let a key sign in as any account, for administrators."""
    return await add_key(call, body)


async def remove_user_key(call: Call) -> None:
    """Forget a key of any account, for administrators."""
    await remove_key(call)


async def list_user_tokens(call: Call) -> list[TokenAnswer]:
    """The tokens of any account, for administrators."""
    return await list_tokens(call)


async def add_user_token(call: Call, body: TokenToMake) -> TokenMade:
    """Make a token for any account, for administrators."""
    return await add_token(call, body)


async def revoke_user_token(call: Call) -> None:
    """End a token of any account, for administrators."""
    await revoke_token(call)


ENDPOINTS = [
    Endpoint("GET", "/me/keys", list_keys, "List my SSH keys"),
    Endpoint("POST", "/me/keys", add_key, "Add an SSH key", status=201),
    Endpoint("DELETE", "/me/keys/{id}", remove_key, "Remove an SSH key"),
    Endpoint("GET", "/me/tokens", list_tokens, "List my tokens"),
    Endpoint("POST", "/me/tokens", add_token, "Make a token", status=201),
    Endpoint("DELETE", "/me/tokens/{id}", revoke_token, "Revoke a token"),
    Endpoint("GET", "/me/sessions", list_sessions, "List my browser sessions"),
    Endpoint("DELETE", "/me/sessions/{id}", end_session, "End a browser session"),
    Endpoint("GET", "/users/{user}/keys", list_user_keys, "List an account's SSH keys"),
    Endpoint("POST", "/users/{user}/keys", add_user_key, "Add an SSH key for an account", 201),
    Endpoint("DELETE", "/users/{user}/keys/{id}", remove_user_key, "Remove an account's SSH key"),
    Endpoint("GET", "/users/{user}/tokens", list_user_tokens, "List an account's tokens"),
    Endpoint("POST", "/users/{user}/tokens", add_user_token, "Make a token for an account", 201),
    Endpoint("DELETE", "/users/{user}/tokens/{id}", revoke_user_token, "Revoke an account's token"),
]
