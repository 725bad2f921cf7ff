"""One visit of a page: who is there, the form that was sent, and the answer with its headers.

Every page handler goes through ``page``, which finds the session, checks that a form comes from one
of our own pages, and lets nobody past a password that must be changed first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from aiohttp import web
from yarl import URL

from hubd.core import identity
from hubd.core.context import Core
from hubd.errors import Denied, HubError, Invalid, SignInNeeded, TooLarge
from hubd.http.context import actor_of, client_address, core_of, is_secure, public_url, request_id
from hubd.types import Actor, Channel
from hubd.web import csrf
from hubd.web.templating import PAGES

MAX_FORM = 256 * 1024
_MAX_FIELDS = 200
_FORM_SECONDS = 30.0
_FORM_TYPE = "application/x-www-form-urlencoded"
_PASSWORD_PAGE = "/-/account/password"  # noqa: S105
_OPEN_TO_NEW_PASSWORDS = frozenset({_PASSWORD_PAGE, "/-/logout"})
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@dataclass
class Visit:
    """What a page handler works with."""

    request: web.Request
    core: Core
    actor: Actor
    browser: identity.Browser | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def here(self) -> str:
        """The address of this page, for coming back after signing in."""
        return self.request.rel_url.raw_path_qs

    @property
    def origin(self) -> str:
        """The public address of the hub, for lines that people paste elsewhere."""
        return public_url(self.request)

    def csrf_token(self) -> str:
        """The hidden field of forms; another text each time, so that compression betrays none."""
        return csrf.masked(self.browser.session.csrf) if self.browser else ""

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the address."""
        return self.request.query.get(name, default)

    def text(self, name: str) -> str:
        """A field of the form without blanks around it; empty if it was not sent."""
        return self.form.get(name, "").strip()

    def checked(self, name: str) -> bool:
        """Whether a box of the form was ticked."""
        return name in self.form

    def show(self, template: str, status: int = 200, **values: Any) -> web.Response:
        """A page."""
        context = {
            "visit": self,
            "user": self.browser.user if self.browser else None,
            "actor": self.actor,
            "csrf": self.csrf_token,
            "done": self.query("done"),
            "error": None,
            "form": self.form,
        }
        body = self.request.config_dict[PAGES].render(template, {**context, **values})
        response = web.Response(status=status, body=body, content_type="text/html", charset="utf-8")
        if len(body) > 1024:  # noqa: PLR2004
            response.enable_compression()
        return self.guard(response)

    def go(self, path: str, done: str = "") -> web.Response:
        """On to another page of ours, after a form; ``done`` names the sentence shown there."""
        target = local(path)
        if done:
            target += ("&" if "?" in target else "?") + "done=" + quote(done)
        return self.guard(web.Response(status=303, headers={"Location": target}))

    def moved(self, path: str) -> web.Response:
        """The page lies at another address now."""
        query = self.request.rel_url.raw_query_string
        target = local(path) + (f"?{query}" if query else "")
        return self.guard(web.Response(status=301, headers={"Location": target}))

    def guard(self, response: web.Response) -> web.Response:
        """Add the headers that every page has."""
        protect(self.request, response.headers)
        return response


def protect(request: web.Request, headers: Any) -> None:
    """What tells a browser how little a page of ours may do."""
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cache-Control", "private, no-cache")
    headers.setdefault("Vary", "Cookie")
    if is_secure(request):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")


def local(path: str) -> str:
    """The path if it is one of this hub, else the first page."""
    parts = urlsplit(path) if path.isprintable() and path.isascii() else None
    if (
        parts is None
        or parts.scheme
        or parts.netloc
        or not path.startswith("/")
        or path.startswith("//")
        or "\\" in path
    ):
        return "/"
    return path


def tail(request: web.Request, skipped: int) -> str:
    """What the address has after its first segments, decoded once; git's bytes survive."""
    raw = request.rel_url.raw_path.split("/", skipped + 1)
    rest = raw[skipped + 1] if len(raw) > skipped + 1 else ""
    return unquote(rest.strip("/"), errors="surrogateescape")


PageHandler = Callable[[Visit], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page(
    handler: PageHandler,
    *,
    sign_in: bool = False,
    own_csrf: bool = False,
    multipart: bool = False,
    token: bool = False,
) -> Handler:
    """A page handler as aiohttp calls it.

    With ``sign_in`` nobody comes in without a session; with ``own_csrf`` the handler checks the
    form's token itself, as the sign-in page does; with ``multipart`` it reads the form, too;
    ``token``: programs may come with one of theirs.
    """

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        if token and "Authorization" in request.headers:
            actor = await actor_of(request, Channel.API)
            return await handler(Visit(request, core_of(request), actor))
        visit = await visit_of(request)
        request["visit"] = visit
        if request.method == "POST":
            csrf.require_same_site(request)
            if not multipart:
                visit.form = await _read_form(request)
            if not own_csrf and not multipart:
                check_token(visit, visit.form.get("csrf", ""))
        if sign_in and visit.browser is None:
            raise SignInNeeded("Sign in to see this page.")
        user = visit.browser.user if visit.browser else None
        if user and user.must_change_password and request.path not in _OPEN_TO_NEW_PASSWORDS:
            return visit.go(_PASSWORD_PAGE)
        return await handler(visit)

    return guarded


async def visit_of(request: web.Request) -> Visit:
    """The visit of this request, by its session cookie."""
    core = core_of(request)
    seen = Actor.anonymous(Channel.WEB, client_address(request), request_id(request))
    secret = request.cookies.get(csrf.cookie_name(request, csrf.SESSION))
    browser = await identity.by_session(core, secret, seen) if secret else None
    if browser:
        request["actor"] = browser.actor
    return Visit(request, core, browser.actor if browser else seen, browser)


def check_token(visit: Visit, token: str) -> None:
    """Refuse a form that does not carry the token of this session."""
    if visit.browser is None:
        raise SignInNeeded("You are not signed in any more.")
    if not csrf.matches(token, visit.browser.session.csrf):
        raise Denied(
            "This form was not sent from a page of this hub.",
            hint="Open the page again and repeat what you did.",
        )


async def _read_form(request: web.Request) -> dict[str, str]:
    if request.content_type != _FORM_TYPE:
        raise Invalid("The form was not sent as a browser sends it.")
    body = bytearray()
    async with asyncio.timeout(_FORM_SECONDS):
        while piece := await request.content.read(65536):
            body += piece
            if len(body) > MAX_FORM:
                raise TooLarge("The form is too large.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MAX_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Invalid("The form cannot be read.") from None
    return dict(pairs)


def sign_in_address(visit: Visit) -> str:
    """The sign-in page that leads back here; after a form it leads to the first page."""
    if visit.request.method not in {"GET", "HEAD"} or visit.here == "/":
        return "/-/login"
    return str(URL("/-/login").with_query(next=visit.here))


def problem(error: HubError) -> dict[str, Any]:
    """What a form's page shows of a refusal."""
    return {"error": error, "status": error.status}
