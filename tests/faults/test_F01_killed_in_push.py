"""F01: SIGKILL in a push, at every named point and at random; nothing is lost or half done."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from pathlib import Path
from typing import Self

import pytest

from hubd.obs.failpoints import FAILPOINTS
from tests.faults import checker
from tests.gitkit import Work
from tests.hubkit import Repo, World

PUSH_POINTS = sorted(name for name in FAILPOINTS if name.startswith("push."))


def rearm(world: World, points: str) -> None:
    """Start the hub again, with these fail points armed."""
    world.hub.kill()
    world.hub._extra_env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": points} if points else {}
    world.hub.start()


def settle(world: World, acknowledged: dict[int, list[str]]) -> None:
    """After a start without fail points everything is sound."""
    rearm(world, "")
    assert checker.wait_sound(world.hub.data, acknowledged) == []


@pytest.mark.parametrize("effect", ["kill", "enospc"])
@pytest.mark.parametrize("channel", ["http", "ssh"])
@pytest.mark.parametrize("point", PUSH_POINTS)
def test_F01_at_a_fail_point(own: World, point: str, channel: str, effect: str) -> None:
    if point == "push.before_finish" and effect == "enospc":
        pytest.skip("the daemon insists there until the storage is back; F05 and F07 show it")
    repo, work = own.repo(), own.work()
    first = work.commit()
    assert work.push(repo.url(channel)).returncode == 0
    told = {repo.id: [first]}

    rearm(own, f"{point}={effect}")
    second = work.commit()
    done = work.push(repo.url(channel), "HEAD:refs/heads/main", "HEAD:refs/heads/other")
    if done.returncode == 0:
        told[repo.id].append(second)
    if effect == "kill":
        own.hub.process.wait(20)
    settle(own, told)

    # And the hub goes on as if nothing had been.
    third = work.commit()
    assert work.push(repo.url(channel)).returncode == 0
    told[repo.id].append(third)
    assert checker.faults(own.hub.data, acknowledged=told) == []


class Pushers:
    """Clients that push one commit after the other and remember what was acknowledged."""

    def __init__(self, world: World, clients: list[tuple[Repo, Work]]) -> None:
        self.world = world
        self.told: dict[int, list[str]] = {repo.id: [] for repo, _ in clients}
        self.errors: list[str] = []
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._push, args=(repo, work, ("http", "ssh")[number % 2]))
            for number, (repo, work) in enumerate(clients)
        ]

    def _push(self, repo: Repo, work: Work, channel: str) -> None:
        # What was on its way when the daemon died may have come or not: go on from what is there.
        if work.git("fetch", "-q", repo.url(channel), "main", check=False).returncode == 0:
            work.git("reset", "-q", "--hard", "FETCH_HEAD")
        while not self._end.is_set():
            tip = work.commit()
            refs = ("HEAD:refs/heads/main", f"+HEAD:refs/heads/b{random.randrange(3)}")
            try:
                done = work.push(repo.url(channel), *refs)
            except subprocess.TimeoutExpired:
                self.errors.append("a push hangs")
                return
            if done.returncode == 0:
                self.told[repo.id].append(tip)
            elif b"declined" in done.stderr:
                self.errors.append(done.stderr.decode())
                return
            elif self.world.hub._process is None:
                time.sleep(0.05)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(60)


def campaign(world: World, kills: int, longest: float) -> int:
    clients = [(world.repo(), world.work()) for _ in range(2)]
    told: dict[int, list[str]] = {repo.id: [] for repo, _ in clients}
    for _ in range(kills):
        with Pushers(world, clients) as pushers:
            time.sleep(random.uniform(0.1, longest))
            world.hub.kill()
        assert pushers.errors == []
        for repo_id, tips in pushers.told.items():
            told[repo_id] += tips
        world.hub.start()
        assert checker.wait_sound(world.hub.data, told) == []
    return sum(map(len, told.values()))


def test_F01_at_random_moments(own: World) -> None:
    assert campaign(own, 4, 2.5) > 0


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_F01_fifty_random_kills(own: World) -> None:
    assert campaign(own, 50, 4.0) > 50


def test_F01_the_checker_sees_faults(own: World, tmp_path: Path) -> None:
    """A checker that finds nothing must be able to find something."""
    repo, work = own.repo(), own.work()
    work.commit()
    assert work.push(repo.http).returncode == 0
    assert checker.faults(own.hub.data) == []
    work.git("push", "-q", str(repo.dir), "HEAD:refs/heads/behind-the-back")
    assert any("events lead elsewhere" in f for f in checker.faults(own.hub.data))
    missing = {repo.id: ["1" * 40]}
    assert any("not reachable" in f for f in checker.faults(own.hub.data, acknowledged=missing))
