"""Signing in and out."""

from __future__ import annotations

from aiohttp import web

from hubd.core import accounts
from hubd.errors import Busy, HubError, Invalid, SignInNeeded
from hubd.web import csrf
from hubd.web.visit import Visit, local, problem


async def show_login(visit: Visit) -> web.Response:
    """The form; who is signed in goes on at once."""
    if visit.browser is not None:
        return visit.go(visit.query("next", "/"))
    return _form(visit, visit.query("next", "/"))


def _form(visit: Visit, target: str, error: HubError | None = None) -> web.Response:
    cookie, token = csrf.login_token(visit.request)
    values = problem(error) if error else {}
    response = visit.show("login.html", token=token, next=local(target), **values)
    response.headers["Cache-Control"] = "no-store"
    csrf.set_cookie(visit.request, response, csrf.LOGIN, cookie, csrf.LOGIN_SECONDS)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return response


async def login(visit: Visit) -> web.Response:
    """Open a session; one that this browser had before ends."""
    target = visit.text("next")
    if not csrf.login_matches(visit.request, visit.form.get("csrf", "")):
        return _form(visit, target, Invalid("The form was too old. Please sign in again."))
    agent = visit.request.headers.get("User-Agent", "")
    try:
        signed_in = await accounts.sign_in(
            visit.core, visit.actor, visit.text("name"), visit.form.get("password", ""), agent
        )
    except (SignInNeeded, Busy) as error:
        return _form(visit, target, error)
    await end_session(visit)
    response = visit.go("/-/account/password" if signed_in.user.must_change_password else target)
    start_session(visit, response, signed_in)
    csrf.drop_cookie(visit.request, response, csrf.LOGIN)
    return response


async def logout(visit: Visit) -> web.Response:
    """End the session."""
    await end_session(visit)
    response = visit.go("/")
    csrf.drop_cookie(visit.request, response, csrf.SESSION)
    return response


async def end_session(visit: Visit) -> None:
    """End the session of this browser, if it has one."""
    secret = visit.request.cookies.get(csrf.cookie_name(visit.request, csrf.SESSION))
    if secret:
        await accounts.sign_out(visit.core, visit.actor, secret)


def start_session(visit: Visit, response: web.Response, signed_in: accounts.SignedIn) -> None:
    """Hand the browser its new secret."""
    csrf.set_cookie(visit.request, response, csrf.SESSION, signed_in.secret, signed_in.max_age)
