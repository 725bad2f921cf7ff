"""The bytes of a file, sent so that no browser ever runs them as a page of ours."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import quote

from aiohttp import web

from hubd.core import download
from hubd.errors import NotFound
from hubd.http import ranges
from hubd.web.place import Place
from hubd.web.visit import protect

_CONTENT_SECURITY_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
)
# What browsers play; neither can hold a script.
_MEDIA = (
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
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


def media_type(data: bytes) -> str:
    """The type of a sound or film by its first bytes, or nothing."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[4:8] == b"ftyp":
        return "audio/mp4" if data[8:11] == b"M4A" else "video/mp4"
    return next((kind for magic, kind in _MEDIA if data.startswith(magic)), "")


def delivery(name: str, head: bytes) -> tuple[str, bool]:
    """Content type, and whether it must be saved instead of shown, of a file that begins so.

    Bitmaps, sounds and films are shown, text is shown as text whatever it claims to be, all else is
    saved. An SVG keeps its type, which pictures in a page need, but opened by itself it is saved.
    """
    seen = image_type(head) or media_type(head)
    if seen:
        return seen, False
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
    """A file at a revision, also behind an LFS pointer; whole or a range."""
    at, path = await place.at()
    if not path:
        raise NotFound("There is no such file here.")
    request = place.visit.request
    file = await download.open_file(place.visit.core, at, path)
    kind, save = delivery(file.entry.name, await file.head(_LOOKED_AT))
    how = "attachment" if save or request.query.get("download") else "inline"
    name = quote(file.entry.name.encode("utf-8", "surrogateescape"), safe="")
    headers = {
        "Content-Type": kind,
        "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
        "Content-Disposition": f"{how}; filename*=UTF-8''{name}",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    protect(request, headers)
    return await ranges.send(request, ranges.Bytes.of(file), headers)
