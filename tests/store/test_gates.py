"""Requests for the files of gated repositories, on both databases."""

from __future__ import annotations

from functools import partial

import pytest

from hubd.errors import Conflict, NotFound
from hubd.store import gates
from hubd.store.engine import Store
from hubd.types import RequestState
from tests.store.kit import add_repo, add_user

PENDING, ACCEPTED, REJECTED = RequestState.PENDING, RequestState.ACCEPTED, RequestState.REJECTED


async def test_a_request_goes_from_state_to_state(store: Store) -> None:
    ada, bob = await add_user(store, "ada", "ada@example.org"), await add_user(store, "bob")
    repo, other = await add_repo(store, ada, "one"), await add_repo(store, ada, "two")
    await store.write(lambda conn: gates.ask(conn, repo, bob, {"Why": "why not"}, PENDING))
    with pytest.raises(Conflict):
        await store.write(lambda conn: gates.ask(conn, repo, bob, {}, ACCEPTED))
    async with store.read() as conn:
        (asked,) = await gates.page(conn, repo, PENDING)
        assert (asked.name, asked.fields, asked.asked) == ("bob", {"Why": "why not"}, True)
        assert asked.answered_at is None
        assert await gates.page(conn, other, PENDING) == []
        assert await gates.page(conn, repo, PENDING, after=asked.id) == []
        assert await gates.get(conn, other, asked.id) is None
    with pytest.raises(NotFound):
        await store.write(lambda conn: gates.answer(conn, other, asked.id, ACCEPTED))
    for state in (ACCEPTED, REJECTED, PENDING):
        answer = partial(gates.answer, repo_id=repo, request_id=asked.id, state=state, reason="x")
        await store.write(answer)
        with pytest.raises(NotFound):
            await store.write(answer)
        async with store.read() as conn:
            found = await gates.of_user(conn, repo, bob)
            assert found is not None
            assert (found.state, found.reason) == (state, "x")
            assert (found.answered_at is None) is (state is PENDING)


async def test_who_is_let_in_unasked_shows_no_address(store: Store) -> None:
    ada, bob = await add_user(store, "ada"), await add_user(store, "bob", "bob@example.org")
    repo, other = await add_repo(store, ada, "one"), await add_repo(store, ada, "two")
    await store.write(lambda conn: gates.grant(conn, repo, bob, ada))
    with pytest.raises(Conflict):
        await store.write(lambda conn: gates.grant(conn, repo, bob, ada))
    await store.write(lambda conn: gates.ask(conn, other, bob, {}, PENDING))
    await store.write(lambda conn: gates.grant(conn, other, bob, ada))
    async with store.read() as conn:
        granted, asked = await gates.of_user(conn, repo, bob), await gates.of_user(conn, other, bob)
    assert granted is not None
    assert asked is not None
    assert (granted.state, granted.asked, granted.email) == (ACCEPTED, False, None)
    assert (asked.state, asked.asked, asked.email) == (ACCEPTED, True, "bob@example.org")
