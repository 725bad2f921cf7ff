"""A clock that is wrong, and an upload that stands still while its repetition ends first."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubd.blobs.base import Key
from tests.apiclient import Api
from tests.hubkit import World
from tests.lfskit import Big, client


def _at(world: World, offset: str) -> None:
    """Go on with a clock that is so far off; what only lasts is measured truly."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("faketime is not installed")
    world.hub.stop()
    world.hub._extra_env = {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    world.hub.start()


def test_F08_a_clock_that_jumps(make_world: Callable[..., World]) -> None:
    world = make_world()
    repo, work, big = world.repo(), world.work(), Big.random()
    ada = client(repo)
    work.commit({"a": "1"})
    assert work.push(repo.http, "main").returncode == 0
    up = ada.action("upload", big)["href"]

    def path(href: str) -> str:
        return f"{world.hub.http}{urlsplit(href).path}"

    # Back: nothing that holds ends, and nothing that follows comes before what was.
    _at(world, "-1h")
    assert Api(world.hub.http, world.tokens["ada"]).get("/me").status == 200
    assert ada.send("PUT", path(up), big.data).status == 200
    work.commit({"a": "2"})
    assert work.push(repo.http, "main").returncode == 0
    down = ada.action("download", big)["href"]
    # On: what was for minutes has ended, what is for longer has not.
    _at(world, "+1d")
    assert ada.send("GET", path(down)).status in {403, 410}
    assert Api(world.hub.http, world.tokens["ada"]).get("/me").status == 200
    assert client(repo).download(big) == big.data
    work.commit({"a": "3"})
    assert work.push(repo.http, "main").returncode == 0
    tips = world.sql(
        "SELECT m.new_oid FROM push_refs m JOIN pushes p ON m.push_id = p.id"
        " WHERE p.repo_id = ? ORDER BY p.id",
        repo.id,
    )
    commits = work.git("log", "--reverse", "--format=%H").stdout.decode().split()
    assert [tip for (tip,) in tips] == commits


def test_F13_the_repetition_of_an_upload_ends_before_it(own: World) -> None:
    repo, big = own.repo(), Big.random(300_000)
    ada = client(repo)
    href = ada.action("upload", big)["href"]
    address = urlsplit(href)
    with socket.create_connection((address.hostname or "", address.port or 0), 30) as slow:
        head = f"PUT {address.path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(big.data)}\r\n\r\n"
        slow.sendall(head.encode() + big.data[:100_000])
        assert ada.send("PUT", href, big.data).status == 200
        assert ada.download(big) == big.data
        # It wakes up and ends well, or goes away: either takes nothing from what is there.
        slow.sendall(big.data[100_000:])
        assert b" 200 " in slow.recv(100)
    assert ada.download(big) == big.data
    with socket.create_connection((address.hostname or "", address.port or 0), 30) as gone:
        gone.sendall(head.encode() + big.data[:100_000])
    assert ada.download(big) == big.data
    assert own.holds(Key.object(big.oid))
    count = own.sql("SELECT count(*) FROM object_links WHERE repo_id = ?", repo.id)
    assert count == [(1,)]
