"""The table of pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from hubd.http.context import tell_errors
from hubd.web import (
    account,
    change,
    copies,
    create,
    csrf,
    discussions,
    errorpages,
    files,
    gates,
    lists,
    oauth,
    raw,
    refs,
    settings,
    signin,
)
from hubd.web.place import repo_page
from hubd.web.render import RENDERER, Renderer
from hubd.web.templating import PAGES, Pages
from hubd.web.visit import PageHandler, page

_NAMESPACE = "{namespace:[A-Za-z0-9][^/]*}"
_REPO = "/{prefix:(?:(?:datasets|spaces|codes)/)?}" + _NAMESPACE + "/{name:[A-Za-z0-9][^/]*}"
_REST = "/{rest:.+}"


def add_to(app: web.Application) -> None:
    """Add pages, their templates, and the processes that render."""
    pages = Pages()
    app[PAGES] = pages
    app[RENDERER] = Renderer()
    app[csrf.SIGNER] = csrf.new_signer()
    app.cleanup_ctx.append(_rendering)
    app.router.add_get("/-/static/{mark}/{file}", pages.serve)
    app.router.add_get("/favicon.ico", _favicon)
    _add(app, "GET", "/-/login", signin.show_login)
    app.router.add_post("/-/login", page(signin.login, own_csrf=True))
    _add(app, "POST", "/-/logout", signin.logout)
    _add_account(app)
    _add_apps(app)
    _add(app, "GET", "/", lists.home)
    for name in ("models", "datasets", "spaces", "codes"):
        _add(app, "GET", f"/{name}", lists.of_type)
    _add(app, "GET", f"/{_NAMESPACE}", lists.namespace)
    _add_repositories(app)
    tell_errors(app, "/", errorpages.tell)


def _add(app: web.Application, method: str, path: str, handler: PageHandler, **how: Any) -> None:
    app.router.add_route(method, path, page(handler, **how))
    if method == "GET":
        app.router.add_route("HEAD", path, page(handler, **how))


def _add_account(app: web.Application) -> None:
    """Pages for who is signed in only."""
    for method, path, handler in (
        ("GET", "/-/account", account.show_profile),
        ("POST", "/-/account", account.save_profile),
        ("GET", "/-/account/password", account.show_password),
        ("POST", "/-/account/password", account.save_password),
        ("GET", "/-/account/keys", account.show_keys),
        ("POST", "/-/account/keys", account.add_key),
        ("POST", "/-/account/keys/remove", account.remove_key),
        ("GET", "/-/account/tokens", account.show_tokens),
        ("POST", "/-/account/tokens", account.add_token),
        ("POST", "/-/account/tokens/revoke", account.revoke_token),
        ("GET", "/-/account/sessions", account.show_sessions),
        ("POST", "/-/account/sessions", account.end_session),
        ("GET", "/-/account/storage", account.show_storage),
        ("GET", "/-/new", create.show_new),
        ("POST", "/-/new", create.new),
        ("GET", "/-/organizations/new", create.show_new_org),
        ("POST", "/-/organizations/new", create.new_org),
        ("GET", "/-/organizations/{name}", create.show_org),
        ("POST", "/-/organizations/{name}", create.change_org),
    ):
        _add(app, method, path, handler, sign_in=True)


def _add_apps(app: web.Application) -> None:
    """Pages on apps that people sign in to with their account here."""
    for method, path, handler in (
        ("GET", "/oauth/authorize", oauth.show_consent),
        ("POST", "/oauth/authorize", oauth.consent),
        ("GET", "/-/device", oauth.show_device),
        ("POST", "/-/device", oauth.answer_device),
        ("GET", "/-/account/apps", oauth.show_apps),
        ("POST", "/-/account/apps", oauth.add_app),
        ("POST", "/-/account/apps/remove", oauth.remove_app),
        ("POST", "/-/account/apps/end", oauth.end_grant),
    ):
        _add(app, method, path, handler, sign_in=True)


def _add_repositories(app: web.Application) -> None:
    _add(app, "GET", _REPO, repo_page(files.home, verb=False))
    for verb, handler, needs_rest in (
        ("tree", files.tree, False),
        ("blob", files.blob, True),
        ("blame", files.blame, True),
        ("commits", files.history, False),
        ("commit", files.commit, True),
    ):
        if not needs_rest:
            _add(app, "GET", f"{_REPO}/{verb}", repo_page(handler))
        _add(app, "GET", f"{_REPO}/{verb}{_REST}", repo_page(handler))
    _add(app, "GET", f"{_REPO}/raw{_REST}", repo_page(raw.raw, head=False), token=True)
    _add(app, "POST", f"{_REPO}/like", repo_page(files.like, head=False), sign_in=True)
    _add(app, "GET", f"{_REPO}/branches", repo_page(refs.branches))
    _add(app, "POST", f"{_REPO}/branches", repo_page(refs.change), sign_in=True)
    _add(app, "GET", f"{_REPO}/compare", repo_page(refs.compare))
    _add_changes(app)
    _add_discussions(app)
    _add(app, "GET", f"{_REPO}/ask-access", repo_page(gates.show))
    _add(app, "POST", f"{_REPO}/ask-access", repo_page(gates.ask), sign_in=True)
    _add(app, "GET", f"{_REPO}/duplicate", repo_page(copies.show), sign_in=True)
    _add(app, "POST", f"{_REPO}/duplicate", repo_page(copies.make), sign_in=True)
    _add(app, "GET", f"{_REPO}/settings", repo_page(settings.show))
    _add(app, "POST", f"{_REPO}/settings/{{section}}", repo_page(settings.change), sign_in=True)


def _add_changes(app: web.Application) -> None:
    for verbs, rest in (("new|upload", ""), ("new|upload|edit|delete", _REST)):
        path = f"{_REPO}/{{change:{verbs}}}{rest}"
        _add(app, "GET", path, repo_page(change.show), sign_in=True)
        _add(app, "POST", path, repo_page(change.change), sign_in=True, multipart=True)


def _add_discussions(app: web.Application) -> None:
    every = f"{_REPO}/discussions"
    one = every + r"/{num:\d{1,9}}"
    _add(app, "GET", every, repo_page(discussions.listing))
    _add(app, "GET", f"{every}/new", repo_page(discussions.show_new), sign_in=True)
    _add(app, "POST", f"{every}/new", repo_page(discussions.new), sign_in=True)
    _add(app, "GET", one, repo_page(discussions.show))
    _add(app, "POST", one, repo_page(discussions.change), sign_in=True)
    _add(app, "GET", f"{one}/changes", repo_page(discussions.changes))
    _add(app, "POST", f"{one}/changes", repo_page(discussions.comment_line), sign_in=True)


async def _favicon(request: web.Request) -> web.Response:
    address = request.config_dict[PAGES].static["mark.svg"].address
    return web.Response(status=302, headers={"Location": address})


async def _rendering(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[RENDERER].close()
