"""Collections: lists of repositories that users and organizations show."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, UnsetType, field

from hubd.core import collections
from hubd.core.collections import Entry, Shown
from hubd.core.rows import Collection, row_id
from hubd.errors import Conflict, Invalid, NotBuilt
from hubd.http.api.endpoint import json_response
from hubd.http.hf.endpoint import Call, Endpoint, Page
from hubd.http.hf.shapes import AVATAR, Shape, number_of, when
from hubd.http.hf.social import page, part
from hubd.types import RepoRef, RepoType

_ALL = "/api/collections"
_ONE = _ALL + "/{namespace}/{slug}"
_ITEM = _ONE + "/items/{item}"
_SORTS = {"": "updated", "lastModified": "updated", "trending": "votes", "upvotes": "votes"}
# In lists clients show so many.
_PREVIEW = 4


class Owner(Shape, frozen=True, kw_only=True):
    """Whose it is."""

    id: str = field(name="_id")
    name: str
    fullname: str
    type: str
    avatar_url: str = AVATAR


class Note(Shape, frozen=True, kw_only=True):
    """What is said of an item."""

    text: str
    html: str


class ShownItem(Shape, frozen=True, kw_only=True):
    """A line; ``slug`` of one that is a collection."""

    object_id: str = field(name="_id")
    id: str
    type: str
    position: int
    slug: str | UnsetType = UNSET
    note: Note | UnsetType = UNSET


class ShownCollection(Shape, frozen=True, kw_only=True):
    """A collection; ``position`` only where it is alone."""

    slug: str
    title: str
    description: str
    owner: Owner
    items: list[ShownItem]
    last_updated: str
    position: int | UnsetType = UNSET
    private: bool
    theme: str
    upvotes: int
    gating: bool = False


class ToCreate(msgspec.Struct):
    """A collection to be."""

    title: str
    namespace: str
    description: str = ""
    private: bool = False


class ToChange(msgspec.Struct):
    """What to change; ``position`` among one's collections has no meaning here."""

    title: str | None = None
    description: str | None = None
    private: bool | None = None
    theme: str | None = None
    position: int | None = None


class Listed(msgspec.Struct):
    """What an item lists."""

    id: str
    type: str


class ToList(msgspec.Struct):
    """An item to be."""

    item: Listed
    note: str | None = None


class ItemChange(msgspec.Struct):
    """What to change of an item."""

    note: str | None = None
    position: int | None = None


def _item(entry: Entry) -> ShownItem:
    said = entry.item.note
    common: dict[str, Any] = {
        "object_id": row_id(entry.item.id),
        "position": entry.item.position,
        "note": Note(text=said, html=f"<p>{escape(said)}</p>") if said else UNSET,
    }
    if entry.repo is not None:
        return ShownItem(id=entry.repo.repo_id, type=entry.repo.type.value, **common)
    assert entry.nested is not None, "one of two"  # noqa: S101
    nested = collections.slug(entry.nested)
    return ShownItem(id=entry.nested.mark, type="collection", slug=nested, **common)


def _owner(one: Collection) -> Owner:
    return Owner(
        id=row_id(one.namespace_id),
        name=one.namespace,
        fullname=one.namespace,
        type=one.namespace_kind,
    )


def _shown(one: Shown, *, alone: bool = True) -> ShownCollection:
    row = one.collection
    entries = one.entries if alone else one.entries[:_PREVIEW]
    return ShownCollection(
        slug=one.slug,
        title=row.title,
        description=row.description,
        owner=_owner(row),
        items=[_item(entry) for entry in entries],
        last_updated=when(row.updated_at),
        position=0 if alone else UNSET,
        private=row.private,
        theme=row.theme,
        upvotes=row.votes,
    )


def _ref(kind: str, name: str) -> RepoRef:
    if kind not in {"model", "dataset", "space"}:
        raise NotBuilt(f"A {kind[:20]} cannot be listed in a collection on this hub yet.")
    return RepoRef.parse(RepoType(kind), name)


async def list_collections(call: Call) -> Page:
    """Those that the caller may see."""
    start, limit = part(call)
    asked = [text.partition("/") for text in call.words("item")]
    sort = call.text("sort")
    if sort not in _SORTS:
        raise Invalid("Collections are sorted by lastModified, trending or upvotes.")
    found = await collections.listing(
        call.core,
        call.actor,
        owners=call.words("owner"),
        refs=[_ref(kind.removesuffix("s"), name) for kind, _, name in asked],
        sort=_SORTS[sort],
        start=start,
        limit=limit + 1,
    )
    return page([_shown(one, alone=False) for one in found], start, limit)


async def create_collection(call: Call) -> web.Response | ShownCollection:
    """Make one; 409 with the address of the one that has its title."""
    asked = await call.body(ToCreate)
    try:
        made = await collections.create(
            call.core,
            call.actor,
            asked.namespace,
            asked.title,
            description=asked.description,
            private=asked.private,
        )
    except Conflict as error:
        there = await collections.titled(call.core, call.actor, asked.namespace, asked.title)
        if there is None:
            raise
        body = {"error": error.sentence, "slug": there.slug}
        return json_response(body, error.status, {"X-Error-Message": "It exists already."})
    return _shown(made)


async def get_collection(call: Call) -> ShownCollection:
    """One of them."""
    return _shown(await collections.get(call.core, call.actor, call.name("slug")))


async def update_collection(call: Call) -> dict[str, Any]:
    """Change what is said of it."""
    asked = await call.body(ToChange)
    done = await collections.change(
        call.core,
        call.actor,
        call.name("slug"),
        title=asked.title,
        description=asked.description,
        private=asked.private,
        theme=asked.theme,
    )
    return {"success": True, "data": _shown(done)}


async def delete_collection(call: Call) -> None:
    """Forget it."""
    await collections.remove(call.core, call.actor, call.name("slug"))


async def add_item(call: Call) -> ShownCollection:
    """List something."""
    asked = await call.body(ToList)
    nested = asked.item.type == "collection"
    done = await collections.add_item(
        call.core,
        call.actor,
        call.name("slug"),
        ref=None if nested else _ref(asked.item.type, asked.item.id),
        nested=asked.item.id if nested else "",
        note=asked.note or "",
    )
    return _shown(done)


async def update_item(call: Call) -> None:
    """Another note or place."""
    asked = await call.body(ItemChange)
    item = number_of(call.name("item"))
    await collections.change_item(
        *(call.core, call.actor, call.name("slug"), item), note=asked.note, position=asked.position
    )


async def delete_item(call: Call) -> None:
    """List something no longer."""
    item = number_of(call.name("item"))
    await collections.remove_item(call.core, call.actor, call.name("slug"), item)


ENDPOINTS = [
    Endpoint("GET", _ALL, list_collections, "List collections"),
    Endpoint("POST", _ALL, create_collection, "Make one"),
    Endpoint("GET", _ONE, get_collection, "One of them"),
    Endpoint("PATCH", _ONE, update_collection, "Change what is said of it"),
    Endpoint("DELETE", _ONE, delete_collection, "Forget it"),
    Endpoint("POST", _ONE + "/items", add_item, "List something in it"),
    Endpoint("PATCH", _ITEM, update_item, "Change an item's note or place"),
    Endpoint("DELETE", _ITEM, delete_item, "Take an item out"),
]
