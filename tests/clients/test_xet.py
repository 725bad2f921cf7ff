"""hf_xet, the native client of huggingface_hub, unmodified."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hubd.lfs import xet_collect
from hubd.store import objects, quotas
from tests.hubkit import World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.s3servers import BACKINGS, backing
from tests.xetkit import XetClient, floats, noise, sha256

_TRIED = re.compile(r"/v[12]/(?:shards|reconstructions/)")


@pytest.fixture(scope="module", params=BACKINGS)
def backed(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    with backing(request.param) as settings:
        yield settings


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, backed: dict[str, Any]) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("xet")
    with Hub(folder / "data", shutdown_grace=2, **backed) as hub:
        yield World.populate(hub, folder)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_what_is_sent_can_be_fetched_by_every_door(world: World, tmp_path: Path, kind: str) -> None:
    repo = world.repo("private", kind=kind)
    xet = XetClient.of(repo, tmp_path / "home")
    contents = [b"x", floats(500_000), noise(3_000_000), b"again and again. " * 100_000]
    infos = xet.upload(*contents)
    assert [info.sha256 for info in infos] == [sha256(content) for content in contents]
    fresh = XetClient.of(repo, tmp_path / "other")
    assert fresh.download(*infos) == contents
    assert {"/v2/shards", "/v2/reconstructions/"} <= set(_TRIED.findall(world.hub.log()))
    by_lfs = client(repo)
    for content in contents:
        big = Big(content)
        assert by_lfs.download(big) == content
        href = by_lfs.action("download", big)["href"]
        part = by_lfs.send("GET", href, Range="bytes=1000-70000")
        if len(content) > 1000:
            assert (part.status, part.body) == (206, content[1000:70001])
        assert "actions" not in by_lfs.batch("upload", big)[big.oid]


def test_a_range_is_fetched_alone(world: World, tmp_path: Path) -> None:
    xet, content = XetClient.of(world.repo(), tmp_path / "home"), noise(4_000_000)
    (info,) = xet.upload(content)
    for start, end in ((0, 1), (1_234_567, 2_345_678), (3_999_999, 4_000_000), (70_000, 70_001)):
        assert xet.stream(info, start, end) == content[start:end]


def test_a_file_of_several_xorbs(world: World, tmp_path: Path) -> None:
    repo = world.repo()
    xet, content = XetClient.of(repo, tmp_path / "home"), noise(150_000_000, seed=7)
    (info,) = xet.upload(content)
    assert xet.download(info) == [content]
    (count,) = world.sql("SELECT count(*) FROM xet_file_xorbs WHERE oid = ?", info.sha256)
    assert count[0] >= 2


def _stored(world: World) -> int:
    return int(world.sql("SELECT coalesce(sum(size), 0) FROM xorbs")[0][0])


def test_a_second_version_sends_what_changed(world: World, tmp_path: Path) -> None:
    """Also by a client that remembers nothing: the hub says what it has."""
    repo, size = world.repo(), 100_000_000
    content = noise(size, seed=11)
    XetClient.of(repo, tmp_path / "first").upload(content)
    before = _stored(world)
    changed = (
        content[: size // 2] + noise(size // 100, seed=12) + content[size // 2 + size // 100 :]
    )
    inserted = changed[:30_000_000] + b"inserted" + changed[30_000_000:]
    for number, version in enumerate((changed, inserted)):
        client = XetClient.of(repo, tmp_path / f"fresh{number}")
        (info,) = client.upload(version)
        assert client.download(info) == [version]
        now = _stored(world)
        assert now - before <= 0.05 * size
        before = now


def test_what_a_client_remembers_of_one_repository_does_not_spoil_another(
    world: World, tmp_path: Path
) -> None:
    """It keeps lists of chunks by address; the other repository has an address of its own."""
    home, content = tmp_path / "home", noise(3_000_000, seed=21)
    private = world.repo("private")
    XetClient.of(private, home).upload(content)
    # The same person on the same machine, at a repository whose readers must not see the first.
    bob = XetClient.of(world.repo(owner="bob"), home, "bob")
    (info,) = bob.upload(content[:2_000_000])
    assert bob.download(info) == [content[:2_000_000]]


def test_chunks_that_have_gone_are_sent_again(world: World, tmp_path: Path) -> None:
    """The client remembers them; the hub gives it another address."""
    repo, content = world.repo(), noise(2_000_000, seed=22)
    xet = XetClient.of(repo, tmp_path / "home")
    (info,) = xet.upload(content)

    async def lose(core: Any, _actor: Any) -> None:
        later, oids = time.time() + 10, [info.sha256]
        await core.store.write(lambda conn: objects.unlink_unused(conn, repo.id, oids, later))
        await core.store.write(lambda conn: objects.remove_orphan(conn, info.sha256))
        assert await xet_collect.collect(core.lfs, later)

    world.inside(lose)
    (again,) = xet.upload(content)
    assert again == info
    assert XetClient.of(repo, tmp_path / "fresh").download(info) == [content]


def test_who_may_not_is_refused(world: World, tmp_path: Path) -> None:
    repo, content = world.repo("private"), noise(100_000, seed=23)
    (info,) = XetClient.of(repo, tmp_path / "ada").upload(content)
    bob = XetClient.of(repo, tmp_path / "bob", "bob")
    files = bob.files(content)
    assert bob.run("upload", "write", files=files).returncode != 0
    wanted = [{"hash": info.hash, "size": info.size, "path": str(tmp_path / "out")}]
    assert bob.run("download", "read", files=wanted).returncode != 0
    # Nor by the hash, at a repository of his own.
    own = XetClient.of(world.repo(owner="bob"), tmp_path / "bob", "bob")
    assert own.run("download", "read", files=wanted).returncode != 0


def test_a_refusal_reaches_the_person(world: World, tmp_path: Path) -> None:
    repo = world.repo()

    async def limit(core: Any, _actor: Any) -> None:
        await core.store.write(lambda conn: quotas.put(conn, repo_id=repo.id, bytes=5000))

    world.inside(limit)
    xet = XetClient.of(repo, tmp_path / "home")
    done = xet.run("upload", "write", files=xet.files(noise(100_000, seed=24)))
    assert done.returncode != 0
    assert "413" in done.stderr


def test_a_client_that_is_killed_starts_again(world: World, tmp_path: Path) -> None:
    repo, content = world.repo(), noise(200_000_000, seed=25)
    xet = XetClient.of(repo, tmp_path / "home")
    before = _stored(world)
    running = xet.start("upload", "write", files=xet.files(content))
    while _stored(world) == before:
        assert running.poll() is None, "it has ended before it was killed"
        time.sleep(0.01)
    running.kill()
    running.communicate()
    assert world.sql("SELECT * FROM object_links WHERE repo_id = ?", repo.id) == []
    (info,) = xet.upload(content)
    assert XetClient.of(repo, tmp_path / "fresh").download(info) == [content]


def test_a_daemon_that_is_killed_leaves_nothing_visible(tmp_path: Path) -> None:
    """The client gives up or not; what it was not told is done is not there."""
    with Hub(tmp_path / "data", shutdown_grace=0) as hub:
        world = World.populate(hub, tmp_path, "ada")
        repo, content = world.repo(), noise(200_000_000, seed=26)
        xet = XetClient.of(repo, tmp_path / "home")
        running = xet.start("upload", "write", files=xet.files(content))
        while not _stored(world):
            assert running.poll() is None, "it has ended before the daemon was killed"
            time.sleep(0.01)
        hub.kill()
        running.kill()
        running.communicate()
        hub.start()
        assert world.sql("SELECT * FROM object_links") == []
        (info,) = xet.upload(content)
        assert XetClient.of(repo, tmp_path / "fresh").download(info) == [content]
