"""Uploads in parts, in the two forms that clients know.

``multipart``: huggingface_hub's SDK and git-lfs agent and CSGHub's, where the header of one upload
action holds the size and the addresses of all parts, and its address finishes. ``multipart-basic``:
giftless' ``docs/source/multipart-spec.md``, where each part and the end are actions of their own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from hubd import lfs
from hubd.core import repos
from hubd.http import ranges
from hubd.http.context import core_of
from hubd.http.lfs_wire import TICKET, parse, reply, ticket_of, to_the_end, told
from hubd.lfs import content, multipart
from hubd.lfs.multipart import Session
from hubd.lfs.signing import PartTicket

HUGGING_FACE = "multipart"
GIFTLESS = "multipart-basic"
# git-lfs hands the addresses to the agent in the order of their keys as text.
PADDING = 5
_PARTS = "/-/lfs-parts/{ticket}"


def actions(
    service: lfs.Lfs, origin: str, href: str, session: Session, way: str, padding: int
) -> dict[str, Any]:
    """What to do for an upload in parts, without ``verify``; ``href`` is that of the object."""
    life = {"expires_in": multipart.SECONDS}
    upload = session.upload
    finish = f"{href}/complete?uploadId={upload.id}"
    if way == HUGGING_FACE:
        header = {"chunk_size": str(upload.part_size)} | {
            str(number).zfill(padding): _part(service, origin, session, number)
            for number in session.numbers
        }
        return {"upload": {"href": finish, "header": header, **life}}
    parts = []
    for number in session.numbers:
        if number not in session.stored:
            offset, size = multipart.span(upload, number)
            address = _part(service, origin, session, number)
            parts.append({"href": address, "pos": offset, "size": size, **life})
    return {
        "parts": parts,
        "commit": {"href": finish, **life},
        "abort": {"href": f"{href}/abort?uploadId={upload.id}", **life},
    }


def _part(service: lfs.Lfs, origin: str, session: Session, number: int) -> str:
    upload = session.upload
    ticket = PartTicket(
        repo_id=upload.repo_id,
        user_id=upload.user_id,
        upload_id=upload.id,
        number=number,
        expires_at=upload.expires_at,
    )
    # The query is for CSGHub's SDK, which reads it; the ticket decides.
    query = f"uploadId={upload.id}&partNumber={number}"
    return f"{origin}/-/lfs-parts/{service.signer.sign(ticket)}?{query}"


@told
async def put_part(request: web.Request) -> web.StreamResponse:
    """The bytes of one part."""
    core = core_of(request)
    ticket = core.lfs.signer.check(PartTicket, request.match_info["ticket"])
    await repos.by_id(core, ticket.repo_id)
    pieces = content.gather(ranges.body(request))
    etag = await multipart.receive(core.lfs, ticket, request.content_length, pieces)
    return web.Response(headers={"ETag": f'"{etag}"'})


class PartClaim(msgspec.Struct, rename="camel"):
    """What the client was told of a part."""

    part_number: int
    etag: str


class CompleteRequest(msgspec.Struct):
    """The end of an upload; giftless' clients send nothing."""

    parts: list[PartClaim] = []


@told
async def complete(request: web.Request) -> web.StreamResponse:
    """All parts are there: put them together."""
    ticket = ticket_of(request, may_write=True)
    asked: CompleteRequest = await parse(request, CompleteRequest, may_be_empty=True)
    claimed = {part.part_number: part.etag for part in asked.parts}
    core = core_of(request)
    repo = await repos.by_id(core, ticket.repo_id)
    upload_id = request.query.get("uploadId", "")
    await to_the_end(request, multipart.complete(core.lfs, repo, ticket, upload_id, claimed))
    return reply({})


@told
async def abort(request: web.Request) -> web.StreamResponse:
    """The client gives up."""
    ticket = ticket_of(request, may_write=True)
    await multipart.abort(core_of(request).lfs, ticket, request.query.get("uploadId", ""))
    return reply({})


def routes() -> list[web.RouteDef]:
    """The addresses of uploads in parts."""
    return [
        web.put(_PARTS, put_part),
        web.post(f"{TICKET}/complete", complete),
        web.post(f"{TICKET}/abort", abort),
    ]
