"""F02: SIGKILL of the daemon or the client in an upload of a large file; a repeat succeeds."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.test_F01_killed_in_push import rearm
from tests.gitkit import Work
from tests.hubkit import Repo, World
from tests.hubproc import ROOT
from tests.lfskit import Big, client

PART = 5 * 1024 * 1024
SIZE = 6 * PART + 1
WAYS = ("http", "ssh", "parts")
WHOM = ("daemon", "client")
POINTS = ("blobs.before_rename", "lfs.before_link")


@pytest.fixture
def hub(make_world: Callable[..., World]) -> World:
    """A hub that takes small parts."""
    return make_world(part_size=PART, parts_above=PART)


class Upload:
    """A large file, committed in a clone, and a client that sends it one way."""

    def __init__(self, world: World, way: str) -> None:
        self.world = world
        self.way = way
        self.repo: Repo = world.repo()
        self.big = Big.random(SIZE)
        self.work: Work = world.work()
        self.work.git("lfs", "install", "--local")
        self.work.git("lfs", "track", "*.bin")
        self.work.commit({"big.bin": self.big.data})

    def start(self) -> subprocess.Popen[bytes]:
        """The client, in a process group of its own."""
        argv: list[str | Path] = ["git", "-c", "lfs.transfer.maxretries=1", "lfs", "push"]
        argv += [self.repo.url(self.way), "main"]
        if self.way == "parts":
            url = f"{self.world.hub.http}/{self.repo.path}.git/info/lfs"
            argv = [sys.executable, "-m", "tests.faults.in_parts", url, self.world.tokens["ada"]]
            argv += [self.work.path / "big.bin", self.big.oid]
        return subprocess.Popen(
            argv,
            cwd=ROOT if self.way == "parts" else self.work.path,
            env={**os.environ, **self.work.env, "GIT_CONFIG_GLOBAL": os.devnull},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def end(self, running: subprocess.Popen[bytes]) -> None:
        """Kill the client and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.communicate(timeout=20)

    def assert_repeatable(self) -> None:
        """The same again succeeds, and what comes out is what went in."""
        running = self.start()
        _, told = running.communicate(timeout=120)
        assert running.returncode == 0, told
        assert client(self.repo).download(self.big) == self.big.data
        assert checker.faults(self.world.hub.data) == []


def strike(world: World, way: str, whom: str, longest: float) -> None:
    """One upload that is killed at a random moment, and its repetition."""
    upload = Upload(world, way)
    running = upload.start()
    time.sleep(random.uniform(0.0, longest))
    if whom == "daemon":
        world.hub.kill()
    upload.end(running)
    if whom == "daemon":
        world.hub.start()
    assert checker.wait_sound(world.hub.data) == []
    upload.assert_repeatable()


@pytest.mark.parametrize("whom", WHOM)
@pytest.mark.parametrize("way", WAYS)
def test_F02_at_a_random_moment(hub: World, way: str, whom: str) -> None:
    strike(hub, way, whom, 0.8)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_F02_fifty_random_kills(hub: World) -> None:
    for number in range(50):
        strike(hub, WAYS[number % len(WAYS)], WHOM[number % len(WHOM)], 1.5)


@pytest.mark.parametrize("effect", ["kill", "enospc"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("point", POINTS)
def test_F02_at_a_fail_point(hub: World, point: str, way: str, effect: str) -> None:
    upload = Upload(hub, way)
    rearm(hub, f"{point}={effect}")
    running = upload.start()
    if effect == "kill":
        hub.hub.process.wait(30)
        upload.end(running)
    else:
        _, told = running.communicate(timeout=120)
        assert running.returncode != 0, told
    rearm(hub, "")
    assert checker.wait_sound(hub.hub.data) == []
    upload.assert_repeatable()


def test_F02_the_checker_sees_faults(hub: World) -> None:
    upload = Upload(hub, "parts")
    upload.assert_repeatable()
    oid = upload.big.oid
    file = hub.hub.data / "blobs" / "objects" / oid[:2] / oid[2:4] / oid
    with file.open("r+b") as data:
        data.seek(SIZE // 2)
        data.write(b"XXXX")
    assert any("other bytes" in fault for fault in checker.faults(hub.hub.data))
    file.unlink()
    assert any("is not there" in fault for fault in checker.faults(hub.hub.data))
