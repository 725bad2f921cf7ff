"""The whole daemon on PostgreSQL: the same code, the same answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.hubkit import World
from tests.hubproc import Hub, git
from tests.lfskit import Big, client


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_push_and_clone_on_postgresql(store_url: str, dialect: str, tmp_path: Path) -> None:
    url = store_url.replace("postgresql+asyncpg://", "postgresql://")
    with Hub(tmp_path / "data", database_url=url) as hub:
        hub.admin("user", "add", "ada")
        address = hub.git_url("ada/first", hub.token("ada", "write"))
        work = tmp_path / "work"
        git("init", "-q", "-b", "main", str(work))
        (work / "a").write_text("a\n")
        git("-C", str(work), "add", ".")
        git("-C", str(work), "commit", "-qm", "One")
        git("-C", str(work), "push", "-q", address, "main")
        git("clone", "-q", address, str(tmp_path / "again"))
        assert (tmp_path / "again" / "a").read_text() == "a\n"
        assert "ada/first" in str(hub.admin("repo", "list"))


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_uploads_at_once_stay_within_a_quota_on_postgresql(
    store_url: str, dialect: str, tmp_path: Path
) -> None:
    url = store_url.replace("postgresql+asyncpg://", "postgresql://")
    with Hub(tmp_path / "data", database_url=url) as hub:
        world = World.populate(hub, tmp_path, "ada")
        first, second = client(world.repo()), client(world.repo())
        hub.admin("quota", "set", "ada", "--bytes", "250K")
        bigs = [Big.random(100_000) for _ in range(8)]
        hrefs = [
            (first if n % 2 else second).action("upload", big)["href"] for n, big in enumerate(bigs)
        ]
        with ThreadPoolExecutor(8) as pool:
            done = pool.map(lambda n: first.send("PUT", hrefs[n], bigs[n].data).status, range(8))
            assert sorted(done) == [200] * 2 + [507] * 6
