"""Forms come from our own pages only: tokens, the origin check, and the cookies' names."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from urllib.parse import urlsplit

from aiohttp import web
from itsdangerous import BadSignature, URLSafeTimedSerializer

from hubd.errors import Denied
from hubd.http.context import is_secure, public_url

SESSION = "hubd"
LOGIN = "hubd-login"
LOGIN_SECONDS = 24 * 3600
SIGNER: web.AppKey[URLSafeTimedSerializer] = web.AppKey("login-signer", URLSafeTimedSerializer)


def cookie_name(request: web.Request, name: str) -> str:
    """With HTTPS the name binds the cookie to this very host (RFC 6265bis, section 4.1.3)."""
    return f"__Host-{name}" if is_secure(request) else name


def set_cookie(
    request: web.Request, response: web.Response, name: str, value: str, max_age: int
) -> None:
    """A cookie that no script reads and no other site's form sends."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        secure=is_secure(request),
        samesite="Lax",
    )


def drop_cookie(request: web.Request, response: web.Response, name: str) -> None:
    """Have the browser forget it."""
    response.del_cookie(
        cookie_name(request, name),
        path="/",
        httponly=True,
        secure=is_secure(request),
        samesite="Lax",
    )


def masked(secret: str) -> str:
    """The secret under a fresh one-time pad, so that its bytes differ on every page."""
    data = secret.encode()
    pad = secrets.token_bytes(len(data))
    mixed = bytes(a ^ b for a, b in zip(data, pad, strict=True))
    return base64.urlsafe_b64encode(pad + mixed).decode()


def matches(token: str, secret: str) -> bool:
    """Whether a form's token is this secret under some pad."""
    try:
        data = base64.urlsafe_b64decode(token.encode())
    except (binascii.Error, ValueError):
        return False
    half = len(data) // 2
    plain = bytes(a ^ b for a, b in zip(data[:half], data[half : 2 * half], strict=True))
    return hmac.compare_digest(plain, secret.encode())


def require_same_site(request: web.Request) -> None:
    """Refuse a form that another site sent, by what browsers say of where it comes from."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        raise Denied("This form was sent by another site.", hint="Open the page here.")
    origin = request.headers.get("Origin")
    if origin is None:
        return
    own = {urlsplit(public_url(request)).netloc.lower(), request.headers.get("Host", "").lower()}
    if urlsplit(origin).netloc.lower() not in own - {""}:
        raise Denied("This form was sent by another site.", hint="Open the page here.")


def login_token(request: web.Request) -> tuple[str, str]:
    """A cookie value for a browser without a session, and the form field signed to match it."""
    value = request.cookies.get(cookie_name(request, LOGIN), "")
    if len(value) != 43:  # noqa: PLR2004
        value = secrets.token_urlsafe(32)
    return value, request.config_dict[SIGNER].dumps(value)


def login_matches(request: web.Request, token: str) -> bool:
    """Whether the sign-in form's field was signed for this browser's cookie."""
    cookie = request.cookies.get(cookie_name(request, LOGIN), "")
    try:
        value = request.config_dict[SIGNER].loads(token, max_age=LOGIN_SECONDS)
    except BadSignature:
        return False
    return bool(cookie) and isinstance(value, str) and hmac.compare_digest(value, cookie)


def new_signer() -> URLSafeTimedSerializer:
    """Signs sign-in forms; its key lives as long as the daemon."""
    return URLSafeTimedSerializer(secrets.token_bytes(32), salt="hubd sign-in form")
