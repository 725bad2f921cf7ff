"""Letting apps in: codes, devices, tokens and their renewal (RFC 6749, 7636, 8628, 9700).

What an app gets is a token of the person, with a role that follows from its scopes. Everything that
came of one consent ends together; a secret that is used twice ends it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlencode

from hubd import access
from hubd.core import identity, oauth_apps
from hubd.core.context import Core
from hubd.core.oauth_apps import App, Grant
from hubd.errors import Conflict, HubError, Invalid, NotFound
from hubd.store import audit, oauth, tokens, users
from hubd.store.engine import Connection
from hubd.store.users import User
from hubd.types import Actor, HubAction, Scope

CODE_SECONDS = 60.0
DEVICE_SECONDS = 900
POLL_SECONDS = 5
ACCESS_SECONDS = 8 * 3600
# The Hub's clients renew a token that has less than a day left.
DEVICE_ACCESS_SECONDS = 30 * 86400
REFRESH_SECONDS = 90 * 86400
# Without vowels and digits: it spells no word, and is read and typed without doubt (RFC 8628, 6.1).
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_USER_CODE = 8
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")
_MAX_STATE = 2000
_MAX_NONCE = 500
# A place that no repository has: the token tells who somebody is, and opens nothing.
_NOWHERE = [0]


class RefusedError(HubError):
    """A refusal in the words of OAuth: ``fault`` is its code, the message the description."""

    code: ClassVar[str] = "oauth_refused"
    status: ClassVar[int] = 400

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to be let in that may be answered at ``redirect_uri``."""

    app: App
    redirect_uri: str
    scopes: Sequence[str]
    state: str
    challenge: str
    nonce: str

    def answer(self, issuer: str, **values: str) -> str:
        """The address that carries an answer back; it names us (RFC 9207)."""
        both = {**values, "iss": issuer} | ({"state": self.state} if self.state else {})
        joint = "&" if "?" in self.redirect_uri else "?"
        return self.redirect_uri + joint + urlencode(both)


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens for an app, and for whom; ``seconds`` is the life of the first."""

    access_token: str
    refresh_token: str
    seconds: int
    grant: Grant
    user: User
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a device is told, and what its person types elsewhere."""

    device_code: str
    user_code: str


def shown_code(code: str) -> str:
    """The code for people, in two halves."""
    return f"{code[:4]}-{code[4:]}"


async def asked(core: Core, query: Mapping[str, str]) -> tuple[Asked, RefusedError | None]:
    """A request as an app sends it through a browser, and what is wrong with it.

    Raises ``Invalid`` where nothing may be sent back: the app or the address is not known.
    """
    async with core.store.read() as conn:
        app = await oauth.app(conn, query.get("client_id", ""))
    if app is None:
        raise Invalid("The app that sent you here is not known to this hub.")
    uri = query.get("redirect_uri", "")
    if not oauth_apps.is_registered(app, uri):
        raise Invalid(
            "The app that sent you here wants the answer at an address that it has not registered.",
            hint="Do not go on; tell whoever runs the app.",
        )
    state, nonce = query.get("state", "")[:_MAX_STATE], query.get("nonce", "")
    challenge = query.get("code_challenge", "")
    fault: RefusedError | None = None
    scopes: Sequence[str] = []
    try:
        scopes = oauth_apps.parse_scopes(query.get("scope", ""), app.scopes)
    except Invalid as error:
        fault = RefusedError("invalid_scope", error.message)
    request = Asked(app, uri, scopes, state, challenge, nonce)
    return request, fault or _fault(app, query)


def _fault(app: App, query: Mapping[str, str]) -> RefusedError | None:
    challenge, nonce = query.get("code_challenge", ""), query.get("nonce", "")
    state, method = query.get("state", ""), query.get("code_challenge_method", "")
    faults = (
        (query.get("response_type") != "code", "unsupported_response_type", "It must be code."),
        (
            len(nonce) > _MAX_NONCE or len(state) > _MAX_STATE,
            "invalid_request",
            "The state or the nonce is too long.",
        ),
        (
            bool(challenge or method) and not (method == "S256" and _CHALLENGE.match(challenge)),
            "invalid_request",
            "The method of PKCE is S256.",
        ),
        (
            not challenge and app.secret_hash is None,
            "invalid_request",
            "An app without a secret must use PKCE.",
        ),
        (
            not (challenge or state or nonce),
            "invalid_request",
            "Without PKCE a state or a nonce is needed.",
        ),
        (query.get("prompt") == "none", "consent_required", "People are always asked."),
    )
    return next((RefusedError(fault, text) for wrong, fault, text in faults if wrong), None)


async def allow(core: Core, actor: Actor, request: Asked) -> str:
    """The actor lets the app in; the code that the app exchanges for tokens within a minute."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "let apps in")
    code = secrets.token_urlsafe(32)

    async def work(conn: Connection) -> None:
        grant_id = await _let(conn, actor, request.app, request.scopes)
        await oauth.add_code(
            conn,
            secret_hash=identity.digest(code),
            grant_id=grant_id,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            nonce=request.nonce,
            expires_at=time.time() + CODE_SECONDS,
        )

    await core.store.write(work)
    return code


async def _let(conn: Connection, actor: Actor, app: App, scopes: Sequence[str]) -> int:
    grant_id = await oauth.add_grant(conn, app.id, actor.user_id or 0, scopes)
    details = {"client_id": app.client_id, "scopes": list(scopes)}
    await audit.add(conn, actor, "oauth.allow", app.name, details)
    return grant_id


async def client(core: Core, client_id: str, secret: str) -> App:
    """The app that speaks; raises ``RefusedError`` unless it proves to be the one it says."""
    async with core.store.read() as conn:
        app = await oauth.app(conn, client_id)
    given = identity.digest(secret) if secret else ""
    if app is None or not hmac.compare_digest(given, app.secret_hash or ""):
        raise RefusedError("invalid_client", "The app is not known, or its secret is wrong.")
    return app


_Outcome = Issued | RefusedError


async def _settled(core: Core, work: Callable[[Connection], Awaitable[_Outcome]]) -> Issued:
    """What the transaction came to; a refusal keeps what it wrote, as a used code stays used."""
    outcome = await core.store.write(work)
    if isinstance(outcome, RefusedError):
        raise outcome
    return outcome


def _gone(what: str) -> RefusedError:
    return RefusedError("invalid_grant", f"The {what} is not valid, or was used before.")


async def exchange(core: Core, app: App, code: str, redirect_uri: str, verifier: str) -> Issued:
    """Tokens for a code; raises ``RefusedError``. A second use ends what came of the first."""

    async def work(conn: Connection) -> _Outcome:
        found = await oauth.use_code(conn, identity.digest(code))
        grant = await oauth.grant(conn, found.grant_id) if found else None
        if found is None or grant is None or grant.app_id != app.id:
            return _gone("code")
        if found.used_at is not None:
            await oauth.revoke(conn, grant.id)
            return _gone("code")
        if found.expires_at <= time.time() or found.redirect_uri != redirect_uri:
            return _gone("code")
        if not _proves(verifier, found.challenge):
            return RefusedError("invalid_grant", "The verifier does not fit the challenge.")
        return await _issue(conn, app, grant, ACCESS_SECONDS, nonce=found.nonce)

    return await _settled(core, work)


def _proves(verifier: str, challenge: str) -> bool:
    """Whether it is the verifier of this challenge, or there is neither (RFC 9700, 2.1.1)."""
    if not challenge or not _VERIFIER.match(verifier):
        return not challenge and not verifier
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return hmac.compare_digest(made, challenge)


async def _issue(
    conn: Connection, app: App, grant: Grant, seconds: int, *, nonce: str = ""
) -> _Outcome:
    user = await users.by_id(conn, grant.user_id)
    if user is None or user.disabled_at is not None or grant.revoked_at is not None:
        return _gone("consent")
    role = oauth_apps.role_of(grant.scopes)
    secret, renewal, now = identity.new_token(), identity.new_token(), time.time()
    token_id = await tokens.add(
        conn,
        user_id=user.id,
        name=app.name,
        prefix=secret[:9],
        secret_hash=identity.digest(secret),
        scope=role or Scope.READ,
        namespace_ids=[] if role else _NOWHERE,
        repo_ids=[],
        expires_at=now + seconds,
    )
    await oauth.link_token(conn, token_id, grant.id)
    await oauth.add_refresh(conn, identity.digest(renewal), grant.id, now + REFRESH_SECONDS)
    return Issued(secret, renewal, seconds, grant, user, nonce)


async def renew(core: Core, app: App, secret: str) -> Issued:
    """New tokens for a refresh token, which ends; raises ``RefusedError``.

    One that comes a second time was stolen, or its successor was: all of the consent ends.
    """
    seconds = ACCESS_SECONDS if app.redirect_uris else DEVICE_ACCESS_SECONDS

    async def work(conn: Connection) -> _Outcome:
        found = await oauth.use_refresh(conn, identity.digest(secret))
        grant = await oauth.grant(conn, found.grant_id) if found else None
        if found is None or grant is None or grant.app_id != app.id:
            return _gone("refresh token")
        if found.used_at is not None:
            await oauth.revoke(conn, grant.id)
            return _gone("refresh token")
        if found.expires_at <= time.time():
            return _gone("refresh token")
        return await _issue(conn, app, grant, seconds)

    return await _settled(core, work)


async def revoke(core: Core, app: App, secret: str) -> None:
    """End the consent that a token of this app came of (RFC 7009); others are not touched."""

    async def work(conn: Connection) -> None:
        grant_id = await oauth.grant_of_secret(conn, identity.digest(secret))
        grant = await oauth.grant(conn, grant_id) if grant_id is not None else None
        if grant is not None and grant.app_id == app.id:
            await oauth.revoke(conn, grant.id)

    await core.store.write(work)


async def begin_device(core: Core, app: App, scope: str) -> Waiting:
    """A device asks to be let in; raises ``RefusedError``."""
    if app.redirect_uris:
        raise RefusedError("unauthorized_client", "This app is not registered for devices.")
    try:
        scopes = oauth_apps.parse_scopes(scope, app.scopes)
    except Invalid as error:
        raise RefusedError("invalid_scope", error.message) from None
    device_code = secrets.token_urlsafe(32)
    for _ in range(3):
        user_code = "".join(secrets.choice(_LETTERS) for _ in range(_USER_CODE))

        async def work(conn: Connection, user_code: str = user_code) -> None:
            await oauth.add_device(
                conn,
                secret_hash=identity.digest(device_code),
                user_code=user_code,
                app_id=app.id,
                scopes=scopes,
                expires_at=time.time() + DEVICE_SECONDS,
            )

        try:
            await core.store.write(work)
        except Conflict:
            continue
        return Waiting(device_code, user_code)
    raise RefusedError("temporarily_unavailable", "No code is free.")


async def poll(core: Core, app: App, device_code: str) -> Issued:
    """Tokens, once the device's person has let it in; raises ``RefusedError`` until then."""
    secret_hash = identity.digest(device_code)

    async def work(conn: Connection) -> _Outcome:
        found = await oauth.poll_device(conn, secret_hash)
        if found is None or found.app_id != app.id:
            return _gone("device code")
        now = time.time()
        if found.expires_at <= now:
            return RefusedError("expired_token", "The code has expired.")
        if found.denied_at is not None:
            return RefusedError("access_denied", "It was not let in.")
        grant = await oauth.grant(conn, found.grant_id) if found.grant_id is not None else None
        if grant is None:
            soon = found.polled_at is not None and now - found.polled_at < POLL_SECONDS - 1
            fault = "slow_down" if soon else "authorization_pending"
            return RefusedError(fault, "Nobody has answered yet.")
        if not await oauth.remove_device(conn, secret_hash):
            return _gone("device code")
        return await _issue(conn, app, grant, DEVICE_ACCESS_SECONDS)

    return await _settled(core, work)


async def waiting(core: Core, actor: Actor, typed: str) -> tuple[str, App, Sequence[str]]:
    """The device that waits under the code that somebody typed: its code, app and scopes.

    Raises ``NotFound``, and ``Busy`` after too many guesses.
    """
    account = f"device code of {actor.name}"
    await core.rates.check_sign_in(account, actor.address)
    code = "".join(letter for letter in typed.upper() if letter in _LETTERS)
    async with core.store.read() as conn:
        found = await oauth.waiting_device(conn, code)
        app = await oauth.app_by_id(conn, found.app_id) if found else None
    if found is None or app is None:
        await core.rates.count_failed_sign_in(account, actor.address)
        raise NotFound("No device waits under this code.", hint="Compare it, or begin again there.")
    return code, app, found.scopes


async def answer_device(core: Core, actor: Actor, typed: str, *, lets: bool) -> App:
    """Let the device in that waits under this code, or not."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "let apps in")
    code, app, scopes = await waiting(core, actor, typed)

    async def work(conn: Connection) -> None:
        if await oauth.waiting_device(conn, code) is None:
            raise NotFound("The device does not wait any more.")
        grant_id = await _let(conn, actor, app, scopes) if lets else None
        await oauth.answer_device(conn, code, grant_id)

    await core.store.write(work)
    return app


async def grant_of(core: Core, actor: Actor) -> Grant | None:
    """What the token of this request came of; None for one that a person made."""
    if actor.token_id is None:
        return None
    async with core.store.read() as conn:
        return await oauth.grant_of_token(conn, actor.token_id)
