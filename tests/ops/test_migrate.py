"""``hubd store migrate``: from disk to S3 and back, with people at work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubd.blobs.s3_client import S3Settings
from tests import s3servers
from tests.caskit import Cas, Made, Packed, Part
from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.lfskit import Big, client

PART = 5 * 1024 * 1024


@pytest.fixture(params=s3servers.SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[S3Settings]:
    with getattr(s3servers, request.param)() as settings:
        yield s3servers.apart(settings)


@pytest.fixture
def world(tmp_path: Path, server: S3Settings) -> Iterator[World]:
    with Hub(
        tmp_path / "data", shutdown_grace=1, part_size=PART, **s3servers.reached(server)
    ) as hub:
        yield World.populate(hub, tmp_path, "ada")


def _switch(hub: Hub, store: str) -> None:
    hub.stop()
    hub.settings["blob_store"] = store
    hub.start()


def _move(hub: Hub, to: str) -> tuple[str, str]:
    done = hub.run_cli("store", "migrate", "--to", to)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\t")[2], done.stderr


def _file() -> Made:
    xorb = Packed.of(*(os.urandom(1000) for _ in range(3)))
    return Made.of(Part(xorb, 0, 3))


def _all_there(repo: Repo, *files: Big | Made) -> None:
    for file in files:
        big = file if isinstance(file, Big) else Big(file.content)
        (action,) = client(repo).batch("download", big)[big.oid]["actions"].values()
        if action["href"].startswith(repo.world.hub.http):
            assert client(repo).send("GET", action["href"]).body == big.data
    done = repo.world.hub.run_cli("store", "verify")
    assert done.returncode == 0, done.stdout
    assert done.stderr.splitlines()[-1].startswith(f"{len(files)} files")


def test_there_and_back(world: World) -> None:
    hub, repo = world.hub, world.repo()
    first, made = Big.random(PART + 1), _file()
    client(repo).upload(first)
    Cas.of(repo).upload(made)
    copied, told = _move(hub, "s3")
    assert copied == "2 files"
    assert 'set blob_store = "s3"' in told
    second = Big.random(2000)
    client(repo).upload(second)
    _switch(hub, "s3")
    third, other = Big.random(3000), _file()
    client(repo).upload(third)
    Cas.of(repo).upload(other)
    _all_there(repo, first, second, third, made, other)
    refused = hub.run_cli("store", "migrate", "--to", "local")
    assert refused.returncode != 0
    assert "on their way to s3" in refused.stderr
    # What came after the first copy, and the list of chunks, which waits for the end.
    copied, told = _move(hub, "s3")
    assert copied == "2 files"
    assert "All large files are in s3" in told
    shutil.rmtree(hub.data / "blobs" / "objects")
    shutil.rmtree(hub.data / "blobs" / "xorbs")
    _all_there(repo, first, second, third, made, other)
    assert _move(hub, "s3")[0] == "0 files"
    _switch(hub, "local")
    _all_there(repo, first, second, third, made, other)
    copied, told = _move(hub, "local")
    assert copied == "7 files"
    hub.restart()
    hub.settings["s3_bucket"] = "another"
    hub.restart()
    _all_there(repo, first, second, third, made, other)


def test_a_move_cut_short_goes_on_with_the_hub_standing_still(world: World) -> None:
    hub, repo = world.hub, world.repo()
    files = [Big.random(2000 + number) for number in range(4)]
    for big in files:
        client(repo).upload(big)
    _switch(hub, "s3")
    damaged = hub.data / "blobs" / "objects" / files[0].oid[:2] / files[0].oid[2:4] / files[0].oid
    damaged.write_bytes(bytes(2000))
    hub.kill()
    done = hub.run_cli("store", "migrate", "--to", "s3")
    assert done.returncode != 0
    assert f"damaged\tobjects/{files[0].oid[:2]}" in done.stdout
    assert "\t3 files\t" in done.stdout
    damaged.write_bytes(files[0].data)
    copied, told = _move(hub, "s3")
    assert copied == "1 files"
    assert "All large files are in s3" in told
    hub.start()
    _all_there(repo, *files)
