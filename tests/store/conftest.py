"""A fresh, migrated database for each test, once on SQLite and once on PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from hubd.store import namespaces, orgs, repos, users
from hubd.store.engine import Store
from hubd.types import RepoType, Role, Visibility
from tests.services import postgres_url

_NUMBERS = itertools.count()


async def _admin(url: str, *statements: str) -> None:
    parts = make_url(url)
    conn = await asyncpg.connect(host=parts.query["host"], user=parts.username, database="postgres")
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


async def _migrate(url: str) -> None:
    store = await Store.open(url)
    try:
        await store.migrate()
    finally:
        await store.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "hubd.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The server's address; it has a database ``migrated`` to copy."""
    with postgres_url() as url:
        asyncio.run(_admin(url, "CREATE DATABASE migrated"))
        asyncio.run(_migrate(url.replace("/postgres?", "/migrated?")))
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def origin(dialect: str, request: pytest.FixtureRequest) -> Path | str:
    """Where fresh databases come from: a file to copy or a server."""
    name = "sqlite_template" if dialect == "sqlite" else "postgres"
    found: Path | str = request.getfixturevalue(name)
    return found


@contextlib.asynccontextmanager
async def _fresh(origin: Path | str, folder: Path, *, migrated: bool) -> AsyncIterator[str]:
    if isinstance(origin, Path):
        if migrated:
            shutil.copy(origin, folder / "hubd.db")
        yield f"sqlite+aiosqlite:///{folder / 'hubd.db'}"
        return
    name = f"test_{next(_NUMBERS)}"
    template = "migrated" if migrated else "template0"
    await _admin(origin, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield origin.replace("/postgres?", f"/{name}?")
    await _admin(origin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_url(origin: Path | str, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database without tables."""
    async with _fresh(origin, tmp_path, migrated=False) as url:
        yield url


@pytest.fixture
async def store_url(origin: Path | str, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database with this code's tables."""
    async with _fresh(origin, tmp_path, migrated=True) as url:
        yield url


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    opened = await Store.open(store_url)
    yield opened
    await opened.close()


class Make:
    """Things to test with, each made in a transaction of its own."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def do(self, function: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        """Call an owner's function in a transaction."""

        async def work(conn: AsyncConnection) -> Any:
            return await function(conn, *args, **named)

        return await self.store.write(work)

    async def ask(self, function: Callable[..., Awaitable[Any]], *args: Any, **named: Any) -> Any:
        """Call a reading function."""
        async with self.store.read() as conn:
            return await function(conn, *args, **named)

    async def user(self, name: str, **named: Any) -> int:
        async def work(conn: AsyncConnection) -> int:
            new_id = await namespaces.add(conn, kind="user", name=name, full_name=name.title())
            await users.add(conn, id=new_id, **named)
            return new_id

        return await self.store.write(work)

    async def org(self, name: str, **roles: Role) -> int:
        async def work(conn: AsyncConnection) -> int:
            org_id = await namespaces.add(conn, kind="org", name=name)
            for member, role in roles.items():
                user = await users.by_name(conn, member)
                assert user is not None
                await orgs.set_member(conn, org_id, user.id, role)
            return org_id

        return await self.store.write(work)

    async def repo(self, namespace_id: int, name: str, **named: Any) -> int:
        named.setdefault("type", RepoType.MODEL)
        named.setdefault("visibility", Visibility.PRIVATE)
        return int(await self.do(repos.add, namespace_id=namespace_id, name=name, **named))


@pytest.fixture
def make(store: Store) -> Make:
    return Make(store)
