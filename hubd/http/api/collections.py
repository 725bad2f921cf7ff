"""Collections: lists of repositories that users and organizations show."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from hubd.core import collections
from hubd.core.collections import Entry, Shown
from hubd.errors import Invalid
from hubd.http.api.endpoint import Call, Endpoint, Page
from hubd.http.api.shapes import Answer, Mark, Name, Request, Time, when
from hubd.types import RepoRef, RepoType

Title = Annotated[str, Meta(min_length=1, max_length=collections.MAX_TITLE)]
Description = Annotated[str, Meta(max_length=collections.MAX_DESCRIPTION)]
NoteText = Annotated[str, Meta(max_length=collections.MAX_NOTE)]
Theme = Literal["green", "blue", "indigo", "orange", "pink", "purple"]


class ItemAnswer(Answer, frozen=True, kw_only=True):
    """A line: a repository by type and NAMESPACE/NAME, or a collection by its slug."""

    id: int
    type: Literal["model", "dataset", "space", "code", "collection"]
    name: str
    note: str
    position: int


class CollectionAnswer(Answer, frozen=True, kw_only=True):
    """A collection, with those lines that one may see."""

    mark: str
    slug: str
    namespace: str
    title: str
    description: str
    private: bool
    theme: str
    votes: int
    created_at: Time
    updated_at: Time
    items: list[ItemAnswer]


class CollectionsQuery(Request, frozen=True, kw_only=True):
    """Which collections, and which part of the list."""

    namespace: Name | None = None
    type: Annotated[RepoType | None, Meta(description="With name: those that list it.")] = None
    name: Annotated[str, Meta(max_length=200, description="NAMESPACE/NAME.")] | None = None
    sort: Literal["updated", "votes"] = "updated"
    after: Annotated[Mark, Meta(pattern=r"^\d{1,9}$")] | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class NewCollection(Request, frozen=True, kw_only=True):
    """A collection to be."""

    namespace: Annotated[Name, Meta(description="None: one's own.")] | None = None
    title: Title
    description: Description = ""
    private: bool = False


class CollectionChange(Request, frozen=True, kw_only=True):
    """What to change; what is left out stays."""

    title: Title | None = None
    description: Description | None = None
    private: bool | None = None
    theme: Theme | None = None


class NewItem(Request, frozen=True, kw_only=True):
    """What to list: a repository by its type and NAMESPACE/NAME, or a collection by its slug."""

    type: Literal["model", "dataset", "space", "code", "collection"]
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    note: NoteText = ""


class ItemChange(Request, frozen=True, kw_only=True):
    """Another note, another place counted from 0."""

    note: NoteText | None = None
    position: Annotated[int, Meta(ge=0, le=1000)] | None = None


def _item(entry: Entry) -> ItemAnswer:
    name = entry.repo.repo_id if entry.repo else ""
    return ItemAnswer(
        id=entry.item.id,
        type=entry.repo.type.value if entry.repo else "collection",
        name=collections.slug(entry.nested) if entry.nested else name,
        note=entry.item.note,
        position=entry.item.position,
    )


def _answer(one: Shown) -> CollectionAnswer:
    row = one.collection
    return CollectionAnswer(
        mark=row.mark,
        slug=one.slug,
        namespace=row.namespace,
        title=row.title,
        description=row.description,
        private=row.private,
        theme=row.theme,
        votes=row.votes,
        created_at=when(row.created_at),
        updated_at=when(row.updated_at),
        items=[_item(entry) for entry in one.entries],
    )


async def list_collections(call: Call, query: CollectionsQuery) -> Page[CollectionAnswer]:
    """Collections that one may see."""
    if (query.type is None) is not (query.name is None):
        raise Invalid("A repository is named by its type and name.")
    refs = [RepoRef.parse(query.type, query.name)] if query.type and query.name else []
    start = int(query.after or 0)
    found = await collections.listing(
        call.core,
        call.actor,
        owners=[query.namespace] if query.namespace else [],
        refs=refs,
        sort=query.sort,
        start=start,
        limit=query.limit + 1,
    )
    shown = [_answer(one) for one in found[: query.limit]]
    return Page(shown, str(start + query.limit) if len(found) > query.limit else None)


async def create_collection(call: Call, body: NewCollection) -> CollectionAnswer:
    """Make an empty collection."""
    made = await collections.create(
        call.core,
        call.actor,
        body.namespace or call.actor.name or "anonymous",
        body.title,
        description=body.description,
        private=body.private,
    )
    return _answer(made)


async def get_collection(call: Call) -> CollectionAnswer:
    """One collection."""
    return _answer(await collections.get(call.core, call.actor, call.names["mark"]))


async def update_collection(call: Call, body: CollectionChange) -> CollectionAnswer:
    """Change what is said of a collection."""
    done = await collections.change(
        call.core,
        call.actor,
        call.names["mark"],
        title=body.title,
        description=body.description,
        private=body.private,
        theme=body.theme,
    )
    return _answer(done)


async def delete_collection(call: Call) -> None:
    """Forget a collection; what it lists stays."""
    await collections.remove(call.core, call.actor, call.names["mark"])


async def add_collection_item(call: Call, body: NewItem) -> CollectionAnswer:
    """List something, last."""
    nested = body.type == "collection"
    done = await collections.add_item(
        call.core,
        call.actor,
        call.names["mark"],
        ref=None if nested else RepoRef.parse(body.type, body.name),
        nested=body.name if nested else "",
        note=body.note,
    )
    return _answer(done)


async def update_collection_item(call: Call, body: ItemChange) -> None:
    """Another note or place."""
    where = (call.core, call.actor, call.names["mark"], call.id)
    await collections.change_item(*where, note=body.note, position=body.position)


async def remove_collection_item(call: Call) -> None:
    """List something no longer."""
    await collections.remove_item(call.core, call.actor, call.names["mark"], call.id)


async def vote_collection(call: Call) -> None:
    """Like a collection."""
    await collections.vote(call.core, call.actor, call.names["mark"], likes_it=True)


async def unvote_collection(call: Call) -> None:
    """Like it no longer."""
    await collections.vote(call.core, call.actor, call.names["mark"], likes_it=False)


_ONE = "/collections/{mark}"
_ITEM = _ONE + "/items/{id}"
ENDPOINTS = [
    Endpoint("GET", "/collections", list_collections, "List collections", refusals=(404,)),
    Endpoint("POST", "/collections", create_collection, "Create a collection", status=201),
    Endpoint("GET", _ONE, get_collection, "Get a collection"),
    Endpoint("PATCH", _ONE, update_collection, "Change a collection"),
    Endpoint("DELETE", _ONE, delete_collection, "Delete a collection"),
    Endpoint("POST", _ONE + "/items", add_collection_item, "Add to a collection", status=201),
    Endpoint("PATCH", _ITEM, update_collection_item, "Change an item of a collection"),
    Endpoint("DELETE", _ITEM, remove_collection_item, "Remove from a collection"),
    Endpoint("PUT", _ONE + "/vote", vote_collection, "Like a collection"),
    Endpoint("DELETE", _ONE + "/vote", unvote_collection, "Like a collection no longer"),
]
