"""Pages on apps: letting one in, the code of a device, one's own apps and those let in."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web

from hubd.core import oauth, oauth_apps
from hubd.core.oauth import Asked
from hubd.errors import HubError, Invalid, NotFound
from hubd.types import Scope
from hubd.web.account import number
from hubd.web.visit import CONTENT_SECURITY_POLICY, Visit, problem

_APPS = "/-/account/apps"
_PARAMETERS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
# What an app may do in the end: roles are coarser than the names of scopes.
_ROLE_WORDS = {
    None: "See nothing but what everybody sees.",
    Scope.READ: "Read every repository that you may read.",
    Scope.WRITE: "Read, change and create repositories as you may, and speak for you there.",
}


async def show_consent(visit: Visit) -> web.Response:
    """What an app asks for, and whether to let it in."""
    query = visit.request.query
    if len(query) != len(set(query)):
        raise Invalid("The app that sent you here names a parameter twice.")
    request, fault = await oauth.asked(visit.core, query)
    if fault is not None:
        return _away(visit, request.answer(visit.origin, **_error(fault)))
    where = urlsplit(request.redirect_uri)
    response = visit.show(
        "oauth_consent.html",
        request=request,
        asked={name: query[name] for name in _PARAMETERS if name in query},
        told=_told(request.scopes),
        may=_ROLE_WORDS[oauth_apps.role_of(request.scopes)],
        where=where.netloc or f"{where.scheme}:",
    )
    # The answer to the form leads there, which browsers forbid unless it is named.
    target = f"{where.scheme}://{where.netloc}" if where.netloc else f"{where.scheme}:"
    allowed = CONTENT_SECURITY_POLICY.replace("form-action 'self'", f"form-action 'self' {target}")
    response.headers["Content-Security-Policy"] = allowed
    response.headers["Cache-Control"] = "no-store"
    return response


def _told(scopes: Sequence[str]) -> list[str]:
    words = {"profile": "your name and organizations", "email": "your e-mail address"}
    return [text for name, text in words.items() if name in scopes]


def _error(fault: oauth.RefusedError) -> dict[str, str]:
    return {"error": fault.fault, "error_description": fault.message}


def _away(visit: Visit, address: str) -> web.Response:
    """To the app, with nothing said of where from."""
    headers = {"Location": address, "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    return visit.guard(web.Response(status=303, headers=headers))


async def consent(visit: Visit) -> web.Response:
    """The answer; everything is judged again, as the form may say anything."""
    request, fault = await oauth.asked(visit.core, visit.form)
    if fault is not None:
        return _away(visit, request.answer(visit.origin, **_error(fault)))
    return _away(visit, await _answer(visit, request))


async def _answer(visit: Visit, request: Asked) -> str:
    if visit.text("answer") != "allow":
        denied = oauth.RefusedError("access_denied", "It was not let in.")
        return request.answer(visit.origin, **_error(denied))
    code = await oauth.allow(visit.core, visit.actor, request)
    return request.answer(visit.origin, code=code)


async def show_device(visit: Visit) -> web.Response:
    """The field for a device's code; with one, what waits under it."""
    return await _device(visit, visit.query("user_code"))


async def _device(visit: Visit, typed: str, error: HubError | None = None) -> web.Response:
    waits = None
    if typed and error is None:
        try:
            code, app, scopes = await oauth.waiting(visit.core, visit.actor, typed)
        except NotFound as unknown:
            error = unknown
        else:
            waits = {
                "code": oauth.shown_code(code),
                "app": app,
                "told": _told(scopes),
                "may": _ROLE_WORDS[oauth_apps.role_of(scopes)],
            }
    response = visit.show(
        "oauth_device.html", waits=waits, typed=typed[:20], **(problem(error) if error else {})
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def answer_device(visit: Visit) -> web.Response:
    """Let the device in that shows this code, or not."""
    lets = visit.text("answer") == "allow"
    try:
        await oauth.answer_device(visit.core, visit.actor, visit.text("user_code"), lets=lets)
    except NotFound as error:
        return await _device(visit, visit.text("user_code"), error)
    return visit.go("/-/device", "device-in" if lets else "device-out")


async def show_apps(visit: Visit) -> web.Response:
    """The apps that one let in, and those that one runs."""
    return await _apps(visit)


async def _apps(
    visit: Visit, error: HubError | None = None, made: oauth_apps.NewApp | None = None
) -> web.Response:
    owner = visit.query("owner") or visit.text("owner") or None
    response = visit.show(
        "account_apps.html",
        section="apps",
        owner=owner,
        granted=await oauth_apps.granted(visit.core, visit.actor),
        apps=await oauth_apps.listing(visit.core, visit.actor, owner),
        scopes=list(oauth_apps.SCOPES),
        made=made,
        **(problem(error) if error else {}),
    )
    response.headers["Cache-Control"] = "no-store"
    return response


async def add_app(visit: Visit) -> web.Response:
    """Register an app; this answer is the only one that shows its secret."""
    try:
        made = await oauth_apps.register(
            visit.core,
            visit.actor,
            visit.text("owner") or None,
            name=visit.text("name"),
            redirect_uris=visit.text("redirect_uris").split(),
            scopes=visit.text("scopes").split(),
            public=visit.checked("public"),
        )
    except HubError as error:
        return await _apps(visit, error)
    visit.form = {"owner": visit.text("owner")}
    return await _apps(visit, made=made)


async def remove_app(visit: Visit) -> web.Response:
    """Forget an app."""
    owner = visit.text("owner")
    await oauth_apps.remove(visit.core, visit.actor, number(visit, "id"), owner or None)
    return visit.go(f"{_APPS}?owner={owner}" if owner else _APPS, "app-removed")


async def end_grant(visit: Visit) -> web.Response:
    """Let an app do nothing more."""
    await oauth_apps.end(visit.core, visit.actor, number(visit, "id"))
    return visit.go(_APPS, "app-ended")
