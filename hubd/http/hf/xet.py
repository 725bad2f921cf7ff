"""Access to a repository's chunks; what is done with it is ``http/xet.py``."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from hubd.core import repos
from hubd.core.entries import Entry
from hubd.http.api.endpoint import json_response
from hubd.http.context import public_url
from hubd.http.hf.endpoint import REPO, Call, Endpoint
from hubd.lfs import xet
from hubd.types import RepoRef, Revision

_TOKEN = "/xet-{right:read|write}-token"  # noqa: S105


async def token(call: Call) -> web.Response:
    """An access token, in headers and in the body: clients read either."""
    Revision.parse(call.request.match_info.get("rev", "HEAD"))
    may_write = call.name("right") == "write"
    found = await repos.find_for_content(call.core, call.actor, call.ref, may_write=may_write)
    given = await xet.access_to(call.core.lfs, call.actor, found.repo, may_write=may_write)
    # Not below the dialect's prefix: clients send telemetry to the root of this address.
    url = f"{public_url(call.request)}/xet/{given.place}"
    headers = {
        "X-Xet-Cas-Url": url,
        "X-Xet-Access-Token": given.token,
        "X-Xet-Token-Expiration": str(given.expires_at),
        "Cache-Control": "no-store",
    }
    body = {"casUrl": url, "accessToken": given.token, "exp": given.expires_at}
    return json_response(body, headers=headers)


async def hashes(call: Call, entries: Sequence[Entry]) -> dict[str, str]:
    """What Xet clients call those files that are held as chunks, by their SHA-256."""
    oids = [entry.lfs.oid for entry in entries if entry.lfs is not None]
    return await xet.hashes(call.core.lfs, oids) if oids else {}


async def headers(call: Call, ref: RepoRef, commit: str, entry: Entry) -> dict[str, str]:
    """What turns a download of this file into one of chunks, in clients that can."""
    found = await xet.hash_of(call.core.lfs, entry.lfs.oid) if entry.lfs is not None else None
    if found is None:
        return {}
    url = f"{call.endpoint}/api/{ref.type}s/{ref.repo_id}/xet-read-token/{commit}"
    return {"X-Xet-Hash": found, "Link": f'<{url}>; rel="xet-auth"'}


ENDPOINTS = [
    Endpoint("GET", REPO + _TOKEN, token, "Access to chunks", rated=False),
    Endpoint("GET", REPO + _TOKEN + "/{rev:.+}", token, "As above, at a revision", rated=False),
]
