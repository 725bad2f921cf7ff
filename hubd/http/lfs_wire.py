"""What all LFS endpoints share: who asks, and answers in the protocol's own shape."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import msgspec
from aiohttp import web

from hubd.core import remote_auth
from hubd.errors import Denied, HubError, Invalid, NotFound, SignInNeeded, TooLarge
from hubd.http import ranges
from hubd.http.context import actor_of, core_of, note_denied, request_id, stranger
from hubd.lfs.signing import ObjectTicket
from hubd.lfs.status import status_of
from hubd.types import Actor, ActorKind, Channel, RepoRef

MEDIA_TYPE = "application/vnd.git-lfs+json"
MAX_BODY = 8 * 1024 * 1024
# Where one object is sent and fetched.
TICKET = "/-/lfs/{ticket}"

RepoHandler = Callable[[web.Request, Actor, RepoRef], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def failure(request: web.Request, error: HubError) -> web.Response:
    """A whole reply that is an error."""
    headers = {}
    if isinstance(error, SignInNeeded):
        challenge = 'Basic realm="hubd", charset="UTF-8"'
        headers = {"LFS-Authenticate": challenge, "WWW-Authenticate": challenge}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    body = {"message": error.sentence, "request_id": request_id(request)}
    return reply(body, status_of(error), headers)


def reply(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in the protocol's media type."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type=MEDIA_TYPE, headers=headers
    )


def told(handler: Handler) -> Handler:
    """Errors in the protocol's own shape."""

    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except HubError as error:
            note_denied(request, error)
            return failure(request, error)

    return guarded


def of_repo(handler: RepoHandler) -> Handler:
    """Who asks, and of which repository.

    For a stranger a repository that is private and one that is not there are the same 401.
    """

    @told
    @wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        actor = await _actor(request)
        match = request.match_info
        try:
            ref = RepoRef.from_path(f"{match['prefix']}{match['namespace']}/{match['name']}")
            return await handler(request, actor, ref)
        except NotFound:
            if actor.kind is ActorKind.ANONYMOUS:
                raise SignInNeeded("Sign in with a token.") from None
            raise

    return guarded


async def parse(
    request: web.Request, kind: type[msgspec.Struct], *, may_be_empty: bool = False
) -> Any:
    """The body as one of the protocol's requests; raises ``Invalid`` or ``TooLarge``."""
    data = bytearray()
    async for piece in ranges.body(request):
        data += piece
        if len(data) > MAX_BODY:
            raise TooLarge("The request is too large.")
    if may_be_empty and not data:
        return kind()
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The request cannot be understood: {error}.") from None


async def _actor(request: web.Request) -> Actor:
    """As everywhere, or by the short-lived token that SSH hands out for these endpoints alone."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and remote_auth.is_token(secret):
        return await remote_auth.redeem(core_of(request), secret, stranger(request, Channel.HTTP))
    return await actor_of(request, Channel.HTTP)


def ticket_of(request: web.Request, *, may_write: bool) -> ObjectTicket:
    """The right that the address carries; raises ``Denied``."""
    ticket = core_of(request).lfs.signer.check(ObjectTicket, request.match_info["ticket"])
    if ticket.may_write is not may_write:
        raise Denied("This address is for the other direction.")
    return ticket


async def to_the_end(request: web.Request, work: Coroutine[Any, Any, None]) -> None:
    """Do what may outlast the client's patience; when it asks again, it is done."""

    async def caught() -> HubError | None:
        try:
            await work
        except HubError as error:
            return error
        return None

    error = await asyncio.shield(core_of(request).tasks.start(caught(), "finish an upload"))
    if error is not None:
        raise error
