"""The account: profile, password, SSH keys, access tokens, browser sessions."""

from __future__ import annotations

from aiohttp import web

from hubd.core import accounts, credentials, orgs, storage
from hubd.errors import HubError, Invalid
from hubd.types import Scope
from hubd.web import signin
from hubd.web.visit import Visit, problem

_DAY = 86400.0
LIFETIMES = {"7": "7 days", "30": "30 days", "90": "90 days", "365": "1 year", "": "No end"}


async def show_profile(visit: Visit) -> web.Response:
    """Name and e-mail address."""
    return await _profile(visit)


async def _profile(visit: Visit, error: HubError | None = None) -> web.Response:
    user = await accounts.me(visit.core, visit.actor)
    return visit.show(
        "account_profile.html",
        section="profile",
        person=user,
        orgs=await orgs.of_user(visit.core, user.id),
        **(problem(error) if error else {}),
    )


async def save_profile(visit: Visit) -> web.Response:
    """Change them."""
    try:
        await accounts.update(
            visit.core,
            visit.actor,
            visit.actor.name,
            full_name=visit.text("full_name"),
            email=visit.text("email") or None,
        )
    except HubError as error:
        return await _profile(visit, error)
    return visit.go("/-/account", "saved")


async def show_password(visit: Visit) -> web.Response:
    """The form for a new password."""
    return _password(visit)


def _password(visit: Visit, error: HubError | None = None) -> web.Response:
    return visit.show(
        "account_password.html",
        section="password",
        least=visit.core.config.password_min_length,
        **(problem(error) if error else {}),
    )


async def save_password(visit: Visit) -> web.Response:
    """Replace it; every session of the account ends and this browser gets a new one."""
    old, new = visit.form.get("old", ""), visit.form.get("new", "")
    try:
        if new != visit.form.get("again", ""):
            raise Invalid("The two new passwords differ.")
        await accounts.change_own_password(visit.core, visit.actor, old, new)
    except HubError as error:
        return _password(visit, error)
    agent = visit.request.headers.get("User-Agent", "")
    signed_in = await accounts.sign_in(visit.core, visit.actor, visit.actor.name, new, agent)
    response = visit.go("/-/account/password", "password")
    signin.start_session(visit, response, signed_in)
    return response


async def show_keys(visit: Visit) -> web.Response:
    """The SSH keys, and the form for one more."""
    return await _keys(visit)


async def _keys(visit: Visit, error: HubError | None = None, warning: str = "") -> web.Response:
    return visit.show(
        "account_keys.html",
        section="keys",
        keys=await credentials.list_keys(visit.core, visit.actor),
        warning=warning,
        **(problem(error) if error else {}),
    )


async def add_key(visit: Visit) -> web.Response:
    """Let one more key sign in."""
    try:
        added = await credentials.add_key(
            visit.core, visit.actor, visit.text("key"), name=visit.text("name")
        )
    except HubError as error:
        return await _keys(visit, error)
    if added.warning:
        visit.form = {}
        return await _keys(visit, warning=added.warning)
    return visit.go("/-/account/keys", "key-added")


async def remove_key(visit: Visit) -> web.Response:
    """Forget a key."""
    await credentials.remove_key(visit.core, visit.actor, number(visit, "id"))
    return visit.go("/-/account/keys", "key-removed")


async def show_tokens(visit: Visit) -> web.Response:
    """The tokens, and the form for one more."""
    return await _tokens(visit)


async def _tokens(
    visit: Visit, error: HubError | None = None, made: credentials.NewToken | None = None
) -> web.Response:
    response = visit.show(
        "account_tokens.html",
        section="tokens",
        tokens=await credentials.list_tokens(visit.core, visit.actor),
        lifetimes=LIFETIMES,
        made=made,
        **(problem(error) if error else {}),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def add_token(visit: Visit) -> web.Response:
    """Make a token; this answer is the only one that shows its secret."""
    try:
        days = visit.text("days")
        if days not in LIFETIMES:
            raise Invalid("Choose one of the given lifetimes.")
        made = await credentials.add_token(
            visit.core,
            visit.actor,
            name=visit.text("name"),
            scope=Scope.parse(visit.text("scope")),
            lifetime_seconds=int(days) * _DAY if days else None,
            namespace_names=visit.text("namespaces").replace(",", " ").split(),
        )
    except HubError as error:
        return await _tokens(visit, error)
    visit.form = {}
    return await _tokens(visit, made=made)


async def revoke_token(visit: Visit) -> web.Response:
    """End a token."""
    await credentials.revoke_token(visit.core, visit.actor, number(visit, "id"))
    return visit.go("/-/account/tokens", "token-revoked")


async def show_sessions(visit: Visit) -> web.Response:
    """The browsers that are signed in."""
    return visit.show(
        "account_sessions.html",
        section="sessions",
        sessions=await accounts.own_sessions(visit.core, visit.actor),
        current=visit.browser.session.id if visit.browser else 0,
    )


async def end_session(visit: Visit) -> web.Response:
    """Sign another browser out."""
    await accounts.end_session(visit.core, visit.actor, number(visit, "id"))
    return visit.go("/-/account/sessions", "session-ended")


async def show_storage(visit: Visit) -> web.Response:
    """What one's repositories have of large files, and may have."""
    account = await storage.of_namespace(visit.core, visit.actor, visit.actor.name)
    return visit.show("account_storage.html", section="storage", account=account)


def number(visit: Visit, name: str) -> int:
    """A whole number of the form; raises ``Invalid``."""
    text = visit.text(name)
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004
        raise Invalid("The form lacks a number.")
    return int(text)
