"""Events for webhooks and their deliveries, on both databases."""

from __future__ import annotations

import time

import pytest

from hubd.errors import NotFound
from hubd.store import discussions, events, repos, webhooks
from hubd.store.engine import Connection, Store
from hubd.types import Visibility
from tests.store.kit import add_repo, add_user


async def _hook(store: Store, user: int, namespace: int | None, repo: int | None) -> int:
    async def work(conn: Connection) -> int:
        made = await webhooks.add(
            conn, user_id=user, url="https://example.org/", secret="", domains=["repo"]
        )
        await webhooks.watch(conn, made, {namespace} - {None}, {repo} - {None})  # type: ignore[arg-type]
        return made

    return await store.write(work)


async def test_events_are_written_with_what_happens_while_somebody_waits(store: Store) -> None:
    ada = await add_user(store, "ada")
    repo = await add_repo(store, ada, "one")
    async with store.read() as conn:
        assert await events.untold(conn, 10) == []
    hook = await _hook(store, ada, None, repo)

    async def work(conn: Connection) -> None:
        await repos.set_visibility(conn, repo, Visibility.PRIVATE)
        await repos.rename(conn, repo, ada, "two")
        talk = await discussions.add(
            conn, repo_id=repo, title="t", author_id=ada, base="", body="b"
        )
        said = await discussions.record(conn, talk.id, discussions.COMMENT, ada, body="more")
        await discussions.edit(conn, talk.id, said, "less")
        await repos.trash(conn, repo)

    await store.write(work)
    async with store.read() as conn:
        found = await events.untold(conn, 10)
    assert [event.kind for event in found] == [
        events.REPO_CHANGED,
        events.REPO_MOVED,
        events.DISCUSSION_CREATED,
        events.COMMENT_CREATED,
        events.COMMENT_CHANGED,
        events.REPO_DELETED,
    ]
    assert {event.repo_id for event in found} == {repo}
    assert found[1].payload["from"] == "ada/one"
    await store.write(lambda conn: events.mark_told(conn, [event.id for event in found]))
    await store.write(lambda conn: webhooks.change(conn, hook, disabled=True))
    async with store.read() as conn:
        (deleted,) = await repos.trashed_of(conn, ada)
    await store.write(lambda conn: repos.restore(conn, deleted, deleted.name))
    async with store.read() as conn:
        assert await events.untold(conn, 10) == []


async def test_who_waits_for_what(store: Store) -> None:
    ada, bob = await add_user(store, "ada"), await add_user(store, "bob")
    one, two = await add_repo(store, ada, "one"), await add_repo(store, bob, "two")
    by_repo, by_owner = await _hook(store, bob, None, one), await _hook(store, ada, ada, None)
    later = time.time() + 5
    async with store.read() as conn:
        assert [h.id for h in await webhooks.watching(conn, one, ada, later)] == [by_repo, by_owner]
        assert await webhooks.watching(conn, two, bob, later) == []
        assert await webhooks.watching(conn, one, ada, time.time() - 60) == []
        with pytest.raises(NotFound):
            await webhooks.get(conn, ada, by_repo)
    await store.write(lambda conn: webhooks.remove(conn, by_repo))
    async with store.read() as conn:
        assert [h.id for h in await webhooks.watching(conn, one, ada, later)] == [by_owner]


async def test_a_delivery_waits_until_it_is_settled(store: Store) -> None:
    ada = await add_user(store, "ada")
    repo = await add_repo(store, ada, "one")
    hook = await _hook(store, ada, ada, None)
    first, second = [
        await store.write(
            lambda conn: webhooks.enqueue(conn, hook, repo, "update", "repo", {"a": 1})
        )
        for _ in range(2)
    ]
    now = time.time() + 1
    async with store.read() as conn:
        assert await webhooks.due(conn, now, (), 5) == [hook]
        assert await webhooks.due(conn, now, {hook}, 5) == []
        found = await webhooks.next_due(conn, hook, now)
        assert found is not None
        assert (found.id, found.payload) == (first, {"a": 1})

    async def work(conn: Connection) -> None:
        await webhooks.settle(
            conn, first, webhooks.WAITING, status=500, answer="x" * 900, next_at=now + 60
        )
        await webhooks.settle(conn, second, webhooks.DONE, status=200, answer="")

    await store.write(work)
    async with store.read() as conn:
        assert await webhooks.due(conn, now, (), 5) == []
        again = await webhooks.delivery(conn, hook, first)
        assert (again.state, again.attempts, again.status) == (webhooks.WAITING, 1, 500)
        assert len(again.answer) == 500
        assert [d.id for d in await webhooks.deliveries(conn, hook)] == [second, first]
    await store.write(lambda conn: webhooks.sweep(conn, time.time() + 1))
    async with store.read() as conn:
        assert [d.id for d in await webhooks.deliveries(conn, hook)] == [first]
