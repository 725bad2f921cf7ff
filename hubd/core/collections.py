"""Collections: lists of repositories that users and organizations show.

Of what a collection lists, everybody sees what he may see; its notes belong to those lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hubd import access
from hubd.core import accounts, repos
from hubd.core.context import Core
from hubd.errors import Invalid, NotFound
from hubd.store import audit, collections, namespaces, queries
from hubd.store.collections import Collection, Item
from hubd.store.engine import Connection
from hubd.types import Actor, HubAction, NamespaceAction, RepoRef

MAX_TITLE = 60
MAX_DESCRIPTION = 150
MAX_NOTE = 500
THEMES = ("green", "blue", "indigo", "orange", "pink", "purple")
_MOST_ITEMS = 500
_MARK = re.compile(r"(?:.*-)?([0-9a-f]{24})\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line that the asker may see; one of the two is set."""

    item: Item
    repo: RepoRef | None
    nested: Collection | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A collection with what the asker may see of it."""

    collection: Collection
    entries: list[Entry]

    @property
    def slug(self) -> str:
        """Its address."""
        return slug(self.collection)


def slug(one: Collection) -> str:
    """``NAMESPACE/title-24hex``; the end is what counts."""
    words = re.sub(r"[^a-z0-9]+", "-", one.title.lower()).strip("-")
    return f"{one.namespace}/{words}-{one.mark}" if words else f"{one.namespace}/{one.mark}"


async def listing(
    core: Core,
    actor: Actor,
    *,
    owners: Sequence[str] = (),
    refs: Sequence[RepoRef] = (),
    sort: str = collections.UPDATED,
    start: int = 0,
    limit: int = 100,
) -> list[Shown]:
    """What the actor may see, of some owners and with any of some repositories."""
    repo_ids = [(await repos.find(core, actor, ref)).repo.id for ref in refs]
    async with core.store.read() as conn:
        named = [await namespaces.by_name(conn, owner) for owner in owners]
        ids = [found[0].id for found in named if found is not None]
        if owners and not ids:
            return []
        visible = access.visible_collection(actor)
        found = await collections.page(
            conn, visible, namespace_ids=ids, repo_ids=repo_ids, sort=sort, start=start, limit=limit
        )
        return await _shown(conn, actor, found)


async def get(core: Core, actor: Actor, address: str) -> Shown:
    """One by its slug or mark; raises ``NotFound``."""
    async with core.store.read() as conn:
        found = await _found(conn, actor, address)
        return (await _shown(conn, actor, [found]))[0]


async def _found(conn: Connection, actor: Actor, address: str) -> Collection:
    match = _MARK.match(address)
    found = None
    if match is not None:
        visible = access.visible_collection(actor)
        found = await collections.by_mark(conn, visible, match[1])
    if found is None:
        raise NotFound("There is no such collection.")
    return found


async def _shown(conn: Connection, actor: Actor, found: Sequence[Collection]) -> list[Shown]:
    items = await collections.items(conn, [one.id for one in found])
    repo_ids = {item.repo_id for item in items if item.repo_id is not None}
    nested_ids = {item.nested_id for item in items if item.nested_id is not None}
    paths = await queries.repo_paths(conn, access.visible(actor), repo_ids)
    nested = await collections.by_ids(conn, access.visible_collection(actor), nested_ids)
    entries = [
        Entry(
            item,
            RepoRef.from_path(paths[item.repo_id]) if item.repo_id in paths else None,
            nested.get(item.nested_id or 0),
        )
        for item in items
        if item.repo_id in paths or item.nested_id in nested
    ]
    return [Shown(one, [e for e in entries if e.item.collection_id == one.id]) for one in found]


async def create(
    core: Core,
    actor: Actor,
    namespace: str,
    title: str,
    *,
    description: str = "",
    private: bool = False,
) -> Shown:
    """A new, empty collection; raises ``Conflict`` if there is one of this title."""
    title, description = _title(title), _text(description, MAX_DESCRIPTION, "description")
    async with core.store.read() as conn:
        owner = await namespaces.by_name(conn, namespace)
        if owner is None:
            raise NotFound(f"There is no user or organization named {namespace!r}.")
        await _require(conn, actor, owner[0].id)

    async def work(conn: Connection) -> int:
        made = await collections.add(
            conn,
            namespace_id=owner[0].id,
            title=title,
            description=description,
            private=private,
        )
        await audit.add(conn, actor, "collection.add", f"{owner[0].name}/{title}")
        return made

    made = await core.store.write(work)
    async with core.store.read() as conn:
        found = await collections.by_ids(conn, access.visible_collection(actor), [made])
        return (await _shown(conn, actor, list(found.values())))[0]


async def titled(core: Core, actor: Actor, namespace: str, title: str) -> Shown | None:
    """A namespace's collection of this title, if the actor may see it."""
    found = await listing(core, actor, owners=[namespace], limit=10_000)
    return next((one for one in found if one.collection.title == _title(title)), None)


async def _require(conn: Connection, actor: Actor, namespace_id: int) -> None:
    role = await queries.namespace_role(conn, namespace_id, actor.user_id)
    action = NamespaceAction.MANAGE_COLLECTIONS
    verdict = access.decide_namespace(actor, action, namespace_id, role)
    access.require(verdict, "manage collections here")


async def _to_change(core: Core, actor: Actor, address: str) -> Collection:
    async with core.store.read() as conn:
        found = await _found(conn, actor, address)
        await _require(conn, actor, found.namespace_id)
    return found


async def change(
    core: Core,
    actor: Actor,
    address: str,
    *,
    title: str | None = None,
    description: str | None = None,
    private: bool | None = None,
    theme: str | None = None,
) -> Shown:
    """Change what is said of it; None leaves as it is."""
    found = await _to_change(core, actor, address)
    values: dict[str, object] = {}
    if title is not None:
        values["title"] = _title(title)
    if description is not None:
        values["description"] = _text(description, MAX_DESCRIPTION, "description")
    if private is not None:
        values["private"] = private
    if theme is not None:
        if theme not in THEMES:
            raise Invalid(f"The theme is one of {', '.join(THEMES)}.")
        values["theme"] = theme
    await core.store.write(lambda conn: collections.change(conn, found.id, **values))
    return await get(core, actor, found.mark)


async def remove(core: Core, actor: Actor, address: str) -> None:
    """Forget a collection; what it lists stays."""
    found = await _to_change(core, actor, address)

    async def work(conn: Connection) -> None:
        await collections.remove(conn, found.id)
        await audit.add(conn, actor, "collection.remove", f"{found.namespace}/{found.title}")

    await core.store.write(work)


async def add_item(
    core: Core,
    actor: Actor,
    address: str,
    *,
    ref: RepoRef | None = None,
    nested: str = "",
    note: str = "",
) -> Shown:
    """List a repository or another collection, last; raises ``Conflict`` if it is listed."""
    found = await _to_change(core, actor, address)
    note = _text(note, MAX_NOTE, "note")
    repo_id = nested_id = None
    if ref is not None:
        repo_id = (await repos.find(core, actor, ref)).repo.id
    else:
        async with core.store.read() as conn:
            nested_id = (await _found(conn, actor, nested)).id
    if nested_id == found.id:
        raise Invalid("A collection does not list itself.")
    await core.store.write(
        lambda conn: collections.add_item(
            conn, found.id, repo_id=repo_id, nested_id=nested_id, note=note, most=_MOST_ITEMS
        )
    )
    return await get(core, actor, found.mark)


async def change_item(
    core: Core,
    actor: Actor,
    address: str,
    item_id: int,
    *,
    note: str | None = None,
    position: int | None = None,
) -> None:
    """Another note or place, counted from 0; raises ``NotFound``."""
    found = await _to_change(core, actor, address)
    said = None if note is None else _text(note, MAX_NOTE, "note")
    await core.store.write(
        lambda conn: collections.change_item(conn, found.id, item_id, note=said, position=position)
    )


async def remove_item(core: Core, actor: Actor, address: str, item_id: int) -> None:
    """List something no longer; raises ``NotFound``."""
    found = await _to_change(core, actor, address)
    await core.store.write(lambda conn: collections.remove_item(conn, found.id, item_id))


async def vote(core: Core, actor: Actor, address: str, *, likes_it: bool) -> None:
    """Like a collection, or no longer."""
    access.require(access.decide_hub(actor, HubAction.FOLLOW), "like collections")
    user = await accounts.me(core, actor)
    async with core.store.read() as conn:
        found = await _found(conn, actor, address)
    await core.store.write(
        lambda conn: collections.vote(conn, user.id, found.id, likes_it=likes_it)
    )


def _title(title: str) -> str:
    title = " ".join(title.split())
    if not 1 <= len(title) <= MAX_TITLE:
        raise Invalid(f"A title has 1 to {MAX_TITLE} characters.")
    return title


def _text(text: str, most: int, what: str) -> str:
    if len(text) > most or "\0" in text:
        raise Invalid(f"A {what} has at most {most} characters.")
    return text.strip()
