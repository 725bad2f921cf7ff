"""What is shown of repositories and namespaces beside their files: cards, likes, counts, room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubd import access
from hubd.core import accounts, cards, repos
from hubd.core.browse import At
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.store import cards as card_rows
from hubd.store import likes, objects, queries
from hubd.store.cards import Card
from hubd.store.engine import Connection
from hubd.store.likes import Liked, Liker
from hubd.store.namespaces import Namespace
from hubd.store.repos import Repo
from hubd.types import Actor, RepoAction, RepoRef, RepoType, Wanted


@dataclass(frozen=True)
class Facts:
    """A repository at a commit, which is None while it is empty; ``storage`` in bytes."""

    repo: Repo
    commit: str | None
    card: Card
    likes: int
    storage: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)
    moved: bool = False


async def of(core: Core, actor: Actor, ref: RepoRef, at: At | None) -> Facts:
    """One repository at a commit; None: it is empty."""
    found = at.found if at is not None else await repos.find(core, actor, ref)
    card, config = await cards.of(core, at) if at is not None else (Card(), {})
    async with core.store.read() as conn:
        count = (await likes.counts(conn, [found.repo.id])).get(found.repo.id, 0)
        usage = await objects.usage_of_repo(conn, found.repo.id)
    commit = at.commit if at else None
    storage = found.repo.size_bytes + usage.bytes
    return Facts(found.repo, commit, card, count, storage, config, found.moved)


async def listing(
    core: Core,
    actor: Actor,
    wanted: Wanted,
    *,
    sort: str = "updated",
    after: str | None = None,
    limit: int = 100,
) -> tuple[list[Facts], str | None]:
    """A page of what the actor may read, each with what its card says."""
    await cards.catch_up(core)
    found, mark = await repos.listing(core, actor, wanted, sort=sort, after=after, limit=limit)
    ids = [repo.id for repo in found]
    async with core.store.read() as conn:
        known = await card_rows.of(conn, ids)
        counts = await likes.counts(conn, ids)
    facts = []
    for repo in found:
        row = known.get(repo.id)
        card, commit = (row.card, row.commit_oid or None) if row else (Card(), None)
        facts.append(Facts(repo, commit, card, counts.get(repo.id, 0)))
    return facts, mark


async def counts(core: Core, actor: Actor, namespace: Namespace) -> dict[RepoType, int]:
    """How many repositories of each type the actor sees in a namespace."""
    async with core.store.read() as conn:
        return await queries.repo_counts(conn, access.visible(actor), namespace.id)


async def liking(core: Core, actor: Actor, found: Found) -> tuple[int, bool]:
    """How many like a repository, and whether the actor does."""
    async with core.store.read() as conn:
        count = (await likes.counts(conn, [found.repo.id])).get(found.repo.id, 0)
        mine = actor.user_id is not None and await likes.has(conn, actor.user_id, found.repo.id)
    return count, mine


async def like(core: Core, actor: Actor, ref: RepoRef, *, likes_it: bool) -> None:
    """Like a repository, or no longer."""
    found = await repos.find(core, actor, ref, RepoAction.DISCUSS)
    user = await accounts.me(core, actor)

    async def work(conn: Connection) -> None:
        if likes_it:
            await likes.add(conn, user.id, found.repo.id)
        else:
            await likes.remove(conn, user.id, found.repo.id)

    await core.store.write(work)


async def likers(
    core: Core, actor: Actor, ref: RepoRef, *, start: int = 0, limit: int = 100
) -> Sequence[Liker]:
    """Who likes a repository."""
    found: Found = await repos.find(core, actor, ref)
    async with core.store.read() as conn:
        return await likes.likers(conn, found.repo.id, start=start, limit=limit)


async def liked(
    core: Core, actor: Actor, user_name: str, *, start: int = 0, limit: int = 100
) -> Sequence[Liked]:
    """What somebody likes, as far as the actor may see it."""
    user = await accounts.by_name(core, user_name)
    async with core.store.read() as conn:
        return await likes.liked(conn, access.visible(actor), user.id, start=start, limit=limit)


async def like_count(core: Core, user_id: int) -> int:
    """How many repositories a user likes."""
    async with core.store.read() as conn:
        return await likes.count_of_user(conn, user_id)
