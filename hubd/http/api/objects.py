"""The large files of a repository one by one, also those that only its history names."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubd.core import lfsfiles
from hubd.http.api.endpoint import REPO, Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Mark, Request, Time, readable, when

Oid = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="The SHA-256.")]


class ObjectAnswer(Answer, frozen=True, kw_only=True):
    """A large file; ``path`` is one place where commits have it, empty for none."""

    oid: Oid
    size: int
    path: str
    created_at: Time


class ObjectsQuery(Request, frozen=True, kw_only=True):
    """Which part of the list."""

    after: Annotated[Mark, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class Removal(Request, frozen=True, kw_only=True):
    """What to remove for good; commits keep their pointers, which lead nowhere then."""

    oids: Annotated[list[Oid], Meta(min_length=1, max_length=1000)]


class Removed(Answer, frozen=True, kw_only=True):
    """How many of them the repository had."""

    count: int


async def list_objects(call: Call, query: ObjectsQuery) -> Page[ObjectAnswer]:
    """Large files in the order of their ids."""
    found = await lfsfiles.listing(
        call.core, call.actor, call.ref, after=query.after or "", limit=query.limit + 1
    )
    shown = [
        ObjectAnswer(
            oid=one.oid, size=one.size, path=readable(one.path), created_at=when(one.created_at)
        )
        for one in found[: query.limit]
    ]
    return Page(shown, shown[-1].oid if len(found) > query.limit else None)


async def remove_objects(call: Call, body: Removal) -> Removed:
    """Remove large files from this repository for good."""
    return Removed(count=await lfsfiles.remove(call.core, call.actor, call.ref, body.oids))


ENDPOINTS = [
    Endpoint("GET", REPO + "/objects", list_objects, "List large files"),
    Endpoint("POST", REPO + "/objects/removals", remove_objects, "Remove large files"),
]
