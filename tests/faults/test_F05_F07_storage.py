"""F03, F05, F07: creating and deleting at fail points, a full disk, a locked database."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hubd.core import trash as core_trash
from hubd.errors import HubError
from hubd.types import RepoRef
from tests.faults import checker
from tests.gitkit import refs_of, until
from tests.hubkit import World
from tests.hubproc import Hub, git


@pytest.mark.parametrize("point", ["repo.after_row", "repo.after_dir"])
def test_F03_killed_while_creating(own: World, point: str) -> None:
    own.hub.kill()
    own.hub._extra_env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": f"{point}=kill"}
    own.hub.start()
    done = own.hub.run_cli("admin", "repo", "add", "model", "ada/half")
    assert done.returncode != 0
    own.hub.process.wait(20)
    own.hub.kill()
    own.hub._extra_env = {}
    own.hub.start()
    # All or nothing: it is there and takes a push, as if the answer had come.
    work = own.work()
    tip = work.commit()
    assert work.push(own.http("ada/half")).returncode == 0
    assert refs_of(own.hub, own.ssh("ada/half"), own.keys["ada"].env)["refs/heads/main"] == tip
    assert checker.wait_sound(own.hub.data) == []


@pytest.mark.parametrize("point", ["repo.rename.before_commit", "repo.delete.after_row"])
def test_F03_killed_while_renaming_or_deleting(own: World, point: str) -> None:
    repo, work = own.repo(), own.work()
    tip = work.commit()
    assert work.push(repo.http).returncode == 0
    env = {**own.hub.env, "HUBD_TESTING": "1", "HUBD_FAILPOINTS": f"{point}=kill"}
    own.hub.kill()
    act = "rename" if "rename" in point else "delete"
    code = (
        "from tests.hubkit import inside\nfrom tests.hubproc import Hub\nfrom pathlib import Path\n"
        "from hubd.core import repos\nfrom hubd.types import RepoRef\n"
        f"r = RepoRef.from_path({repo.path!r})\nn = RepoRef.from_path('ada/new-name')\n"
        f"inside(Hub(Path({str(own.hub.data)!r})), lambda c, a: repos.{act}(c, a, r"
        f"{', n' if act == 'rename' else ''}))\n"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        check=False,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == -9, done.stderr
    own.hub.start()
    if act == "rename":
        assert refs_of(own.hub, repo.http)["refs/heads/main"] == tip
    else:
        own.inside(lambda core, actor: core_trash.restore_by_id(core, actor, repo.id))
        assert refs_of(own.hub, repo.http)["refs/heads/main"] == tip
    assert checker.wait_sound(own.hub.data) == []
    assert RepoRef.from_path(repo.path).name


@pytest.mark.parametrize("effect", ["kill", "enospc"])
@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_F03_F05_at_the_fail_point_of_a_kept_answer(
    own: World, tmp_path: Path, channel: str, effect: str
) -> None:
    repo, work = own.repo(), own.work()
    tip = work.commit({"f": os.urandom(300_000)})
    assert work.push(repo.http).returncode == 0
    kept = own.hub.data / "cache" / "packs"
    env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": f"fetch.cache.before_rename={effect}"}
    own.hub.kill()
    own.hub._extra_env = env
    own.hub.start()

    def clone(name: str) -> int:
        settings = own.keys["ada"].env
        url = repo.url(channel)
        return git("clone", "-q", url, tmp_path / name, env=settings, check=False).returncode

    if effect == "kill":
        clone("perhaps-whole")  # all bytes may have come before the death
        own.hub.process.wait(20)
        assert list(kept.glob("*/*.tmp*"))
    else:
        # What cannot be kept can still be sent.
        assert clone("not-kept") == 0
        assert not [file for file in kept.rglob("*") if file.is_file()]
    own.hub.kill()
    own.hub._extra_env = {}
    own.hub.start()
    assert not list(kept.glob("*/*.tmp*"))
    for name in ("first", "second"):
        assert clone(name) == 0
        assert git("rev-parse", "HEAD", cwd=tmp_path / name).stdout.decode().strip() == tip
        git("fsck", "--full", cwd=tmp_path / name)
    assert len(list(kept.glob("*/*"))) == 1
    assert checker.wait_sound(own.hub.data, {repo.id: [tip]}) == []


# F05


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_F05_a_full_disk_is_said_and_survived(
    small_disk: Path, tmp_path: Path, channel: str
) -> None:
    hub = Hub(small_disk / "data", shutdown_grace=2, log_level="info")
    with hub:
        world = World.populate(hub, tmp_path)
        repo, work = world.repo(), world.work()
        first = work.commit()
        assert work.push(repo.url(channel)).returncode == 0
        big = small_disk / "ballast"
        with big.open("wb") as file:
            try:
                while True:
                    file.write(os.urandom(1 << 16))
                    file.flush()
            except OSError:
                pass
        work.commit({"big.bin": os.urandom(2 << 20)})
        done = work.push(repo.url(channel))
        assert done.returncode != 0
        said = done.stderr.lower()
        assert b"full" in said or b"no space" in said or b"storage" in said, done.stderr
        assert b"internal error" not in said
        # Reads go on.
        assert refs_of(hub, repo.url(channel), world.keys["ada"].env)["refs/heads/main"] == first
        clone = tmp_path / f"clone-{channel}"
        git("clone", "-q", repo.url(channel), clone, env=world.keys["ada"].env)
        # And when it is freed, all is as before.
        big.unlink()
        until(lambda: work.push(repo.url(channel)).returncode == 0, 20, "it does not recover")
        told = {repo.id: [first, work.head()]}
        assert checker.wait_sound(hub.data, told) == []


# F07


def lock(data: Path, seconds: float) -> threading.Thread:
    """Another program that holds the database's write lock."""
    conn = sqlite3.connect(data / "hubd.db", isolation_level=None, check_same_thread=False)
    conn.execute("BEGIN IMMEDIATE")

    def hold() -> None:
        time.sleep(seconds)
        conn.execute("ROLLBACK")
        conn.close()

    thread = threading.Thread(target=hold)
    thread.start()
    return thread


def test_F07_a_locked_database_is_waited_for_or_said(own: World) -> None:
    repo, work = own.repo(), own.work()
    first = work.commit()
    assert work.push(repo.http).returncode == 0
    holder = lock(own.hub.data, 10)
    work.commit()
    began = time.monotonic()
    done = work.push(repo.ssh)
    if done.returncode:
        assert b"busy" in done.stderr.lower(), done.stderr
    assert time.monotonic() - began < 30
    assert refs_of(own.hub, repo.http)["refs/heads/main"] in {first, work.head()}
    holder.join()
    assert work.push(repo.http).returncode == 0
    assert checker.faults(own.hub.data, acknowledged={repo.id: [first, work.head()]}) == []


def test_F07_locked_between_the_move_and_its_record(make_world: Callable[..., World]) -> None:
    own = make_world()
    repo, work = own.repo(), own.work()
    first = work.commit()
    assert work.push(repo.http).returncode == 0
    own.hub.kill()
    own.hub._extra_env = {"HUBD_TESTING": "1", "HUBD_FAILPOINTS": "push.before_finish=sleep:1"}
    own.hub.start()
    second = work.commit()
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(work.push, repo.http)
        until(lambda: own.sql("SELECT 1 FROM pushes WHERE state = 'intent'"), 20)
        holder = lock(own.hub.data, 8)
        assert pushed.result().returncode == 0, "the record is insisted on"
        holder.join()
    told = {repo.id: [first, second]}
    assert checker.faults(own.hub.data, acknowledged=told) == []


def test_F07_two_hundred_writers_lose_nothing(own: World) -> None:
    def write(number: int) -> str:
        try:
            own.op("user.add", name=f"w{number:03d}x")
        except HubError as error:
            return error.sentence
        return ""

    with ThreadPoolExecutor(50) as pool:
        said = list(pool.map(write, range(200)))
    made = own.sql("SELECT count(*) FROM namespaces WHERE name LIKE 'w___x'")[0][0]
    assert made == said.count("")
    assert all("busy" in text.lower() for text in said if text)
    assert made > 150
