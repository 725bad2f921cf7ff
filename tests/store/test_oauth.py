"""Secrets of apps are good once and end together, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import time

import pytest

from hubd.errors import Conflict
from hubd.store import oauth, queries, tokens
from hubd.store.engine import Connection, Store
from hubd.types import Scope
from tests.store.kit import add_user


@pytest.fixture
async def user(store: Store) -> int:
    return await add_user(store, "ada")


@pytest.fixture
async def app(store: Store, user: int) -> int:
    return await store.write(
        lambda conn: oauth.add_app(
            conn,
            namespace_id=user,
            client_id="one",
            name="One",
            secret_hash=None,
            redirect_uris=["https://app.example/"],
            scopes=["openid"],
        )
    )


@pytest.fixture
async def grant(store: Store, app: int, user: int) -> int:
    return await store.write(lambda conn: oauth.add_grant(conn, app, user, ["openid"]))


async def _token(store: Store, user: int, grant: int, digest: str) -> None:
    async def work(conn: Connection) -> None:
        token = await tokens.add(
            conn,
            user_id=user,
            name="One",
            prefix="hubd_",
            secret_hash=digest,
            scope=Scope.READ,
            namespace_ids=[],
            repo_ids=[],
            expires_at=None,
        )
        await oauth.link_token(conn, token, grant)

    await store.write(work)


async def _is_live(store: Store, digest: str) -> bool:
    found = await store.remembered(queries.credential_by_token, digest)
    return found is not None and found[0].revoked_at is None


async def test_of_many_who_come_at_once_one_finds_a_secret_unused(store: Store, grant: int) -> None:
    async def made(conn: Connection) -> None:
        await oauth.add_code(
            conn,
            secret_hash="code",
            grant_id=grant,
            redirect_uri="",
            challenge="",
            nonce="",
            expires_at=time.time() + 60,
        )
        await oauth.add_refresh(conn, "refresh", grant, time.time() + 60)

    await store.write(made)
    for use, digest in ((oauth.use_code, "code"), (oauth.use_refresh, "refresh")):
        found = await asyncio.gather(
            *(store.write(lambda conn, u=use, d=digest: u(conn, d)) for _ in range(8))  # type: ignore[misc]
        )
        assert sum(one is not None and one.used_at is None for one in found) == 1
        assert None not in found
    assert await store.write(lambda conn: oauth.use_code(conn, "none")) is None


async def test_the_end_of_a_grant_is_the_end_of_its_tokens(
    store: Store, user: int, app: int, grant: int
) -> None:
    other = await store.write(lambda conn: oauth.add_grant(conn, app, user, ["openid"]))
    for number, of in enumerate((grant, grant, other)):
        await _token(store, user, of, f"t{number}")
        assert await _is_live(store, f"t{number}")
    assert not await store.write(lambda conn: oauth.revoke(conn, grant, user + 1))
    assert await store.write(lambda conn: oauth.revoke(conn, grant, user))
    assert not await store.write(lambda conn: oauth.revoke(conn, grant, user))
    assert [await _is_live(store, f"t{n}") for n in range(3)] == [False, False, True]
    assert not await store.write(lambda conn: oauth.remove_app(conn, user + 1, app))
    assert await store.write(lambda conn: oauth.remove_app(conn, user, app))
    assert not await _is_live(store, "t2")
    async with store.read() as conn:
        assert await oauth.app(conn, "one") is None
        assert await oauth.grants(conn, user) == []


async def test_two_devices_never_wait_under_one_code(store: Store, app: int) -> None:
    def wait(digest: str, seconds: float) -> object:
        return store.write(
            lambda conn: oauth.add_device(
                conn,
                secret_hash=digest,
                user_code="BCDFGHJK",
                app_id=app,
                scopes=[],
                expires_at=time.time() + seconds,
            )
        )

    await wait("a", -100_000)  # type: ignore[misc]
    with pytest.raises(Conflict):
        await wait("b", 60)  # type: ignore[misc]
    await store.write(oauth.sweep)
    await wait("b", 60)  # type: ignore[misc]
    async with store.read() as conn:
        found = await oauth.waiting_device(conn, "BCDFGHJK")
    assert found is not None
    assert await store.write(lambda conn: oauth.remove_device(conn, "b"))
    assert not await store.write(lambda conn: oauth.remove_device(conn, "b"))
