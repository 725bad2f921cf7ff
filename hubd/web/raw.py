"""The bytes of a file, sent so that no browser ever runs them as a page of ours."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web

from hubd.core import browse
from hubd.errors import NotFound
from hubd.web.place import Place
from hubd.web.visit import protect

INLINE_IMAGES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".svg"}
_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
)
_LOOKED_AT = 8192


def image_type(data: bytes) -> str:
    """The type of a bitmap by its first bytes, or nothing."""
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in {b"ftypavif", b"ftypavis"}:
        return "image/avif"
    return ""


def delivery(name: str, head: bytes) -> tuple[str, bool]:
    """Content type, and whether it must be saved instead of shown, of a file that begins so.

    Bitmaps are shown, text is shown as text whatever it claims to be, all else is saved. An SVG
    keeps its type, which pictures in a page need, but opened by itself it is saved.
    """
    bitmap = image_type(head)
    if bitmap:
        return bitmap, False
    if PurePosixPath(name.lower()).suffix == ".svg":
        return "image/svg+xml", True
    if b"\0" in head or not _is_utf8(head):
        return "application/octet-stream", True
    return "text/plain; charset=utf-8", False


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The last character may have been cut.
        return len(head) >= _LOOKED_AT and error.start > len(head) - 4
    return True


async def raw(place: Place) -> web.StreamResponse:
    """A file at a revision."""
    at, path = await place.at()
    if not path:
        raise NotFound("There is no such file here.")
    request, core = place.visit.request, place.visit.core
    entry, size, pieces = await browse.stream(core, at, path)
    first = await anext(pieces, b"")
    kind, save = delivery(entry.name, first[:_LOOKED_AT])
    response = web.StreamResponse(headers={"Content-Type": kind})
    response.headers["Content-Security-Policy"] = _CONTENT_SECURITY_POLICY
    how = "attachment" if save or request.query.get("download") else "inline"
    name = quote(entry.name.encode("utf-8", "surrogateescape"), safe="")
    response.headers["Content-Disposition"] = f"{how}; filename*=UTF-8''{name}"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["X-Request-Id"] = request["request_id"]
    response.headers["ETag"] = f'"{entry.oid}"'
    protect(request, response.headers)
    response.content_length = size
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    idle = core.config.idle_timeout
    async with asyncio.timeout(idle):
        await response.write(first)
    async for piece in pieces:
        async with asyncio.timeout(idle):
            await response.write(piece)
    await response.write_eof()
    return response
