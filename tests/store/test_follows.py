"""Who follows whom, on both databases."""

from __future__ import annotations

from hubd.store import follows, namespaces
from hubd.store.engine import Store
from hubd.types import Visibility
from tests.store.kit import add_user


async def test_following_counts_once(store: Store) -> None:
    ada, bob, cy = [await add_user(store, name) for name in ("ada", "bob", "cy")]
    org = await store.write(
        lambda conn: namespaces.add(
            conn, kind="org", name="lab", full_name="Lab", default_visibility=Visibility.PUBLIC
        )
    )
    for who, whom in ((bob, ada), (bob, ada), (cy, ada), (bob, org), (ada, bob)):
        await store.write(lambda conn, who=who, whom=whom: follows.add(conn, who, whom))  # type: ignore[misc]
    async with store.read() as conn:
        assert [one.name for one in await follows.followers(conn, ada)] == ["bob", "cy"]
        assert [one.name for one in await follows.followers(conn, ada, start=1, limit=5)] == ["cy"]
        found = await follows.following(conn, bob)
        assert [(one.name, one.kind) for one in found] == [("ada", "user"), ("lab", "org")]
        assert [one.name for one in await follows.following(conn, bob, kind="user")] == ["ada"]
        assert await follows.counts(conn, ada, bob) == follows.Counts(2, 1, by_me=True)
        assert await follows.counts(conn, ada, None) == follows.Counts(2, 1, by_me=False)
    await store.write(lambda conn: follows.remove(conn, bob, ada))
    async with store.read() as conn:
        assert await follows.counts(conn, ada, bob) == follows.Counts(1, 1, by_me=False)
