"""What Spaces run with, on both databases."""

from __future__ import annotations

import pytest

from hubd.errors import Conflict
from hubd.store import spaces
from hubd.store.engine import Store
from hubd.store.spaces import Wish
from tests.store.kit import add_repo, add_user


async def test_variables_and_secrets_have_one_room_of_names(store: Store) -> None:
    ada = await add_user(store, "ada")
    repo, other = await add_repo(store, ada, "one"), await add_repo(store, ada, "two")
    for value in ("1", "2"):
        await store.write(
            lambda conn, value=value: spaces.put(conn, repo, "A", value, "d", secret=False)  # type: ignore[misc]
        )
    await store.write(lambda conn: spaces.put(conn, repo, "S", "sealed", "", secret=True))
    with pytest.raises(Conflict):
        await store.write(lambda conn: spaces.put(conn, repo, "A", "x", "", secret=True))
    async with store.read() as conn:
        found = await spaces.values(conn, repo, secret=False)
        assert [(one.key, one.value, one.description) for one in found] == [("A", "2", "d")]
        assert [one.key for one in await spaces.values(conn, repo, secret=True)] == ["S"]
        assert await spaces.values(conn, other, secret=False) == []
        assert await spaces.count(conn, repo) == 2
    assert not await store.write(lambda conn: spaces.remove(conn, repo, "A", secret=True))
    assert not await store.write(lambda conn: spaces.remove(conn, other, "A", secret=False))
    assert await store.write(lambda conn: spaces.remove(conn, repo, "A", secret=False))


async def test_a_wish_is_kept(store: Store) -> None:
    repo = await add_repo(store, await add_user(store, "ada"), "one")
    async with store.read() as conn:
        assert await spaces.wish(conn, repo) == Wish()
    for wanted in (Wish("cpu-basic", -1, paused=True), Wish("gpu", None)):
        await store.write(lambda conn, wanted=wanted: spaces.set_wish(conn, repo, wanted))  # type: ignore[misc]
        async with store.read() as conn:
            assert await spaces.wish(conn, repo) == wanted
