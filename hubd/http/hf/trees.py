"""Files of a commit: listings, facts of some paths."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from hubd.core import listing
from hubd.core.browse import EmptyRepoError
from hubd.errors import EntryNotFound, Invalid, TooLarge
from hubd.http import ranges
from hubd.http.hf import errors, xet
from hubd.http.hf.endpoint import PAGE, REPO, Call, Endpoint, Page, decoded
from hubd.http.hf.shapes import TreeEntry, tree_entry

# With last commits a page takes a walk over the history.
_EXPANDED_PAGE = 50
_MAX_PATHS_BODY = 8 * 1024 * 1024
_MAX_PATHS = 10_000
_FORM = "application/x-www-form-urlencoded"


class Paths(msgspec.Struct):
    """Which paths are asked for."""

    paths: list[str] = []
    expand: bool = False


async def get_tree(call: Call) -> Page:
    """A folder, or all that is below it."""
    path = call.name("path").strip("/")
    try:
        at = await call.at(call.name("rev"))
    except EmptyRepoError:
        if path:
            raise
        return Page([], None)
    expand = call.flag("expand")
    most = _EXPANDED_PAGE if expand else PAGE
    try:
        entries, after = await listing.page(
            call.core,
            at,
            path,
            recursive=call.flag("recursive"),
            after=call.text("cursor"),
            limit=max(1, call.number("limit", most, most)),
            with_commits=expand,
        )
    except EntryNotFound as error:
        error.details[errors.COMMIT] = at.commit
        raise
    chunked = await xet.hashes(call, entries)
    return Page([tree_entry(entry, chunked, expand=expand) for entry in entries], after)


async def get_paths_info(call: Call) -> list[TreeEntry]:
    """The files and folders at these paths; those that are not there are left out."""
    asked = await _paths(call.request)
    try:
        at = await call.at(call.name("rev"))
    except EmptyRepoError:
        return []
    entries = await listing.some(call.core, at, asked.paths, with_commits=asked.expand)
    chunked = await xet.hashes(call, entries)
    return [tree_entry(entry, chunked, expand=asked.expand) for entry in entries]


async def _paths(request: web.Request) -> Paths:
    """A form with one field per path, as clients send it, or JSON."""
    data = bytearray()
    async for piece in ranges.body(request):
        data += piece
        if len(data) > _MAX_PATHS_BODY:
            raise TooLarge("Too many paths are asked for at once.")
    if request.content_type != _FORM:
        asked = decoded(bytes(data) or b"{}", Paths)
    else:
        try:
            form = parse_qs(data.decode(), max_num_fields=_MAX_PATHS + 1)
        except (ValueError, UnicodeDecodeError):
            raise Invalid("The form cannot be read.") from None
        expand = form.get("expand", ["false"])[0].lower() == "true"
        asked = Paths(form.get("paths", []), expand)
    if len(asked.paths) > _MAX_PATHS:
        raise TooLarge("Too many paths are asked for at once.")
    return asked


ENDPOINTS = [
    Endpoint("GET", REPO + "/tree/{rev}{path:(?:/.*)?}", get_tree, "List files and folders"),
    Endpoint("POST", REPO + "/paths-info/{rev}", get_paths_info, "Facts of some paths"),
]
