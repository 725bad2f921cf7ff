"""Git LFS over HTTP (git-lfs ``docs/api``): the batch, and the bytes of its basic transfer."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hubd import lfs
from hubd.core import repos
from hubd.errors import Conflict, Denied, Invalid
from hubd.http import lfs_parts, ranges
from hubd.http.context import core_of, public_url
from hubd.http.lfs_wire import TICKET, of_repo, parse, reply, ticket_of, to_the_end, told
from hubd.http.smart import REPO
from hubd.lfs import batch, content, direct
from hubd.lfs.batch import Answer, Wanted
from hubd.lfs.status import status_of
from hubd.types import Actor, RepoRef

# The ways to upload that we know, the better ones first.
_TRANSFERS = (lfs_parts.GIFTLESS, lfs_parts.HUGGING_FACE, "basic")


class BatchRequest(msgspec.Struct):
    """The body of a batch; objects are judged one by one."""

    operation: str
    objects: list[Wanted]
    transfers: list[str] = []
    hash_algo: str = "sha256"
    ref: dict[str, Any] | None = None
    # Sent by CSGHub's SDK alone, which knows no other way than parts.
    upload_id: str | msgspec.UnsetType | None = msgspec.UNSET


@of_repo
async def objects_batch(request: web.Request, actor: Actor, ref: RepoRef) -> web.StreamResponse:
    """What is to be sent or fetched, and where."""
    asked: BatchRequest = await parse(request, BatchRequest)
    if asked.operation not in {"upload", "download"}:
        raise Invalid("The operation is upload or download.")
    if asked.hash_algo != "sha256":
        raise Conflict("Objects are named by their SHA-256 here.")
    offered = asked.transfers or ["basic"]
    known = [name for name in _TRANSFERS if name in offered]
    if not known:
        raise Invalid("This server knows the basic transfer.")
    core = core_of(request)
    origin = public_url(request)
    uploads = asked.operation == "upload"
    repo = (await repos.find_for_content(core, actor, ref, may_write=uploads)).repo
    if not uploads:
        answers = await batch.download(core.lfs, actor, repo, asked.objects)
        bodies = [_rendered(core.lfs, origin, answer) for answer in answers]
        return reply({"transfer": "basic", "hash_algo": "sha256", "objects": bodies})
    insists = asked.upload_id is not msgspec.UNSET
    by_git = request.headers.get("User-Agent", "").startswith("git-lfs/")
    # Clients of the Hub then send all by Xet, whatever the actions say; an agent of git-lfs by this
    # name wants to be told where.
    may_chunk = "xet" in offered and not insists and not by_git
    limit = _parts_above(core.config.parts_above, known, insists=insists)
    answers = await batch.upload(
        core.lfs,
        actor,
        repo,
        asked.objects,
        parts_above=None if may_chunk else limit,
        again=insists,
        # Other clients do not send the headers that the object store wants to see.
        may_go_direct=by_git,
    )
    way = known[0] if any(answer.session for answer in answers) else "basic"
    if may_chunk and any(answer.ticket for answer in answers):
        way = "xet"
    padding = 0 if insists else lfs_parts.PADDING
    bodies = [_rendered(core.lfs, origin, answer, way, padding) for answer in answers]
    return reply({"transfer": way, "hash_algo": "sha256", "objects": bodies})


def _parts_above(limit: int, known: list[str], *, insists: bool) -> int | None:
    """The size above which this client sends parts; None if it cannot."""
    if known == ["basic"]:
        return None
    return limit if "basic" in known and not insists else -1


def _rendered(
    service: lfs.Lfs, origin: str, answer: Answer, way: str = "basic", padding: int = 0
) -> dict[str, Any]:
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
    action: dict[str, Any] = {"href": href, "expires_in": seconds}
    if answer.direct is not None:
        link = answer.direct
        action = {"href": link.href, "header": link.headers, "expires_in": link.expires_in}
    if not ticket.may_write:
        return body | {"actions": {"download": action}}
    which = f"?uploadId={answer.upload_id}" if answer.upload_id else ""
    verify = {"href": f"{href}/verify{which}", "expires_in": seconds}
    if answer.session is None:
        return body | {"actions": {"upload": action, "verify": verify}}
    sending = lfs_parts.actions(service, origin, href, answer.session, way, padding)
    return body | {"actions": sending | {"verify": verify}}


@told
async def put_object(request: web.Request) -> web.StreamResponse:
    """The bytes of an upload."""
    ticket = ticket_of(request, may_write=True)
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
    ticket = ticket_of(request, may_write=False)
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
    ticket = ticket_of(request, may_write=True)
    asked: VerifyRequest = await parse(request, VerifyRequest)
    if asked.oid != ticket.oid:
        raise Denied("This address is for another object.")
    core = core_of(request)
    repo = await repos.by_id(core, ticket.repo_id)
    upload_id = request.query.get("uploadId", "")
    await to_the_end(request, direct.adopt(core.lfs, repo, ticket, upload_id))
    link = await content.link(core.lfs, ticket.repo_id, ticket.oid)
    if link.size != asked.size:
        raise Invalid(f"The object has {link.size} bytes, not {asked.size}.")
    return reply({})


def routes() -> list[web.RouteDef]:
    """The addresses of LFS."""
    return [
        web.post(f"/{REPO}/info/lfs/objects/batch", objects_batch),
        web.put(TICKET, put_object),
        web.get(TICKET, get_object),
        web.post(f"{TICKET}/verify", verify),
    ]
