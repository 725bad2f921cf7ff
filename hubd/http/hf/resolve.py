"""The bytes of files: ``resolve``, what every download asks first, and ``raw``."""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import web

from hubd.core import browse, listing
from hubd.core.browse import At
from hubd.core.entries import Entry
from hubd.errors import EntryNotFound, RepoNotFound, RevisionNotFound
from hubd.http import ranges
from hubd.http.api.shapes import readable
from hubd.http.hf import errors, xet
from hubd.http.hf.endpoint import Call, Endpoint, at_revision, moved
from hubd.http.lfs import object_bytes
from hubd.types import RepoRef

_FILE = "/{prefix:(?:(?:datasets|spaces|codes)/)?}{namespace}/{name}/resolve/{rev}/{path:.+}"
_EXPOSED = (
    "X-Repo-Commit,X-Linked-Etag,X-Linked-Size,ETag,Accept-Ranges,Content-Range,X-Xet-Hash,Link"
)


async def resolve(call: Call) -> web.StreamResponse:
    """A file at a revision: of a large one the content, else what Git has."""
    match = call.request.match_info
    ref = RepoRef.from_path(f"{match['prefix']}{match['namespace']}/{match['name']}")
    at, path = await _place(call, ref)
    if at.found.moved:
        return moved(call, ref, at.found.repo.ref)
    return await send_file(call, at, path)


async def _place(call: Call, ref: RepoRef) -> tuple[At, str]:
    """The commit and path that the address names."""
    revision, path = call.name("rev"), call.name("path")
    try:
        return await at_revision(call.core, call.actor, ref, revision), path
    except RevisionNotFound:
        # CSGHub's client leaves the slashes in a branch's name as they are.
        longer, rest = await browse.split_revision(call.core, call.actor, ref, f"{revision}/{path}")
        if longer == revision:
            raise
        return await at_revision(call.core, call.actor, ref, longer), rest


async def send_file(call: Call, at: At, path: str) -> web.StreamResponse:
    """A file at a commit."""
    try:
        entry = await listing.file(call.core, at, path)
        await listing.require_content(call.core, at, entry)
    except EntryNotFound as error:
        error.details[errors.COMMIT] = at.commit
        raise
    source = await _source(call, at, entry)
    try:
        headers = _headers(call, at, entry, source)
        headers |= await xet.headers(call, at.found.repo.ref, at.commit, entry)
        return await ranges.send(call.request, source, headers)
    except web.HTTPRequestRangeNotSatisfiable as error:
        return _beyond_the_end(call, at, error)


async def _source(call: Call, at: At, entry: Entry) -> ranges.Bytes:
    if entry.lfs is not None:
        return await object_bytes(call.core.lfs, entry.lfs.oid, entry.lfs.size)
    return ranges.Bytes(
        entry.size or 0,
        f'"{entry.oid}"',
        lambda start, end: listing.read(call.core, at, entry, start, end),
    )


def _headers(call: Call, at: At, entry: Entry, source: ranges.Bytes) -> dict[str, str]:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", entry.name)
    encoded = quote(readable(entry.name), safe="")
    how = "attachment" if call.flag("download") else "inline"
    headers = {
        "X-Repo-Commit": at.commit,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"{how}; filename*=UTF-8''{encoded}; filename=\"{plain}\";",
        # Files are people's, not ours: whatever opens one here must not run it.
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Access-Control-Expose-Headers": _EXPOSED,
        "Cache-Control": "private, no-cache",
    }
    if entry.lfs is not None:
        headers["X-Linked-Etag"] = source.etag
        headers["X-Linked-Size"] = str(entry.lfs.size)
    return headers


def _beyond_the_end(call: Call, at: At, error: web.HTTPRequestRangeNotSatisfiable) -> web.Response:
    headers = {
        "Content-Range": error.headers["Content-Range"],
        "X-Repo-Commit": at.commit,
        "X-Error-Message": "The range is beyond the end of the file.",
        "X-Request-Id": call.request["request_id"],
    }
    return web.Response(status=error.status, headers=headers)


async def no_namespace(call: Call) -> None:
    """Repositories without an owner's name do not exist here."""
    raise RepoNotFound(f"Repository {call.name('name')!r} not found.")


ENDPOINTS = [
    Endpoint("GET", _FILE, resolve, "A file at a revision", rated=False),
    Endpoint("GET", "/{name}/resolve/{rev}/{path:.+}", no_namespace, "As above, without owner"),
]
