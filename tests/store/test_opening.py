"""Opening and closing: wrong addresses are told in a sentence, files are private, threads end."""

from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path

import pytest

from hubd.errors import Invalid, Unavailable
from hubd.store import users
from hubd.store.engine import Store


async def test_no_server_at_the_address_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Store.open(f"postgresql+asyncpg://hubd@/x?host={tmp_path}")


async def test_addresses_that_make_no_sense_are_invalid(tmp_path: Path) -> None:
    for url in (
        "nonsense",
        "mysql://host/db",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite://",
    ):
        with pytest.raises(Invalid):
            await Store.open(url)
    with pytest.raises(Unavailable, match="cannot be opened"):
        await Store.open(f"sqlite+aiosqlite:///{tmp_path}/missing/hubd.db")
    (tmp_path / "text.db").write_text("This is no database. " * 100)
    with pytest.raises(Unavailable, match="damaged"):
        await Store.open(f"sqlite+aiosqlite:///{tmp_path}/text.db")


async def test_the_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/hubd.db")
    await opened.migrate()
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    await opened.close()


async def test_close_ends_every_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    opened = await Store.open(f"sqlite+aiosqlite:///{tmp_path}/hubd.db")
    await opened.migrate()

    async def one() -> None:
        async with opened.read() as conn:
            await users.count(conn)

    await asyncio.gather(*(one() for _ in range(30)))
    await opened.close()
    for _ in range(100):
        if threading.active_count() <= before:
            break
        await asyncio.sleep(0.02)
    assert threading.active_count() <= before
