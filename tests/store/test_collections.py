"""Collections, on both databases."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from hubd import access
from hubd.errors import Conflict, NotFound
from hubd.store import collections, orgs, queries
from hubd.store.engine import Connection, Store
from hubd.types import Actor, ActorKind, NamespaceAction, Role, Scope, TokenLimits
from tests.store.kit import add_repo, add_user

ALL = sa.true()


async def _collection(store: Store, owner: int, title: str, *, private: bool = False) -> int:
    return await store.write(
        lambda conn: collections.add(
            conn, namespace_id=owner, title=title, description="", private=private
        )
    )


async def test_items_keep_their_order(store: Store) -> None:
    ada = await add_user(store, "ada")
    one, other = await _collection(store, ada, "One"), await _collection(store, ada, "Two")
    with pytest.raises(Conflict):
        await _collection(store, ada, "One")
    repos = [await add_repo(store, ada, f"r{n}") for n in range(3)]

    async def fill(conn: Connection) -> list[int]:
        made = [
            await collections.add_item(conn, one, repo_id=repo, most=4, note="n") for repo in repos
        ]
        return [*made, await collections.add_item(conn, one, nested_id=other, most=4)]

    items = await store.write(fill)
    for again in ({"repo_id": repos[0]}, {"nested_id": other}, {"nested_id": one}):
        with pytest.raises(Conflict):
            await store.write(
                lambda conn, again=again: collections.add_item(conn, one, most=4, **again)  # type: ignore[misc]
            )

    async def order() -> list[int]:
        async with store.read() as conn:
            return [item.id for item in await collections.items(conn, [one])]

    assert await order() == items
    await store.write(lambda conn: collections.change_item(conn, one, items[3], position=0))
    assert await order() == [items[3], *items[:3]]
    await store.write(lambda conn: collections.change_item(conn, one, items[3], position=99))
    await store.write(lambda conn: collections.remove_item(conn, one, items[1]))
    assert await order() == [items[0], items[2], items[3]]
    for wrong in (items[1], 9999):
        with pytest.raises(NotFound):
            await store.write(
                lambda conn, wrong=wrong: collections.change_item(conn, one, wrong, note="")  # type: ignore[misc]
            )
    with pytest.raises(NotFound):
        await store.write(lambda conn: collections.remove_item(conn, other, items[0]))


async def test_lists_are_chosen_and_sorted(store: Store) -> None:
    ada, bob = await add_user(store, "ada"), await add_user(store, "bob")
    one, two = await _collection(store, ada, "One"), await _collection(store, bob, "Two")
    repo = await add_repo(store, ada, "r")

    async def work(conn: Connection) -> None:
        await collections.add_item(conn, one, repo_id=repo, most=9)
        await collections.change(conn, two, title="Three")
        for _ in range(2):
            await collections.vote(conn, bob, one, likes_it=True)

    await store.write(work)
    async with store.read() as conn:
        found = await collections.page(conn, ALL)
        assert [(c.id, c.title, c.votes) for c in found] == [(two, "Three", 0), (one, "One", 1)]
        assert [c.id for c in await collections.page(conn, ALL, sort="votes")] == [one, two]
        assert [c.id for c in await collections.page(conn, ALL, namespace_ids=[bob])] == [two]
        assert [c.id for c in await collections.page(conn, ALL, repo_ids=[repo])] == [one]
        assert [c.id for c in await collections.page(conn, ALL, start=1, limit=1)] == [one]
        assert await collections.by_mark(conn, ALL, found[0].mark) == found[0]
    await store.write(lambda conn: collections.vote(conn, bob, one, likes_it=False))
    async with store.read() as conn:
        assert (await collections.by_ids(conn, ALL, [one]))[one].votes == 0


async def test_what_is_listed_is_what_the_rule_lets_see(store: Store) -> None:
    ada, bob = await add_user(store, "ada"), await add_user(store, "bob")
    await store.write(lambda conn: orgs.set_member(conn, ada, bob, Role.READ))
    mine = [await _collection(store, ada, "P", private=True), await _collection(store, ada, "O")]
    await _collection(store, bob, "Q", private=True)

    def user(number: int, **more: object) -> Actor:
        return Actor(kind=ActorKind.USER, user_id=number, **more)  # type: ignore[arg-type]

    actors = [
        Actor(),
        Actor.system(),
        user(ada),
        user(bob),
        user(ada, scope=Scope.READ, token_id=1),
        user(ada, limits=TokenLimits(frozenset({bob}))),
        user(ada, limits=TokenLimits(frozenset({ada}))),
        user(ada, is_site_admin=True),
    ]
    for actor in actors:
        async with store.read() as conn:
            seen = await collections.page(conn, access.visible_collection(actor))
            for one in await collections.page(conn, ALL):
                role = await queries.namespace_role(conn, one.namespace_id, actor.user_id)
                rule = NamespaceAction.SEE_PRIVATE
                verdict = access.decide_namespace(actor, rule, one.namespace_id, role)
                wanted = not one.private or verdict is access.Verdict.ALLOW
                assert (one in seen) is wanted, (actor, one)
    assert len(mine) == 2
