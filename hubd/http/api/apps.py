"""Apps that people sign in to with their account here, and what they let apps do."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from hubd.core import oauth_apps
from hubd.core.oauth_apps import App, Grant
from hubd.http.api.endpoint import Call, Endpoint
from hubd.http.api.shapes import Answer, Request, Time, when


class AppAnswer(Answer, frozen=True, kw_only=True):
    """A registered app; a public one has no secret."""

    id: int
    client_id: str
    name: str
    public: bool
    redirect_uris: list[str]
    scopes: list[str]
    created_at: Time


class NewApp(Request, frozen=True, kw_only=True):
    """An app to be; without redirect URIs it is one for devices."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    redirect_uris: Annotated[list[str], Meta(max_length=oauth_apps.MAX_REDIRECTS)] = field(
        default_factory=list
    )
    scopes: list[str] = field(default_factory=list)
    public: bool = False


class AppMade(Answer, frozen=True, kw_only=True):
    """An app just registered; the secret is shown this once, and empty for a public one."""

    app: AppAnswer
    secret: str


class GrantAnswer(Answer, frozen=True, kw_only=True):
    """What one lets an app do."""

    id: int
    app: str
    client_id: str
    scopes: list[str]
    created_at: Time


def _app(app: App) -> AppAnswer:
    return AppAnswer(
        id=app.id,
        client_id=app.client_id,
        name=app.name,
        public=app.secret_hash is None,
        redirect_uris=app.redirect_uris,
        scopes=app.scopes,
        created_at=when(app.created_at),
    )


async def list_apps(call: Call) -> list[AppAnswer]:
    """The apps of the account or organization, newest first."""
    return [
        _app(app)
        for app in await oauth_apps.listing(call.core, call.actor, call.names["namespace"])
    ]


async def add_app(call: Call, body: NewApp) -> AppMade:
    """Register an app."""
    made = await oauth_apps.register(
        call.core,
        call.actor,
        call.names["namespace"],
        name=body.name,
        redirect_uris=body.redirect_uris,
        scopes=body.scopes,
        public=body.public,
    )
    return AppMade(app=_app(made.app), secret=made.secret)


async def remove_app(call: Call) -> None:
    """Forget an app, ending what people let it do."""
    await oauth_apps.remove(call.core, call.actor, call.id, call.names["namespace"])


async def list_grants(call: Call) -> list[GrantAnswer]:
    """What one lets apps do now, newest first."""
    return [_grant(*pair) for pair in await oauth_apps.granted(call.core, call.actor)]


def _grant(grant: Grant, app: App) -> GrantAnswer:
    return GrantAnswer(
        id=grant.id,
        app=app.name,
        client_id=app.client_id,
        scopes=grant.scopes,
        created_at=when(grant.created_at),
    )


async def end_grant(call: Call) -> None:
    """Let an app do nothing more; its tokens end now."""
    await oauth_apps.end(call.core, call.actor, call.id)


APPS = "/namespaces/{namespace}/apps"
ENDPOINTS = [
    Endpoint("GET", APPS, list_apps, "List a user's or organization's apps"),
    Endpoint("POST", APPS, add_app, "Register an app", status=201),
    Endpoint("DELETE", APPS + "/{id}", remove_app, "Remove an app"),
    Endpoint("GET", "/me/grants", list_grants, "List apps that I let in"),
    Endpoint("DELETE", "/me/grants/{id}", end_grant, "End what I let an app do"),
]
