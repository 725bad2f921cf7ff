"""``hubd store``: with the daemon running and standing still, on a store that is whole or not."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubkit import World
from tests.hubproc import Hub
from tests.lfskit import Big, client


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Hub(tmp_path / "data", shutdown_grace=1) as hub:
        yield World.populate(hub, tmp_path, "ada")


def _age(hub: Hub) -> None:
    """As if all that is recorded had happened a month ago."""
    with sqlite3.connect(hub.data / "hubd.db", timeout=10) as conn:
        conn.execute("UPDATE object_links SET used_at = used_at - 2592000")
        conn.execute("UPDATE objects SET created_at = created_at - 2592000")
    for file in (hub.data / "blobs" / "objects").glob("*/*/*"):
        os.utime(file, (0, 0))


def _file(hub: Hub, big: Big) -> Path:
    return hub.data / "blobs" / "objects" / big.oid[:2] / big.oid[2:4] / big.oid


def _told(hub: Hub, *args: str) -> dict[str, list[str]]:
    done = hub.run_cli("store", *args)
    assert done.returncode == 0, done.stderr
    return {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("running", [True, False])
def test_usage_gc_and_verify(world: World, *, running: bool) -> None:
    hub, repo, work = world.hub, world.repo(), world.work()
    kept, loose = Big.random(3000), Big.random(4000)
    client(repo).upload(kept)
    client(repo).upload(loose)
    work.commit({"kept.bin": kept.pointer})
    assert work.push(repo.http).returncode == 0
    if not running:
        hub.stop()
    used = _told(hub, "usage")
    assert used["stored"][1:] == ["2 files", "7000 bytes"]
    assert used["ada"][1:] == ["2 files", "7000 bytes"]
    # Within the grace nothing goes.
    assert _told(hub, "gc")["objects"] == ["0"]
    _age(hub)
    assert _told(hub, "gc", "--dry-run")["would free"][1:] == ["4000 bytes"]
    assert _file(hub, loose).exists()
    gone = _told(hub, "gc")
    assert gone["freed"][1:] == ["4000 bytes"]
    assert gone["objects"] == ["1"]
    assert not _file(hub, loose).exists()
    assert _file(hub, kept).read_bytes() == kept.data
    assert hub.run_cli("store", "verify").returncode == 0


@pytest.mark.parametrize("running", [True, False])
def test_F17_verify_finds_every_kind_of_damage(world: World, *, running: bool) -> None:
    hub, repo = world.hub, world.repo()
    whole, missing, changed, cut = (Big.random(5000) for _ in range(4))
    for big in (whole, missing, changed, cut):
        client(repo).upload(big)
    _file(hub, missing).unlink()
    _file(hub, changed).write_bytes(os.urandom(5000))
    _file(hub, cut).write_bytes(cut.data[:-1])
    stray = _file(hub, Big.random())
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"x")
    if not running:
        hub.stop()
    done = hub.run_cli("store", "verify", "--repair-list")
    assert done.returncode != 0
    lines = {line.split("\t")[0]: line.split("\t")[1:] for line in done.stdout.splitlines()}
    assert {oid: words[1] for oid, words in lines.items()} == {
        missing.oid: "missing",
        changed.oid: "has other bytes than were stored",
        cut.oid: "has 4999 bytes instead of 5000",
    }
    assert all(words[3] == repo.path for words in lines.values())
    assert "4 files" in done.stderr
    assert "1 without a row; 3 damaged." in done.stderr
    assert "Traceback" not in done.stderr


def test_collection_killed_between_row_and_bytes_is_finished_by_the_next(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "data", shutdown_grace=1)
    with hub:
        world = World.populate(hub, tmp_path, "ada")
        big = Big.random()
        client(world.repo()).upload(big)
    _age(hub)
    armed = Hub(
        tmp_path / "data",
        env={"HUBD_TESTING": "1", "HUBD_FAILPOINTS": "collect.before_bytes=kill"},
    )
    assert armed.run_cli("store", "gc").returncode != 0
    assert _file(hub, big).exists()
    assert _told(hub, "gc")["strays"] == ["1"]
    assert not _file(hub, big).exists()
    assert _told(hub, "verify") == {}
