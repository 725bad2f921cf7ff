"""What surrounds every HTTP request: who asks, from where, its id, and how refusals are told."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from hubd.core import auditing, identity
from hubd.core.context import Core
from hubd.errors import Bug, HubError, Invalid, SignInNeeded
from hubd.types import Actor, Channel, plain_address

CORE: web.AppKey[Core] = web.AppKey("core", Core)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Renderer = Callable[[web.Request, HubError], Awaitable[web.StreamResponse]]
ERRORS: web.AppKey[list[tuple[str, Renderer]]] = web.AppKey("errors", list)

log = structlog.get_logger()
_REQUEST_ID = "X-Request-Id"


def core_of(request: web.Request) -> Core:
    """The hub that serves this request."""
    return request.config_dict[CORE]


def request_id(request: web.Request) -> str:
    """The id in the log line, the ``X-Request-Id`` header and the error the person sees."""
    found: str = request.get("request_id", "")
    return found


def peer_address(request: web.Request) -> str:
    """The address at the other end of the connection itself."""
    return plain_address(request.remote or "")


def client_address(request: web.Request) -> str:
    """The client's address: the peer's, or what a trusted proxy says of it."""
    peer = peer_address(request)
    trusted = core_of(request).config.trusted_proxies
    chain = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    address = peer
    # From the nearest hop outward: each is believed only if the hop that names it is trusted.
    for hop in reversed([part for part in chain if part]):
        if not _is_trusted(address, trusted):
            break
        address = hop
    return address if _is_address(address) else peer


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(address: str, trusted: list[str]) -> bool:
    if not trusted or not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip in ipaddress.ip_network(network, strict=False) for network in trusted)


def is_secure(request: web.Request) -> bool:
    """Whether the person's browser speaks HTTPS."""
    if request.secure:
        return True
    trusted = core_of(request).config.trusted_proxies
    forwarded = request.headers.get("X-Forwarded-Proto", "") == "https"
    return forwarded and _is_trusted(peer_address(request), trusted)


def public_url(request: web.Request) -> str:
    """The address of the hub for links: the configured one that fits the request's host.

    Never made from what a client sends, but for the loopback names when nothing is configured.
    """
    urls = [url.rstrip("/") for url in core_of(request).config.public_urls]
    host = request.headers.get("Host", "").lower()
    for url in urls:
        if url.split("://", 1)[1].lower() == host:
            return url
    if urls:
        return urls[0]
    socket = request.transport.get_extra_info("sockname") if request.transport else None
    port = socket[1] if isinstance(socket, tuple) else 80
    name = host.rsplit(":", 1)[0] if host else "127.0.0.1"
    if name not in {"localhost", "127.0.0.1", "[::1]"}:
        name = "127.0.0.1"
    return f"{'https' if request.secure else 'http'}://{name}:{port}"


def stranger(request: web.Request, channel: Channel) -> Actor:
    """Nobody in particular, as seen through this request."""
    return Actor.anonymous(channel, client_address(request), request_id(request))


async def actor_of(request: web.Request, channel: Channel) -> Actor:
    """Who asks, by the ``Authorization`` header; anonymous without one.

    Any Basic user name goes with a valid token. Raises ``SignInNeeded`` for a credential that is
    not valid, also where none would be needed.
    """
    seen = stranger(request, channel)
    header = request.headers.get("Authorization")
    if header is None:
        return seen
    secret = _secret_of(header)
    if not secret:
        raise SignInNeeded("This form of sign-in is not known.", hint="Use a token of the hub.")
    actor = request["actor"] = await identity.by_token(core_of(request), secret, seen)
    return actor


def _secret_of(header: str) -> str:
    scheme, _, value = header.partition(" ")
    if scheme.lower() in {"bearer", "token"}:
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password or user


def tell_errors(app: web.Application, prefix: str, renderer: Renderer) -> None:
    """Have the errors of all addresses below a prefix told by this renderer."""
    app[ERRORS].append((prefix, renderer))


@web.middleware
async def surround(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Request id, errors, metrics and the access log; the outermost middleware."""
    request["request_id"] = secrets.token_hex(8)
    structlog.contextvars.bind_contextvars(request_id=request["request_id"])
    started = time.monotonic()
    try:
        response = await _answer(request, handler)
    finally:
        structlog.contextvars.clear_contextvars()
    if not response.prepared:
        response.headers[_REQUEST_ID] = request["request_id"]
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
    _observe(request, response.status, time.monotonic() - started)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HubError as error:
        note_denied(request, error)
        return await _render(request, error)
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004
            raise
        return await _render(request, _from_http(error))
    except RequestPayloadError as error:
        log.info("http.bad_body", path=request.path, reason=type(error).__name__)
        return await _render(request, Invalid("The body of the request is malformed or cut off."))
    except (ConnectionResetError, TimeoutError) as error:
        log.info("http.client_gone", path=request.path, reason=type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
        raise
    except Exception:
        log.exception("http.failed", path=request.path, request_id=request["request_id"])
        message = f"Internal error, id {request['request_id']}."
        return await _render(request, Bug(message, hint="Tell the operator this id."))


def note_denied(request: web.Request, error: HubError) -> None:
    """Have the audit log know of it, if somebody was denied something."""
    actor = request.get("actor")
    if actor is not None:
        auditing.note_denied(core_of(request), actor, f"{request.method} {request.path}", error)


def _from_http(error: web.HTTPException) -> HubError:
    from hubd import errors  # noqa: PLC0415

    kinds: dict[int, type[HubError]] = {404: errors.NotFound, 413: errors.TooLarge}
    if error.status in kinds:
        return kinds[error.status]("Not found." if error.status == 404 else "Too large.")  # noqa: PLR2004
    refused = Invalid(f"{error.reason}.")
    refused.__dict__["status"] = error.status
    return refused


async def _render(request: web.Request, error: HubError) -> web.StreamResponse:
    if error.status >= 500:  # noqa: PLR2004
        log.error("http.error", code=error.code, message=error.message, **error.details)
    for prefix, renderer in request.config_dict[ERRORS]:
        if request.path.startswith(prefix):
            return await renderer(request, error)
    return plain_error(error)


def plain_error(error: HubError) -> web.Response:
    """The sentence as text; git shows the first line of it as ``remote:``."""
    response = web.Response(status=error.status, text=error.sentence + "\n")
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(retry_after)))
    return response


def _observe(request: web.Request, status: int, seconds: float) -> None:
    metrics = core_of(request).metrics
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    metrics.http_requests_total.labels(route, request.method, str(status)).inc()
    metrics.http_request_seconds.labels(route).observe(seconds)
    # A ticket is a right to its bearer, who should not be whoever reads the log.
    path = route if "ticket" in request.match_info else request.path
    log.info(
        "http.request",
        method=request.method,
        path=path,
        status=status,
        ms=round(seconds * 1000, 1),
        request_id=request["request_id"],
    )
