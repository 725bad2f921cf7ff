"""From a credential to an ``Actor``: tokens, SSH keys, passwords and sessions.

A token is 256 random bits, stored as its SHA-256: one look-up verifies it, so the three or four
requests of a clone cost no slow hash. Passwords are argon2id and only ever open a browser session.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import string
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import cache

from passlib.hash import argon2

from hubd.core import auditing
from hubd.core.context import Core
from hubd.errors import SignInNeeded
from hubd.store import keys, queries, sessions, tokens, users
from hubd.store.engine import Connection
from hubd.store.keys import Key
from hubd.store.sessions import Session
from hubd.store.tokens import Token
from hubd.store.users import User
from hubd.types import Actor, ActorKind, Scope, TokenLimits

TOKEN_PREFIX = "hubd_"  # noqa: S105
_ALPHABET = string.ascii_letters + string.digits
_TOKEN_LENGTH = 43  # 62⁴³ > 2²⁵⁶
_TOUCH_SECONDS = 60.0
_SESSION_TOUCH_SECONDS = 300.0
# argon2id with 7 MiB and five passes, as strong as 19 MiB and two (OWASP's table), one at a time:
# the daemon's memory stays flat.
_ARGON2 = argon2.using(type="ID", memory_cost=7 * 1024, time_cost=5, parallelism=1)
_hashing = asyncio.Semaphore(1)


def new_token() -> str:
    """A fresh secret, recognisable by its prefix."""
    return TOKEN_PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


def digest(secret: str) -> str:
    """How a random secret is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


@cache
def _nobody() -> str:
    """Verified when there is no such account, so that its absence takes the same time."""
    return str(_ARGON2.hash(secrets.token_hex(16)))


def _verify(password: str, stored: str | None) -> bool:
    return bool(_ARGON2.verify(password[:1024], stored or _nobody())) and stored is not None


async def hash_password(password: str) -> str:
    """An argon2id hash, made off the loop."""
    async with _hashing:
        return str(await asyncio.to_thread(_ARGON2.hash, password))


async def by_token(core: Core, secret: str, seen: Actor) -> Actor:
    """The owner of a token, with the token's limits; raises ``SignInNeeded``.

    ``seen`` is the anonymous actor of the request and gives channel, address and request id.
    """
    found = await core.store.remembered(queries.credential_by_token, digest(secret))
    if found is None:
        raise _bad_token(core, seen, "", "This token is not valid.")
    token, user = found
    now = time.time()
    if token.revoked_at is not None or user.disabled_at is not None:
        raise _bad_token(core, seen, user.name, "This token is not valid.")
    if token.expires_at is not None and token.expires_at <= now:
        raise _bad_token(core, seen, user.name, "This token has expired.")
    if token.last_used_at is None or now - token.last_used_at > _TOUCH_SECONDS:
        _touch(core, f"token {token.id}", lambda conn: tokens.touch(conn, token.id, now))
    return _actor_of(user, seen, token)


def _bad_token(core: Core, seen: Actor, account: str, reason: str) -> SignInNeeded:
    auditing.note_failed_sign_in(core, seen, account, reason)
    return SignInNeeded(reason, hint="Make a new one in your account.")


def _actor_of(user: User, seen: Actor, token: Token | None = None) -> Actor:
    actor = replace(
        seen,
        kind=ActorKind.USER,
        user_id=user.id,
        name=user.name,
        is_site_admin=user.is_admin,
        scope=Scope.ADMIN,
    )
    if token is None:
        return actor
    limits = TokenLimits(frozenset(token.namespace_ids), frozenset(token.repo_ids))
    return replace(actor, token_id=token.id, scope=token.scope, limits=limits)


def _touch(core: Core, name: str, work: Callable[[Connection], Awaitable[None]]) -> None:
    core.tasks.start(core.store.write(work), f"touch {name}")


async def by_key(core: Core, fingerprint: str, seen: Actor) -> Actor | None:
    """Who signed in with the SSH key of this ``SHA256:…`` fingerprint, or None."""
    async with core.store.read() as conn:
        found = await queries.account_by_key(conn, fingerprint)
    if found is None:
        return None
    key, user = found
    now = time.time()
    if key.last_used_at is None or now - key.last_used_at > _TOUCH_SECONDS:
        _touch(core, f"key {key.id}", lambda conn: keys.touch(conn, key.id, now))
    if user is None:
        return _deploy_actor(key, seen)
    if user.disabled_at is not None:
        return None
    return replace(_actor_of(user, seen), key_id=key.id)


def _deploy_actor(key: Key, seen: Actor) -> Actor:
    return replace(
        seen,
        kind=ActorKind.DEPLOY_KEY,
        name=f"deploy key {key.name}",
        scope=Scope.WRITE if key.can_write else Scope.READ,
        key_id=key.id,
        deploy_repo_id=key.repo_id,
        deploy_can_write=key.can_write,
    )


async def by_password(core: Core, name: str, password: str, seen: Actor) -> User:
    """Check a name (or e-mail) and password; raises ``SignInNeeded`` or ``Busy``.

    Takes the same time whether or not the account exists.
    """
    await core.rates.check_sign_in(name, seen.address)
    async with core.store.read() as conn:
        user = await (users.by_email if "@" in name else users.by_name)(conn, name)
        stored = await users.password_hash(conn, user.id) if user else None
    async with _hashing:
        right = await asyncio.to_thread(_verify, password, stored)
    if not right or user is None or user.disabled_at is not None:
        await core.rates.count_failed_sign_in(name, seen.address)
        reason = "The name or password is wrong."
        auditing.note_failed_sign_in(core, seen, name, reason)
        raise SignInNeeded(reason)
    return user


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser that is signed in: who uses it, and its session with the CSRF secret."""

    actor: Actor
    user: User
    session: Session


async def by_session(core: Core, secret: str, seen: Actor) -> Browser | None:
    """The account behind a session cookie, or None."""
    found = await core.store.remembered(queries.session_user, digest(secret))
    if found is None:
        return None
    session, user = found
    now = time.time()
    if session.expires_at <= now or user.disabled_at is not None:
        return None
    if now - session.last_seen_at > _SESSION_TOUCH_SECONDS:
        _touch(core, f"session {session.id}", lambda conn: sessions.touch(conn, session.id, now))
    return Browser(_actor_of(user, seen), user, session)
