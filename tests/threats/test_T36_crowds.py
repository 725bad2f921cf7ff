"""T36: many clones at once wait for a place, and are refused with a sentence only when all wait."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gitkit import FLUSH, basic, connect, http, pkt, until
from tests.hubkit import Repo, World
from tests.hubproc import Hub, git

LIMIT = "packs of one account"


@pytest.fixture
def narrow(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A hub that keeps no answers, with few places to make packs."""
    settings: dict[str, Any] = {"pack_cache_limit": 0, "queue_wait": 600, **request.param}
    with Hub(tmp_path / "hub" / "data", shutdown_grace=2, **settings) as hub:
        yield World.populate(hub, tmp_path)


def gauge(world: World, name: str, limit: str = LIMIT) -> float:
    """A metric of a limit, 0 as long as there is none."""
    _, _, text = http(world.hub, "GET", "/metrics")
    found = re.search(rf'^hubd_{name}{{limit="{limit}"}} (\S+)$', text.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def filled(world: World, size: int) -> Repo:
    """A repository with one file of noise; git comes with its credential, being asked for it."""
    repo, work = world.repo("internal"), world.work()
    work.commit({"f": os.urandom(size)})
    assert work.push(repo.http).returncode == 0
    return repo


@pytest.mark.parametrize(
    "narrow", [{"packs_at_once": 4, "packs_per_user": 2}], indirect=True, ids=["2 places"]
)
def test_T36_a_hundred_clones_of_one_person_queue_and_succeed(
    narrow: World, tmp_path: Path
) -> None:
    repo = filled(narrow, 100_000)
    most: dict[str, float] = {"queue_running": 0, "queue_waiting": 0}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            for name, value in most.items():
                most[name] = max(value, gauge(narrow, name))

    def clone(number: int) -> int:
        url = repo.url("ssh" if number % 4 == 0 else "http")
        target = tmp_path / f"copy{number}"
        env = narrow.keys["ada"].env
        return git("clone", "-q", "--bare", url, target, env=env, check=False).returncode

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with ThreadPoolExecutor(100) as pool:
            codes = list(pool.map(clone, range(100)))
    finally:
        over.set()
        watching.join()
    assert codes == [0] * 100
    assert 0 < most["queue_running"] <= 2
    assert most["queue_waiting"] > 0
    assert gauge(narrow, "busy_total") == 0


@pytest.mark.parametrize(
    "narrow", [{"packs_per_user": 1, "queue_length": 3}], indirect=True, ids=["1 place"]
)
def test_T36_who_finds_no_place_to_wait_is_told_when_to_come_back(
    narrow: World, tmp_path: Path
) -> None:
    repo = filled(narrow, 9_000_000)
    tip = git("ls-remote", repo.http, "refs/heads/main").stdout.split()[0]
    want = pkt(b"want " + tip + b"\n")
    fetch = pkt(b"command=fetch\n") + b"0001" + want + pkt(b"done\n") + FLUSH
    kind = "application/x-git-upload-pack-request"
    # Of version 0, whose answers are not spooled: the child waits for its reader.
    stalled = want + FLUSH + pkt(b"done\n")
    head = (
        f"POST /{repo.path}/git-upload-pack HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {basic(narrow.tokens['ada'])}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(stalled)}\r\n\r\n"
    )

    def ask(_: int) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": kind, "Git-Protocol": "version=2"}
        address = f"/{repo.path}/git-upload-pack"
        token = narrow.tokens["ada"]
        return http(narrow.hub, "POST", address, token=token, body=fetch, headers=headers)

    with connect(narrow.hub, "http") as sock, ThreadPoolExecutor(3) as waiting:
        # One that never reads holds the place.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(head.encode() + stalled)
        until(lambda: gauge(narrow, "queue_running") == 1)
        answers = [waiting.submit(ask, number) for number in range(3)]
        until(lambda: gauge(narrow, "queue_waiting") == 3)
        for _ in range(20):
            status, headers, text = ask(0)
            assert (status, headers["Retry-After"]) == (200, "300")
            assert re.match(rb"....ERR The server is busy \(packs of one account\)\.", text)
        for channel in ("http", "ssh"):
            done = git(
                *("clone", "-q", repo.url(channel), tmp_path / "never"),
                env=narrow.keys["ada"].env,
                check=False,
            )
            assert done.returncode != 0
            assert b"Try again in 300 s." in done.stderr, done.stderr
        assert gauge(narrow, "busy_total") == 22
        # Nobody else notices.
        git("clone", "-q", narrow.http(repo.path, "bob"), tmp_path / "bobs")
        git("ls-remote", repo.ssh, env=narrow.keys["ada"].env)
        sock.close()
        assert [answer.result()[0] for answer in answers] == [200] * 3
    until(lambda: gauge(narrow, "queue_running") == 0)


@pytest.mark.parametrize(
    "narrow",
    [{"pushes_at_once": 1, "queue_length": 0, "queue_wait": 0}],
    indirect=True,
    ids=["1 place"],
)
@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T36_a_push_that_finds_no_place_is_told_so_by_git(narrow: World, channel: str) -> None:
    repo, work = narrow.repo(), narrow.work()
    head = (
        f"POST /{repo.path}/git-receive-pack HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {basic(narrow.tokens['ada'])}\r\n"
        "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n"
    )
    work.commit()
    with connect(narrow.hub) as sock:
        # One that never sends holds the place.
        sock.sendall(head.encode() + b"00")
        until(lambda: gauge(narrow, "queue_running", "pushes") == 1)
        done = work.push(repo.url(channel))
        assert done.returncode != 0
        assert b"The server is busy (pushes). Try again in 1 s." in done.stderr, done.stderr
    until(lambda: gauge(narrow, "queue_running", "pushes") == 0)
    assert work.push(repo.url(channel)).returncode == 0
