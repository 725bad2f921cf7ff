"""The whole daemon on PostgreSQL: the same code, the same answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.apiclient import Api
from tests.gitkit import until
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


@pytest.mark.parametrize("dialect", ["postgresql"])
def test_what_people_have_to_do_with_each_other_on_postgresql(
    store_url: str, dialect: str, tmp_path: Path
) -> None:
    url = store_url.replace("postgresql+asyncpg://", "postgresql://")
    with Hub(tmp_path / "data", database_url=url) as hub:
        world = World.populate(hub, tmp_path)
        ada, bob = (Api(hub.http, world.tokens[name]) for name in ("ada", "bob"))
        repo, work = world.repo(), world.work()
        where, watched = f"/repos/model/{repo.name}", [{"type": "model", "name": repo.name}]
        made = ada.post("/webhooks", {"url": "http://127.0.0.1:9/", "watched": watched})
        assert made.status == 201, made.body
        work.commit({"a.txt": "a\n"})
        assert work.push(repo.http).returncode == 0
        assert ada.put(f"{where}/gate", {"gate": "auto"}).status == 204
        log = f"/webhooks/{made.json['id']}/deliveries"
        until(lambda: sum(one["attempts"] for one in ada.get(log).json) == 2)
        assert {one["scope"] for one in ada.get(log).json} == {"repo.content", "repo.config"}
        assert all("closed to the hub" in one["answer"] for one in ada.get(log).json)
        listed = bob.send("GET", "/api/models?gated=true").json
        assert [one["id"] for one in listed] == [repo.name]
        assert bob.send("GET", "/api/models?gated=false").json == []
        assert bob.get(f"{where}/raw", path="a.txt").status == 403
        assert bob.post(f"{where}/access-form", {}).json == {"state": "accepted"}
        assert bob.get(f"{where}/raw", path="a.txt").body == b"a\n"
        copy = bob.post(f"{where}/copies", {"name": "mine"})
        assert (copy.status, copy.json["gate"]) == (201, "auto")
        mark = bob.post("/collections", {"title": "List", "private": True}).json["mark"]
        item = {"type": "model", "name": repo.name}
        assert bob.post(f"/collections/{mark}/items", item).status == 201
        assert bob.put(f"/collections/{mark}/vote").status == 204
        assert ada.get(f"/collections/{mark}").status == 404
        assert [one["votes"] for one in bob.get("/collections", sort="votes").json] == [1]
        assert bob.put("/follows/ada").status == 204
        assert [one["name"] for one in ada.get("/follows/ada/followers").json] == ["bob"]
