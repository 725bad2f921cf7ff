"""F06: the object store goes away, fails or stands still while people work."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubd.blobs.base import Key
from tests import s3servers
from tests.faultyproxy import Fault, FaultyProxy
from tests.gitkit import http
from tests.hubkit import Repo, World
from tests.hubproc import git
from tests.lfskit import Big, client

SIZE = 12_000_000


class Between:
    """A faulty proxy before the store, in a loop of its own."""

    def __init__(self, port: int) -> None:
        self.proxy = FaultyProxy(port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.come()

    def _do(self, work: Callable[[], object]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work(), self._loop)  # type: ignore[arg-type]
        done.result(10)

    def come(self) -> None:
        """Pass on."""
        self._do(self.proxy.__aenter__)

    def go(self) -> None:
        """Refuse connections and end those there are."""
        self._do(self.proxy.stop)

    def close(self) -> None:
        """End the loop, too."""
        self.go()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def between() -> Iterator[tuple[Between, dict[str, object]]]:
    with s3servers.juicefs() as server:
        made = Between(urlsplit(server.endpoint).port or 0)
        settings = s3servers.reached(s3servers.apart(server))
        settings["s3_endpoint"] = f"http://127.0.0.1:{made.proxy.port}"
        yield made, {"blob_store": "s3", "s3_timeout": 4, **settings}
        made.close()


def _source(folder: Path, data: bytes) -> Path:
    git("init", "-q", "-b", "main", str(folder))
    git("lfs", "install", "--local", cwd=folder)
    git("lfs", "track", "*.bin", cwd=folder)
    (folder / "big.bin").write_bytes(data)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "One", cwd=folder)
    return folder


def _push(source: Path, repo: Repo) -> tuple[int, str]:
    # Two tries instead of eight: a refusal is a refusal.
    tries = ("-c", "lfs.transfer.maxretries=2")
    done = git(*tries, "push", repo.http, "main", cwd=source, check=False)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("is_direct", [True, False], ids=["direct", "by the hub"])
def test_F06_what_passes_is_tried_again_and_what_stays_is_said(
    between: tuple[Between, dict[str, object]],
    make_world: Callable[..., World],
    tmp_path: Path,
    *,
    is_direct: bool,
) -> None:
    store, settings = between
    world = make_world(direct_transfers=is_direct, **settings)
    repo, big = world.repo(), Big.random(SIZE)
    source, key = _source(tmp_path / "source", big.data), Key.object(big.oid)
    # It fails for longer than anybody tries again.
    store.proxy.faults.append(Fault("^(PUT|POST) ", status=503))
    code, told = _push(source, repo)
    assert code != 0
    assert "503" in told or "does not answer" in told, told
    store.proxy.faults.clear()
    assert not world.holds(key)
    # Then only for a moment.
    store.proxy.faults.append(Fault("^(PUT|POST) ", status=503, times=1))
    assert _push(source, repo)[0] == 0
    assert world.holds(key)
    copy = tmp_path / "copy"
    git("clone", "-q", repo.http, str(copy), env={"GIT_LFS_SKIP_SMUDGE": "1"})
    git("lfs", "install", "--local", cwd=copy)
    store.proxy.faults.append(Fault("^GET .*objects/", cut_down=3_000_000, times=1))
    git("lfs", "pull", cwd=copy)
    assert (copy / "big.bin").read_bytes() == big.data


def test_F06_git_goes_on_while_the_store_is_away(
    between: tuple[Between, dict[str, object]], make_world: Callable[..., World], tmp_path: Path
) -> None:
    store, settings = between
    world = make_world(direct_transfers=False, **settings)
    repo, big = world.repo(), Big.random(SIZE)
    ada = client(repo)
    ada.upload(big)
    down, up = ada.action("download", big)["href"], ada.action("upload", lost := Big.random())
    store.go()
    assert http(world.hub, "GET", "/readyz")[2].decode().startswith("ok\nLarge files cannot be had")
    for reply in (ada.send("GET", down), ada.send("PUT", up["href"], lost.data)):
        assert reply.status == 503
        assert b"object store does not answer" in reply.body
    work = world.work()
    work.commit({"README.md": "# Small\n"})
    assert work.push(repo.http, "main").returncode == 0
    git("clone", "-q", repo.http, str(tmp_path / "copy"))
    # A daemon that is started then serves Git, too.
    world.hub.restart()
    store.come()
    assert http(world.hub, "GET", "/readyz")[2] == b"ok\n"
    assert client(repo).download(big) == big.data
    assert not world.holds(Key.object(lost.oid))


def test_F06_a_store_that_stands_still_is_waited_for_and_no_longer(
    between: tuple[Between, dict[str, object]], make_world: Callable[..., World]
) -> None:
    store, settings = between
    world = make_world(direct_transfers=False, **settings)
    ada, big = client(world.repo()), Big(os.urandom(SIZE))
    href = ada.action("upload", big)["href"]
    store.proxy.faults.append(Fault("^PUT ", stall=True))
    began = time.monotonic()
    reply = ada.send("PUT", href, big.data)
    assert reply.status == 503
    assert b"does not answer" in reply.body
    assert time.monotonic() - began < 25
    store.proxy.faults.clear()
    ada.upload(big)
    assert ada.download(big) == big.data
