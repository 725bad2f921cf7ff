"""Branches and tags."""

from __future__ import annotations

from hubd.core import browse
from hubd.http.csg.endpoint import REPO, Endpoint, Listed, Span
from hubd.http.csg.shapes import CommitId, Ref
from hubd.http.hf.endpoint import Call


def _refs(infos: list[browse.RefInfo]) -> list[Ref]:
    return [Ref(name=info.name, commit=CommitId(id=info.oid)) for info in infos]


async def branches(call: Call) -> Listed:
    """The branches, the default one first; all of them unless a page is asked for."""
    found = _refs((await browse.refs(call.core, call.actor, call.ref)).branches)
    # The clients look for a branch in the first answer.
    return Span.of(call).part(found) if "per" in call.request.query else Listed(found, len(found))


async def tags(call: Call) -> Listed:
    """The tags."""
    found = await browse.refs(call.core, call.actor, call.ref)
    return Listed(_refs(found.tags), len(found.tags))


ENDPOINTS = [
    Endpoint("GET", REPO + "/branches", branches, "Branches"),
    Endpoint("GET", REPO + "/tags", tags, "Tags"),
]
