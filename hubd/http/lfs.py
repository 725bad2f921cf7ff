"""Git LFS over HTTP (git-lfs ``docs/api``): the batch, and the bytes of its basic transfer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import msgspec
from aiohttp import web

from hubd import lfs
from hubd.core import repos
from hubd.errors import (
    Conflict,
    Denied,
    HubError,
    Invalid,
    NotFound,
    QuotaExceeded,
    SignInNeeded,
    TooLarge,
)
from hubd.http import ranges
from hubd.http.context import actor_of, core_of, note_denied, public_url, request_id
from hubd.http.smart import REPO
from hubd.lfs import batch, content
from hubd.lfs.batch import Answer, Wanted
from hubd.lfs.signing import ObjectTicket
from hubd.types import Actor, ActorKind, Channel, RepoAction, RepoRef

MEDIA_TYPE = "application/vnd.git-lfs+json"
MAX_BODY = 8 * 1024 * 1024
_TICKET = "/-/lfs/{ticket}"
# What the protocol wants for each kind, where it differs from the kind's own status.
_STATUS: dict[type[HubError], int] = {Invalid: 422, QuotaExceeded: 507}

RepoHandler = Callable[[web.Request, Actor, RepoRef], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status_of(error: HubError) -> int:
    """The status that LFS clients understand."""
    return _STATUS.get(type(error), error.status)


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
        actor = await actor_of(request, Channel.HTTP)
        match = request.match_info
        try:
            ref = RepoRef.from_path(f"{match['prefix']}{match['namespace']}/{match['name']}")
            return await handler(request, actor, ref)
        except NotFound:
            if actor.kind is ActorKind.ANONYMOUS:
                raise SignInNeeded("Sign in with a token.") from None
            raise

    return guarded


async def parse(request: web.Request, kind: type[msgspec.Struct]) -> Any:
    """The body as one of the protocol's requests; raises ``Invalid`` or ``TooLarge``."""
    data = bytearray()
    async for piece in ranges.body(request):
        data += piece
        if len(data) > MAX_BODY:
            raise TooLarge("The request is too large.")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"The request cannot be understood: {error}.") from None


class BatchRequest(msgspec.Struct):
    """The body of a batch; objects are judged one by one."""

    operation: str
    objects: list[Wanted]
    transfers: list[str] = []
    hash_algo: str = "sha256"
    ref: dict[str, Any] | None = None


@of_repo
async def objects_batch(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """What is to be sent or fetched, and where."""
    asked: BatchRequest = await parse(request, BatchRequest)
    if asked.operation not in {"upload", "download"}:
        raise Invalid("The operation is upload or download.")
    if asked.hash_algo != "sha256":
        raise Conflict("Objects are named by their SHA-256 here.")
    if asked.transfers and "basic" not in asked.transfers:
        raise Invalid("This server knows the basic transfer.")
    core = core_of(request)
    uploading = asked.operation == "upload"
    action = RepoAction.PUSH if uploading else RepoAction.READ
    repo = (await repos.find(core, actor, ref, action)).repo
    decide = batch.upload if uploading else batch.download
    answers = await decide(core.lfs, actor, repo, asked.objects)
    origin = public_url(request)
    body = {
        "transfer": "basic",
        "hash_algo": "sha256",
        "objects": [_rendered(core.lfs, origin, answer) for answer in answers],
    }
    return reply(body)


def _rendered(service: lfs.Lfs, origin: str, answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = {"oid": answer.oid, "size": answer.size}
    if answer.error is not None:
        text = answer.error.sentence
        return body | {"error": {"code": status_of(answer.error), "message": text}}
    body["authenticated"] = True
    ticket = answer.ticket
    if ticket is None:
        return body
    href = f"{origin}/-/lfs/{service.signer.sign(ticket)}"
    seconds = batch.UPLOAD_SECONDS if ticket.may_write else batch.DOWNLOAD_SECONDS
    action = {"href": href, "expires_in": seconds}
    if not ticket.may_write:
        return body | {"actions": {"download": action}}
    verify = {"href": f"{href}/verify", "expires_in": seconds}
    return body | {"actions": {"upload": action, "verify": verify}}


def _ticket(request: web.Request, *, may_write: bool) -> ObjectTicket:
    ticket = core_of(request).lfs.signer.check(ObjectTicket, request.match_info["ticket"])
    if ticket.may_write is not may_write:
        raise Denied("This address is for the other direction.")
    return ticket


@told
async def put_object(request: web.Request) -> web.StreamResponse:
    """The bytes of an upload."""
    ticket = _ticket(request, may_write=True)
    if request.content_length is not None and request.content_length != ticket.size:
        raise Invalid(f"The object has {ticket.size} bytes, not {request.content_length}.")
    core = core_of(request)
    repo = await repos.by_id(core, ticket.repo_id)
    pieces = content.gather(ranges.body(request))
    await content.receive(core.lfs, repo, ticket.user_id, ticket.oid, ticket.size, pieces)
    return web.Response()


@told
async def get_object(request: web.Request) -> web.StreamResponse:
    """The bytes of a download, whole or a range."""
    ticket = _ticket(request, may_write=False)
    core = core_of(request)
    service = core.lfs
    await repos.by_id(core, ticket.repo_id)
    link = await content.link(service, ticket.repo_id, ticket.oid)
    source = await object_bytes(service, ticket.oid, link.size)
    return await ranges.send(request, source, {"Content-Type": "application/octet-stream"})


async def object_bytes(service: lfs.Lfs, oid: str, size: int) -> ranges.Bytes:
    """An object as something to send; the caller has found the link."""
    return ranges.Bytes(
        size,
        f'"{oid}"',
        lambda start, end: content.read(service, oid, start, end),
        await content.local_path(service, oid),
    )


class VerifyRequest(msgspec.Struct):
    """What the client believes to have sent."""

    oid: str
    size: int


@told
async def verify(request: web.Request) -> web.StreamResponse:
    """Whether an upload has arrived."""
    ticket = _ticket(request, may_write=True)
    asked: VerifyRequest = await parse(request, VerifyRequest)
    if asked.oid != ticket.oid:
        raise Denied("This address is for another object.")
    link = await content.link(core_of(request).lfs, ticket.repo_id, ticket.oid)
    if link.size != asked.size:
        raise Invalid(f"The object has {link.size} bytes, not {asked.size}.")
    return reply({})


def routes() -> list[web.RouteDef]:
    """The addresses of LFS."""
    return [
        web.post(f"/{REPO}/info/lfs/objects/batch", objects_batch),
        web.put(_TICKET, put_object),
        web.get(_TICKET, get_object),
        web.post(f"{_TICKET}/verify", verify),
    ]
