"""Sends stored bytes: whole or one range (RFC 9110, section 14), files by sendfile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import BodyPartReader, web

from hubd.core.download import File, close
from hubd.errors import Invalid
from hubd.http.context import core_of, stranger
from hubd.types import Channel

PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is sent: ``size`` bytes that ``read(start, end)`` hands out, or that ``file`` holds."""

    size: int
    etag: str
    read: Callable[[int, int], AsyncIterator[bytes]]
    file: str | None = None

    @classmethod
    def of(cls, file: File) -> Bytes:
        """A file of a repository."""
        return cls(file.size, f'"{file.mark}"', file.read, file.path)


def wanted_range(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """The bytes [start, end) asked for, or None for all of them.

    What cannot be understood, or is about another version (``If-Range``), counts as not asked.
    Raises ``HTTPRequestRangeNotSatisfiable`` for a range beyond the end.
    """
    condition = request.headers.get("If-Range", etag)
    if "Range" not in request.headers or condition.strip('"') != etag.strip('"'):
        return None
    try:
        asked = request.http_range
    except ValueError:
        return None
    start = asked.start or 0
    if start < 0:
        start = max(0, size + start)
    end = size if asked.stop is None else min(asked.stop, size)
    if start >= size:
        raise web.HTTPRequestRangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, end


async def send(
    request: web.Request, source: Bytes, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer to GET or HEAD; a client that takes nothing for a while is given up."""
    etag = source.etag
    if etag.strip('"') in request.headers.get("If-None-Match", "").replace('"', "").split(", "):
        return web.Response(status=304, headers={**headers, "ETag": etag})
    part = wanted_range(request, source.size, etag)
    start, end = part or (0, source.size)
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = etag
    response.headers["X-Request-Id"] = request["request_id"]
    response.headers["X-Content-Type-Options"] = "nosniff"
    if part:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{source.size}"
    response.content_length = end - start
    if request.method == "HEAD" or end == start:
        await response.prepare(request)
        return response
    who = request.get("actor") or stranger(request, Channel.API)
    async with core_of(request).limits.download(who):
        return await _send_body(request, response, source, start, end)


async def _send_body(
    request: web.Request, response: web.StreamResponse, source: Bytes, start: int, end: int
) -> web.StreamResponse:
    pieces = None
    if source.file is None:
        # The first piece before the head: a source that fails is still an honest status.
        pieces = source.read(start, end)
        first = await anext(pieces, b"")
    await response.prepare(request)
    try:
        if source.file is not None:
            await _send_file(request, source.file, start, end)
        elif pieces is not None:
            await _send_pieces(request, response, first, pieces)
    except Exception as error:
        # The head is sent: only a broken end tells the client that something is missing.
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError(str(error)) from error
    await response.write_eof()
    return response


async def _send_pieces(
    request: web.Request,
    response: web.StreamResponse,
    first: bytes,
    rest: AsyncIterator[bytes],
) -> None:
    idle = core_of(request).config.idle_timeout
    try:
        async with asyncio.timeout(idle):
            await response.write(first)
        async for piece in rest:
            async with asyncio.timeout(idle):
                await response.write(piece)
    finally:
        await close(rest)


async def _send_file(request: web.Request, path: str, start: int, end: int) -> None:
    loop = asyncio.get_running_loop()
    transport = request.transport
    if transport is None or not isinstance(transport, asyncio.WriteTransport):
        raise ConnectionResetError
    idle = core_of(request).config.idle_timeout
    file: BinaryIO = await asyncio.to_thread(open, path, "rb")
    try:
        for offset in range(start, end, PIECE):
            async with asyncio.timeout(idle):
                await loop.sendfile(transport, file, offset, min(PIECE, end - offset))
    finally:
        file.close()


async def body(request: web.Request) -> AsyncIterator[bytes]:
    """The request's body as it comes; a client that sends nothing for a while is given up."""
    async for piece in _coming(request, request.content.read):
        yield piece


async def parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    """The parts of a form, each to be read with ``part``; raises ``Invalid`` or ``ValueError``."""
    idle = core_of(request).config.idle_timeout
    reader = await request.multipart()
    while True:
        async with asyncio.timeout(idle):
            found = await reader.next()
        if found is None:
            return
        if not isinstance(found, BodyPartReader):
            raise Invalid("A form in a form is not understood.")
        yield found


async def part(request: web.Request, sent: BodyPartReader) -> AsyncIterator[bytes]:
    """A part of a form as it comes; as for ``body``."""
    async for piece in _coming(request, sent.read_chunk):
        yield piece


async def _coming(
    request: web.Request, read: Callable[[int], Awaitable[bytes]]
) -> AsyncIterator[bytes]:
    idle = core_of(request).config.idle_timeout
    while True:
        async with asyncio.timeout(idle):
            piece = await read(PIECE)
        if not piece:
            return
        yield bytes(piece)
