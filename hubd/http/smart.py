"""Git over smart HTTP (gitprotocol-http): parse, one call of the core, pump bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from hubd.core import fetch, push
from hubd.errors import Busy, HubError, Invalid, NotFound, SignInNeeded, TooLarge
from hubd.http.context import actor_of, core_of, note_denied, plain_error
from hubd.http.pump import Pump
from hubd.pktline import FLUSH, err_packet, sideband
from hubd.procs import Child
from hubd.types import Actor, ActorKind, Channel, RepoRef

# CSGHub's clients have their mount before the repository, in LFS too.
_MOUNT = "{mount:(?:(?:csg|hf|ms)/)?}"
REPO = _MOUNT + "{prefix:(?:(?:models|datasets|spaces|codes)/)?}{namespace:[^/]+}/{name:[^/]+}"
_NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}
_BODY_PIECE = 256 * 1024
_SMALL_PUSH = 4 * 1024 * 1024
_SERVICES = ("git-upload-pack", "git-receive-pack")

GitHandler = Callable[[web.Request, Actor, RepoRef], Awaitable[web.StreamResponse]]


def _git(handler: GitHandler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Sign-in and errors in git's own way: 401 asks its client for a credential.

    For a stranger a repository that is private and one that is not there are the same 401.
    """

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        actor = Actor.anonymous(Channel.HTTP)
        try:
            actor = await actor_of(request, Channel.HTTP)
            match = request.match_info
            ref = RepoRef.from_path(f"{match['prefix']}{match['namespace']}/{match['name']}")
            return await handler(request, actor, ref)
        except HubError as error:
            note_denied(request, error)
            hidden = isinstance(error, NotFound) and actor.kind is ActorKind.ANONYMOUS
            if hidden or isinstance(error, SignInNeeded):
                return _challenge(error)
            if isinstance(error, Busy) and (said := await _in_protocol(request, error)):
                return _git_answer(request, error, said)
            return plain_error(error)

    return guarded


def _challenge(error: HubError) -> web.Response:
    text = error.sentence if isinstance(error, SignInNeeded) else "Sign in with a token."
    headers = {"WWW-Authenticate": 'Basic realm="hubd", charset="UTF-8"'}
    return web.Response(status=401, text=text + "\n", headers=headers)


async def _in_protocol(request: web.Request, error: Busy) -> bytes:
    """The refusal in git's protocol, since of a refused POST its client shows no text.

    A fetch takes an error packet (gitprotocol-pack), a push the third side band once it is sent.
    """
    if request.path.endswith("/git-upload-pack"):
        return err_packet(f"{error.sentence}\n")
    if not request.path.endswith("/git-receive-pack"):
        return b""
    sent = await _beginning(request)
    shows = b"side-band-64k" in sent and request.content.at_eof()
    return sideband(3, f"{error.sentence}\n".encode()) + FLUSH if shows else b""


async def _beginning(request: web.Request) -> bytes:
    """A small body whole, and what is read of a larger one until it is found to be that."""
    body = bytearray()
    async with asyncio.timeout(core_of(request).config.idle_timeout):
        while len(body) < _SMALL_PUSH and (piece := await request.content.read(_BODY_PIECE)):
            body += piece
    return bytes(body)


def _git_answer(request: web.Request, error: HubError, said: bytes) -> web.Response:
    response = plain_error(error)
    response.set_status(200)
    response.content_type = f"application/x-{request.path.rpartition('/')[2]}-result"
    response.body = said
    return response


async def info_refs(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """What a repository has to offer; the first request of every clone and push."""
    service = request.query.get("service", "")
    if service not in _SERVICES:
        raise Invalid("This server speaks smart HTTP only.", hint="Use a newer git.")
    core = core_of(request)
    protocol = fetch.check_protocol(request.headers.get("Git-Protocol"))
    if service == "git-upload-pack":
        body = await fetch.advertise(core, await fetch.admit(core, actor, ref), protocol)
    else:
        body = await push.advertise(core, await push.admit(core, actor, ref), protocol)
    banner = f"# service={service}\n".encode()
    body = b"%04x%s0000%s" % (len(banner) + 4, banner, body)
    return web.Response(
        body=body, content_type=f"application/x-{service}-advertisement", headers=_NO_CACHE
    )


async def upload_pack(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """A clone or fetch."""
    core = core_of(request)
    _require_type(request, "git-upload-pack")
    reading = await fetch.admit(core, actor, ref)
    protocol = fetch.check_protocol(request.headers.get("Git-Protocol"))
    body = await _small_body(request)
    if "version=2" not in protocol.split(":"):
        async with fetch.answer_v0(core, reading, protocol, stateless=True) as child:
            core.tasks.start(fetch.feed(child, body), "upload-pack request")
            return await _stream(request, "git-upload-pack", lambda pump: pump.from_child(child))
    async with fetch.answer_v2(core, reading, body) as source:
        if source.data is not None:
            return web.Response(
                body=source.data,
                content_type="application/x-git-upload-pack-result",
                headers=_NO_CACHE,
            )
        answer, made = source.answer, source.child
        if answer is not None:
            return await _stream(request, "git-upload-pack", lambda pump: pump.from_answer(answer))
        assert made is not None, "a source has one of three"  # noqa: S101
        return await _stream(request, "git-upload-pack", lambda pump: pump.from_child(made))


async def receive_pack(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """A push."""
    core = core_of(request)
    _require_type(request, "git-receive-pack")
    reading = await push.admit(core, actor, ref)
    protocol = fetch.check_protocol(request.headers.get("Git-Protocol"))
    async with push.receive(core, reading, protocol, stateless=True) as running:
        child = running.child

        async def both(pump: Pump) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(_feed_body(request, child))
                group.create_task(pump.from_child(child))
            await child.wait()

        try:
            return await _stream(request, "git-receive-pack", both)
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None


async def _stream(
    request: web.Request, service: str, send: Callable[[Pump], Awaitable[None]]
) -> web.StreamResponse:
    response = web.StreamResponse(headers=_NO_CACHE)
    response.content_type = f"application/x-{service}-result"
    response.headers["X-Request-Id"] = request["request_id"]
    response.enable_chunked_encoding()
    await response.prepare(request)
    core = core_of(request)
    pump = Pump(request, response, core.config.idle_timeout)
    try:
        await send(pump)
    except (OSError, HubError, RequestPayloadError) as error:
        # The head is sent: only a broken end tells the client that something is missing.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from error
    finally:
        core.metrics.fetch_bytes_total.inc(pump.sent)
    await response.write_eof()
    return response


def _require_type(request: web.Request, service: str) -> None:
    if request.content_type != f"application/x-{service}-request":
        raise Invalid(f"The body must be application/x-{service}-request.")


async def _small_body(request: web.Request) -> bytes:
    """A fetch request, unpacked; aiohttp has undone its gzip, so this counts the real bytes."""
    body = bytearray()
    idle = core_of(request).config.idle_timeout
    while True:
        async with asyncio.timeout(idle):
            piece = await request.content.read(_BODY_PIECE)
        if not piece:
            return bytes(body)
        body += piece
        fetch.check_request_size(len(body))


async def _feed_body(request: web.Request, child: Child) -> None:
    """The pushed pack into git; what git does not want any more is read and dropped."""
    config = core_of(request).config
    total, open_ = 0, True
    while True:
        async with asyncio.timeout(config.idle_timeout):
            piece = await request.content.read(_BODY_PIECE)
        if not piece:
            break
        total += len(piece)
        if total > config.push_limit + _BODY_PIECE:
            raise TooLarge("The push is too large.")
        if open_:
            try:
                await child.write(piece)
            except (BrokenPipeError, ConnectionResetError):
                open_ = False
    child.close_stdin()


def routes() -> list[web.RouteDef]:
    """The three addresses of smart HTTP."""
    return [
        web.get(f"/{REPO}/info/refs", _git(info_refs), allow_head=False),
        web.post(f"/{REPO}/git-upload-pack", _git(upload_pack)),
        web.post(f"/{REPO}/git-receive-pack", _git(receive_pack)),
    ]
