"""Apps that people sign in to with their account here: who runs them, and what they may ask for."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from hubd import access
from hubd.core import identity, orgs
from hubd.core.context import Core
from hubd.errors import Invalid, NotFound
from hubd.store import audit, oauth, queries
from hubd.store.engine import Connection
from hubd.store.namespaces import Namespace
from hubd.store.oauth import App, Grant
from hubd.types import Actor, HubAction, NamespaceAction, Scope

__all__ = ["App", "Grant"]
# The Hub's names of scopes, with the role of the tokens that come of them; None: who you are.
SCOPES: dict[str, Scope | None] = {
    "openid": None,
    "profile": None,
    "email": None,
    "read-repos": Scope.READ,
    "gated-repos": Scope.READ,
    "inference-api": Scope.READ,
    "contribute-repos": Scope.WRITE,
    "write-repos": Scope.WRITE,
    "manage-repos": Scope.WRITE,
    "write-discussions": Scope.WRITE,
    "jobs": Scope.WRITE,
    "webhooks": Scope.WRITE,
}
MAX_REDIRECTS = 10
_MAX_URI = 2000
# What may stand in a policy for browsers as it is.
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]*\Z")
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}\Z")


@dataclass(frozen=True, slots=True)
class NewApp:
    """An app just registered; ``secret`` is shown this once, and empty for a public client."""

    app: App
    secret: str


def role_of(scopes: Sequence[str]) -> Scope | None:
    """What tokens with these scopes may do; None: tell who somebody is, nothing more."""
    return max((role for name in scopes if (role := SCOPES.get(name)) is not None), default=None)


def parse_scopes(text: str, most: Sequence[str]) -> list[str]:
    """Scopes with blanks between, all of ``most`` by default; raises ``Invalid`` for others."""
    asked = list(dict.fromkeys(text.split())) or list(most)
    unknown = [name for name in asked if name not in most]
    if unknown:
        raise Invalid(f"The scope {unknown[0][:50]!r} is not one that this app may ask for.")
    return asked


def check_redirect(uri: str) -> str:
    """An address that answers may go to; raises ``Invalid``.

    HTTPS; HTTP for this machine only; or a scheme of the app's own, named after a domain (RFC
    8252). Never with a fragment, a wildcard has no meaning.
    """
    parts = _split(uri)
    own = _PRIVATE_SCHEME.match(parts.scheme) and not parts.netloc
    local = parts.scheme == "http" and parts.hostname in {*_LOOPBACK, "localhost"}
    if not (own or local or (parts.scheme == "https" and parts.hostname)):
        raise Invalid(
            f"Answers cannot be sent to {uri[:100]!r}.",
            hint="Use https://, http://127.0.0.1 or a scheme like com.example.app:/.",
        )
    return uri


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        plain = uri.isascii() and uri.isprintable() and not set(uri) & set(' "#\\')
        # Asking for the port of an address with a wrong one raises ValueError.
        fits = _HOST.match(parts.netloc) and parts.port != 0 and len(uri) <= _MAX_URI
        if not (plain and fits):
            raise ValueError
    except ValueError:
        raise Invalid(f"{uri[:100]!r} is no address for answers.") from None
    return parts


def is_registered(app: App, uri: str) -> bool:
    """Whether answers may go there: letter by letter, but for the port of a loopback address."""
    if uri in app.redirect_uris:
        return True
    try:
        asked = _split(uri)
    except Invalid:
        return False
    return any(
        known.scheme == asked.scheme == "http"
        and known.hostname == asked.hostname
        and known.hostname in _LOOPBACK
        and (known.path, known.query) == (asked.path, asked.query)
        for known in map(urlsplit, app.redirect_uris)
    )


async def _owned(core: Core, actor: Actor, owner: str | None) -> Namespace:
    """The namespace whose apps the actor manages: its own unless named."""
    found, _ = await orgs.namespace(core, owner or actor.name)
    async with core.store.read() as conn:
        role = await queries.namespace_role(conn, found.id, actor.user_id)
    verdict = access.decide_namespace(actor, NamespaceAction.MANAGE_APPS, found.id, role)
    access.require(verdict, f"manage the apps of {found.name}")
    return found


async def register(
    core: Core,
    actor: Actor,
    owner: str | None = None,
    *,
    name: str,
    redirect_uris: Sequence[str],
    scopes: Sequence[str],
    public: bool,
) -> NewApp:
    """Make an app known. One without addresses for answers is for devices (RFC 8628)."""
    namespace = await _owned(core, actor, owner)
    if not _NAME.match(name.strip()):
        raise Invalid("An app's name has 1 to 100 characters.")
    if len(redirect_uris) > MAX_REDIRECTS:
        raise Invalid(f"An app has at most {MAX_REDIRECTS} addresses for answers.")
    uris = [check_redirect(uri) for uri in dict.fromkeys(redirect_uris)]
    wanted = parse_scopes(" ".join(scopes), list(SCOPES)) if scopes else ["openid", "profile"]
    client_id = secrets.token_hex(16)
    secret = "" if public else identity.new_token()

    async def work(conn: Connection) -> App:
        app_id = await oauth.add_app(
            conn,
            namespace_id=namespace.id,
            client_id=client_id,
            name=name.strip(),
            secret_hash=identity.digest(secret) if secret else None,
            redirect_uris=uris,
            scopes=wanted,
        )
        await audit.add(conn, actor, "app.add", namespace.name, {"client_id": client_id})
        app = await oauth.app_by_id(conn, app_id)
        assert app is not None, "just written"  # noqa: S101
        return app

    return NewApp(await core.store.write(work), secret)


async def listing(core: Core, actor: Actor, owner: str | None = None) -> Sequence[App]:
    """The apps of a user or organization."""
    namespace = await _owned(core, actor, owner)
    async with core.store.read() as conn:
        return await oauth.apps(conn, namespace.id)


async def remove(core: Core, actor: Actor, app_id: int, owner: str | None = None) -> None:
    """Forget an app, ending what people let it do; raises ``NotFound``."""
    namespace = await _owned(core, actor, owner)

    async def work(conn: Connection) -> None:
        if not await oauth.remove_app(conn, namespace.id, app_id):
            raise NotFound("There is no such app.")
        await audit.add(conn, actor, "app.remove", namespace.name, {"app": app_id})

    await core.store.write(work)


async def granted(core: Core, actor: Actor) -> Sequence[tuple[Grant, App]]:
    """What one lets apps do."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "see your apps")
    async with core.store.read() as conn:
        return await oauth.grants(conn, actor.user_id or 0)


async def end(core: Core, actor: Actor, grant_id: int) -> None:
    """Let an app do nothing more; its tokens end now. Raises ``NotFound``."""
    access.require(access.decide_hub(actor, HubAction.MANAGE_OWN_ACCOUNT), "manage your apps")

    async def work(conn: Connection) -> None:
        if not await oauth.revoke(conn, grant_id, actor.user_id or 0):
            raise NotFound("There is no such app.")
        await audit.add(conn, actor, "oauth.end", actor.name, {"grant": grant_id})

    await core.store.write(work)
