"""Xet over HTTP: xorbs, shards, reconstructions and chunk queries; tokens are the Hub's dialect.

Source: xet-core's ``cas_client`` and the published CAS API. Everything lies below
``/xet/REPOID-EPOCH``, the address that a token names, but telemetry, which clients send to the
root. What is not known here answers 404, never 200: to an upload grant 200 means "stored already".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from hubd.core import repos
from hubd.core.repos import Found
from hubd.errors import (
    Busy,
    Denied,
    HubError,
    Invalid,
    NotFound,
    SignInNeeded,
    TooLarge,
    Unavailable,
)
from hubd.http import ranges
from hubd.http.context import core_of, plain_error, public_url, tell_errors
from hubd.lfs import content, xet, xet_files
from hubd.lfs.xet import Plan, XetTicket, XorbTicket
from hubd.types import Actor, RepoRef

_PLACE = "/xet/{repo_id:[0-9]{1,18}}-{epoch:[0-9]{1,9}}"
_HASH = "{hash:[0-9a-f]{64}}"
_XORB = "/-/xet/{ticket}"
# Clients take a silent server for a dead one after 30 s.
_BEAT_SECONDS = 10.0
# A client sends several xorbs at once, and each piece is held three times while it is checked.
_PIECE = 256 * 1024
_MAX_TELEMETRY = 1024 * 1024
_NO_CACHE = {"Cache-Control": "no-store"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _json(body: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), content_type="application/json", headers=headers
    )


async def _admit(request: web.Request, *, may_write: bool) -> tuple[XetTicket, Actor, Found]:
    """Whose token it is, if he may still do this to the repository of the address."""
    core = core_of(request)
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    try:
        ticket = core.lfs.signer.check(XetTicket, text.strip())
    except Denied as error:
        # Another than 401 would not make the client ask for a new one.
        raise SignInNeeded(error.message, hint=error.hint) from None
    if scheme.lower() != "bearer" or str(ticket.repo_id) != request.match_info["repo_id"]:
        raise SignInNeeded("This token is for another repository.")
    if may_write and not ticket.may_write:
        raise Denied("This token is for reading.")
    repo = await repos.by_id(core, ticket.repo_id)
    actor = ticket.actor
    ref = RepoRef(repo.type, repo.namespace, repo.name)
    return ticket, actor, await repos.find_for_content(core, actor, ref, may_write=may_write)


async def post_xorb(request: web.Request) -> web.StreamResponse:
    """New chunks, packed."""
    ticket, _, found = await _admit(request, may_write=True)
    if ticket.user_id is None:
        raise SignInNeeded("Sign in with a token.")
    is_new = await xet.receive_xorb(
        core_of(request).lfs,
        found.repo,
        ticket.user_id,
        request.match_info["hash"],
        request.content_length,
        content.gather(ranges.body(request), _PIECE),
    )
    return _json({"was_inserted": is_new})


async def _whole(request: web.Request, most: int) -> bytearray:
    data = bytearray()
    async for piece in ranges.body(request):
        data += piece
        if len(data) > most:
            raise TooLarge(f"The body has more than {most} bytes.")
    return data


async def post_shard_v1(request: web.Request) -> web.StreamResponse:
    """The files that chunks make, answered when all are verified."""
    _, actor, found = await _admit(request, may_write=True)
    core = core_of(request)
    async with core.limits.shard(actor):
        data = await _whole(request, xet_files.MAX_SHARD)
        is_new = await xet_files.register(core.lfs, actor, found.repo, data, lambda *_: None)
    return _json({"result": int(is_new)})


async def post_shard_v2(request: web.Request) -> web.StreamResponse:
    """As v1, with lines that say how far the work is."""
    _, actor, found = await _admit(request, may_write=True)
    core = core_of(request)
    line: dict[str, Any] = {"type": "validating", "verified": 0, "total": 0}

    def told(verified: int, total: int) -> None:
        line.update(verified=verified, total=total)

    async with core.limits.shard(actor):
        data = await _whole(request, xet_files.MAX_SHARD)
        response = web.StreamResponse(headers=_NO_CACHE)
        response.content_type = "application/x-ndjson"
        response.headers["X-Request-Id"] = request["request_id"]
        work = asyncio.ensure_future(xet_files.register(core.lfs, actor, found.repo, data, told))
        try:
            # What fails at once, or is done at once, is told without delay.
            await asyncio.wait([work], timeout=0.1)
            await response.prepare(request)
            while not work.done():
                await response.write(msgspec.json.encode(line) + b"\n")
                await asyncio.wait([work], timeout=_BEAT_SECONDS)
            await response.write(msgspec.json.encode(_outcome(work)) + b"\n")
            await response.write_eof()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
    return response


def _outcome(work: asyncio.Future[bool]) -> dict[str, Any]:
    error = work.exception()
    if error is None:
        return {"type": "result"}
    if not isinstance(error, HubError):
        raise error
    retryable = isinstance(error, Unavailable | Busy)
    return {"type": "error", "message": error.sentence, "retryable": retryable}


async def reconstruction(request: web.Request) -> web.StreamResponse:
    """Which chunks make a file, or a range of it, and where to fetch them."""
    ticket, _, _ = await _admit(request, may_write=False)
    try:
        asked = request.http_range
    except ValueError:
        raise Invalid("The range cannot be understood.") from None
    start = asked.start or 0
    if start < 0:
        raise Invalid("A range from the end is not known here.")
    file_hash = request.match_info["hash"]
    plan = await xet.reconstruct(core_of(request).lfs, ticket, file_hash, start, asked.stop)
    render = _plan_v1 if request.match_info["version"] == "1" else _plan_v2
    return _json(render(plan, f"{public_url(request)}/-/xet"), _NO_CACHE)


def _terms(plan: Plan) -> dict[str, Any]:
    return {
        "offset_into_first_range": plan.offset,
        "terms": [
            {
                "hash": piece.xorb,
                "unpacked_length": piece.length,
                "range": {"start": piece.first, "end": piece.end},
            }
            for piece in plan.pieces
        ],
    }


def _plan_v2(plan: Plan, url: str) -> dict[str, Any]:
    # One address a range: for several, clients want multipart, which stores do not speak.
    fetches = {
        name: [
            {
                "url": f"{url}/{one.ticket}",
                "ranges": [
                    {
                        "chunks": {"start": one.first, "end": one.end},
                        "bytes": {"start": one.start, "end": one.stop - 1},
                    }
                ],
            }
            for one in found
        ]
        for name, found in plan.fetches.items()
    }
    return _terms(plan) | {"xorbs": fetches}


def _plan_v1(plan: Plan, url: str) -> dict[str, Any]:
    fetches = {
        name: [
            {
                "range": {"start": one.first, "end": one.end},
                "url": f"{url}/{one.ticket}",
                "url_range": {"start": one.start, "end": one.stop - 1},
            }
            for one in found
        ]
        for name, found in plan.fetches.items()
    }
    return _terms(plan) | {"fetch_info": fetches}


async def chunk(request: web.Request) -> web.StreamResponse:
    """What holds a chunk, for who may use it."""
    ticket, actor, _ = await _admit(request, may_write=False)
    name = request.match_info["hash"]
    data = await xet.query_chunk(core_of(request).lfs, actor, ticket.repo_id, name)
    return web.Response(body=data, content_type="application/octet-stream", headers=_NO_CACHE)


async def get_xorb(request: web.Request) -> web.StreamResponse:
    """The bytes of a xorb that an address is for, by Range."""
    core = core_of(request)
    ticket = core.lfs.signer.check(XorbTicket, request.match_info["ticket"])
    await repos.by_id(core, ticket.repo_id)
    source = await xet.open_xorb(core.lfs, ticket)
    found = ranges.Bytes(source.size, f'"{ticket.xorb}"', source.read, source.path)
    start, end = ranges.wanted_range(request, found.size, found.etag) or (0, found.size)
    if start < ticket.start or end > ticket.end:
        raise Denied("This address is for other chunks.")
    return await ranges.send(request, found, {"Content-Type": "application/octet-stream"})


async def telemetry(request: web.Request) -> web.StreamResponse:
    """Taken and dropped; clients do not wait for more."""
    await _whole(request, _MAX_TELEMETRY)
    return _json({})


async def unknown(_request: web.Request) -> web.StreamResponse:
    """Whatever a newer client tries first."""
    raise NotFound("Not found.")


async def _tell(_request: web.Request, error: HubError) -> web.StreamResponse:
    """The sentence as text, which clients show; never a page or the way to one."""
    return plain_error(error)


def add_to(app: web.Application) -> None:
    """The addresses of Xet; those that take everything come last."""
    app.add_routes(
        [
            web.post(f"{_PLACE}/v1/xorbs/{{prefix}}/{_HASH}", post_xorb),
            web.post(f"{_PLACE}/v1/shards", post_shard_v1),
            web.post(f"{_PLACE}/v2/shards", post_shard_v2),
            web.get(f"{_PLACE}/v{{version:[12]}}/reconstructions/{_HASH}", reconstruction),
            web.get(f"{_PLACE}/v1/chunks/{{prefix}}/{_HASH}", chunk),
            web.get(_XORB, get_xorb),
            web.post("/v1/telemetry", telemetry),
        ]
    )
    for prefix in ("/xet/", "/v1/", "/v2/"):
        app.router.add_route("*", f"{prefix}{{tail:.*}}", unknown)
        tell_errors(app, prefix, _tell)
    tell_errors(app, _XORB.partition("{")[0], _tell)
