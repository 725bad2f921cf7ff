"""Collection beside everything that it must not disturb.

The hub runs in the test's own process, so that a round is started with no grace at all and at the
very moment that is meant; the clients are real. ``age`` makes all that is recorded a month old.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from hubd import app, config
from hubd.blobs.base import Key
from hubd.core import accounts, credentials, push, repos, trash
from hubd.core.context import Core
from hubd.core.fetch import Reading
from hubd.errors import HubError
from hubd.git.push import RefMove, push_request, send
from hubd.lfs import batch, content
from hubd.lfs.batch import Wanted
from hubd.lfs.collect import Collected, collect
from hubd.obs import failpoints
from hubd.store import pushes
from hubd.store.engine import Connection
from hubd.store.repos import Repo
from hubd.types import Actor, RepoRef, Scope
from tests.hubproc import git
from tests.lfskit import Big

# Ours alone here: the daemon's requests in a process where warnings are errors.
pytestmark = [
    pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning"),
    pytest.mark.filterwarnings("ignore:drain method:DeprecationWarning"),
]


@dataclass
class Place:
    """A hub in this process, and ada's working copy."""

    daemon: app.Daemon
    folder: Path
    token: str

    @property
    def core(self) -> Core:
        return self.daemon.core

    async def repo(self, name: str = "r", object_format: str = "sha1") -> Repo:
        ref = RepoRef.parse("model", f"ada/{name}")
        made = await repos.create(self.core, Actor.system(), ref, object_format=object_format)
        work = self.folder / name
        await self.git(name, "init", "-q", "-b", "main", f"--object-format={object_format}")
        assert work.is_dir()
        return made.repo

    async def git(self, name: str, *args: str, check: bool = True) -> str:
        work = self.folder / name
        work.mkdir(exist_ok=True)
        done = await asyncio.to_thread(git, *args, cwd=work, check=check)
        return done.stderr.decode() + done.stdout.decode()

    async def commit(self, name: str, **files: str) -> None:
        for file, text in files.items():
            (self.folder / name / file).write_text(text)
        await self.git(name, "add", "-A")
        await self.git(name, "commit", "-q", "--allow-empty", "-m", "x")

    async def push(self, name: str, *refs: str, check: bool = True) -> str:
        url = self.daemon.http_url.replace("://", f"://x:{self.token}@") + f"/ada/{name}"
        return await self.git(name, "push", "-q", url, *(refs or ("main",)), check=check)

    async def upload(self, repo: Repo, big: Big) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield big.data

        await content.receive(self.core.lfs, repo, None, big.oid, len(big.data), pieces())

    async def stored(self, repo: Repo, name: str, *, pushed: bool = True) -> Big:
        big = Big.random()
        await self.upload(repo, big)
        await self.commit(name, **{f"{big.oid[:8]}.bin": big.pointer})
        if pushed:
            await self.push(name)
        return big

    async def age(self, oid: str = "%") -> None:
        async def work(conn: Connection) -> None:
            for text in (
                "UPDATE object_links SET used_at = used_at - 2592000 WHERE oid LIKE :oid",
                "UPDATE objects SET created_at = created_at - 2592000 WHERE oid LIKE :oid",
            ):
                await conn.execute(sa.text(text), {"oid": oid})

        await self.core.store.write(work)
        for file in (self.core.config.data / "blobs" / "objects").glob(f"*/*/{oid.strip('%')}*"):
            with contextlib.suppress(FileNotFoundError):
                os.utime(file, (0, 0))

    async def collect(self, *, dry_run: bool = False) -> Collected:
        return await collect(
            self.core.lfs, self.core.git, self.core.repos_dir, grace=0, dry_run=dry_run
        )

    async def has(self, repo: Repo, big: Big) -> bool:
        """Whether a reader of the repository gets the bytes; a link to nothing is an error."""
        try:
            await content.link(self.core.lfs, repo.id, big.oid)
        except HubError:
            return False
        pieces = content.read(self.core.lfs, big.oid)
        assert b"".join([piece async for piece in pieces]) == big.data
        return True


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    places = {"data_dir": str(tmp_path / "data"), "shutdown_grace": 1}
    doors = {"http_listen": "127.0.0.1:0", "ssh_listen": ""}
    daemon = app.Daemon(await app.build(config.load(None, {}, {**places, **doors})))
    await daemon.start()
    try:
        system = Actor.system()
        await accounts.add_user(daemon.core, system, "ada")
        made = await credentials.add_token(daemon.core, system, "ada", name="", scope=Scope.WRITE)
        yield Place(daemon, tmp_path, made.secret)
    finally:
        await daemon.stop()


@pytest.fixture
def arm() -> Iterator[None]:
    yield
    failpoints.arm({})


def _hold_up(point: str, seconds: float = 2.0) -> None:
    failpoints.arm({"HUBD_TESTING": "1", "HUBD_FAILPOINTS": f"{point}=sleep:{seconds}"})


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
async def test_what_nothing_needs_goes_with_its_bytes(place: Place, object_format: str) -> None:
    repo = await place.repo(object_format=object_format)
    kept = await place.stored(repo, "r")
    dropped = Big.random(5000)
    await place.upload(repo, dropped)
    await place.age()
    would = await place.collect(dry_run=True)
    assert await place.core.lfs.blobs.stat(Key.object(dropped.oid)) is not None
    done = await place.collect()
    assert would == done == Collected(links=1, objects=1, bytes=5000)
    assert await place.core.lfs.blobs.stat(Key.object(dropped.oid)) is None
    assert not await place.has(repo, dropped)
    assert await place.has(repo, kept)
    assert await place.collect() == Collected()


async def test_an_object_that_another_repository_has_stays(place: Place) -> None:
    first, second = await place.repo("a"), await place.repo("b")
    big = await place.stored(first, "a")
    await place.upload(second, big)
    await place.age()
    assert await place.collect() == Collected(links=1)
    assert await place.has(first, big)
    assert not await place.has(second, big)


@pytest.mark.parametrize("ref", ["refs/pr/1", "refs/convert/parquet", "refs/hubd/x", "refs/tags/t"])
async def test_any_ref_keeps_what_it_reaches(place: Place, ref: str) -> None:
    repo = await place.repo()
    old = await place.stored(repo, "r")
    tip = (await place.git("r", "rev-parse", "HEAD")).strip()
    path = place.core.path_of(repo.id)
    await place.core.git.run(path, "update-ref", args=[ref, tip])
    await place.git("r", "checkout", "-q", "--orphan", "other")
    await place.git("r", "rm", "-rfq", ".")
    new = await place.stored(repo, "r", pushed=False)
    # The default branch is protected: it goes as only the machine's operator can do it.
    await place.push("r", "other")
    await place.core.git.run(path, "update-ref", "-d", args=["refs/heads/main"])
    await place.age()
    assert await place.collect() == Collected()
    assert await place.has(repo, old)
    assert await place.has(repo, new)
    await place.core.git.run(path, "update-ref", "-d", args=[ref])
    await place.age()
    assert (await place.collect()).objects == 1
    assert not await place.has(repo, old)
    assert await place.has(repo, new)


@pytest.mark.parametrize(
    "point",
    [
        "push.before_intent",
        "push.after_intent",
        "push.before_verdict",
        "push.after_verdict",
        "push.before_finish",
        "push.after_finish",
    ],
)
@pytest.mark.usefixtures("arm")
async def test_T44_a_push_in_flight_loses_nothing(place: Place, point: str) -> None:
    repo = await place.repo()
    big = await place.stored(repo, "r", pushed=False)
    _hold_up(point)
    pushing = asyncio.create_task(place.push("r"))
    while not await _has_begun(place, repo):
        await asyncio.sleep(0.02)
    rounds = 0
    while not pushing.done():
        # The worst case: as if the check had been a month ago.
        await place.age()
        await place.collect()
        rounds += 1
    await pushing
    assert rounds > 1
    assert await place.has(repo, big)
    assert await place.collect() == Collected()


async def _has_begun(place: Place, repo: Repo) -> bool:
    """Whether the pack is in the quarantine, or has been."""
    if list(place.core.path_of(repo.id).glob("objects/tmp_objdir-*/pack/*.idx")):
        return True
    async with place.core.store.read() as conn:
        return bool((await conn.execute(sa.text("SELECT count(*) FROM pushes"))).scalar_one())


async def test_tips_of_an_open_intent_count_when_no_ref_names_them_yet(place: Place) -> None:
    repo = await place.repo()
    big = await place.stored(repo, "r")
    tip = (await place.git("r", "rev-parse", "HEAD")).strip()
    path = place.core.path_of(repo.id)
    await place.core.git.run(path, "update-ref", "-d", args=["refs/heads/main"])

    async def intend(conn: Connection) -> int:
        moves = [pushes.RefMove("refs/heads/x", "0" * 40, tip)]
        absent = pushes.RefMove("refs/heads/y", "0" * 40, "1" * 40)
        return await pushes.intent(
            conn,
            repo_id=repo.id,
            actor=Actor.system(),
            moves=[*moves, absent],
            options=[],
            process_group=0,
            process_started=0.0,
        )

    push_id = await place.core.store.write(intend)
    await place.age()
    assert await place.collect() == Collected()
    await place.core.store.write(lambda conn: pushes.drop(conn, push_id))
    assert (await place.collect()).objects == 1
    assert not await place.has(repo, big)


async def test_an_upload_between_batch_and_push_stays(place: Place) -> None:
    repo, big = await place.repo(), Big.random()
    await place.upload(repo, big)
    await place.age()
    actor, wanted = Actor.system(), [Wanted(big.oid, len(big.data))]
    # The hub says that there is nothing to send: from now on the client counts on it.
    assert (await batch.upload(place.core.lfs, actor, repo, wanted))[0].ticket is None
    assert await place.collect() == Collected()
    await place.commit("r", big=big.pointer)
    await place.push("r")
    await place.age()
    assert await place.collect() == Collected()
    assert await place.has(repo, big)


@pytest.mark.usefixtures("arm")
async def test_a_use_while_a_round_looks_around_counts(place: Place) -> None:
    repo = await place.repo()
    big = await place.stored(repo, "r", pushed=False)
    await place.age()
    _hold_up("collect.after_mark")
    taking = asyncio.create_task(place.collect())
    await asyncio.sleep(0.7)
    await place.push("r")
    assert not taking.done(), "the push was to come in the middle"
    assert await taking == Collected()
    assert await place.has(repo, big)


async def test_a_push_after_its_object_went_is_refused(place: Place) -> None:
    repo = await place.repo()
    big = await place.stored(repo, "r", pushed=False)
    await place.age()
    assert (await place.collect()).objects == 1
    assert "git lfs push --all" in await place.push("r", check=False)
    await place.upload(repo, big)
    await place.push("r")
    assert await place.has(repo, big)


async def test_a_dropped_commit_comes_back_only_with_its_objects(place: Place) -> None:
    repo = await place.repo()
    await place.commit("r", readme="x")
    await place.push("r")
    big = await place.stored(repo, "r", pushed=False)
    await place.push("r", "main:topic")
    tip = (await place.git("r", "rev-parse", "HEAD")).strip()
    await place.push("r", ":topic")
    await place.age()
    assert (await place.collect()).objects == 1
    # The hub still has the commit, so that no object comes with this push.
    refused = await _moved(place, repo, "refs/heads/again", tip)
    assert "not on this hub" in refused
    await place.upload(repo, big)
    assert await _moved(place, repo, "refs/heads/again", tip) == ""


async def _moved(place: Place, repo: Repo, ref: str, tip: str) -> str:
    """Move a ref by a push of nothing; what is said against it."""
    path = place.core.path_of(repo.id)
    reading = Reading(Actor.system(), repo, path)
    request = push_request([RefMove(ref, "0" * 40, tip)])
    async with push.receive(place.core, reading, "", stateless=True) as running:
        report = await send(running.child, request)
    return "" if report.ok else report.messages


async def test_the_trash_keeps_its_objects_until_it_is_emptied(place: Place) -> None:
    repo = await place.repo()
    big = await place.stored(repo, "r")
    system = Actor.system()
    await repos.delete(place.core, system, repo.ref)
    await place.age()
    assert await place.collect() == Collected()
    await trash.restore_by_id(place.core, system, repo.id)
    assert await place.has(repo, big)
    await repos.delete(place.core, system, repo.ref)

    async def long_ago(conn: Connection) -> None:
        await conn.execute(sa.text("UPDATE repos SET deleted_at = 1"))

    await place.core.store.write(long_ago)
    assert await trash.purge(place.core) == 1
    await place.age()
    assert (await place.collect()).objects == 1
    assert await place.core.lfs.blobs.stat(Key.object(big.oid)) is None


async def test_of_a_repository_that_cannot_be_read_nothing_goes(place: Place) -> None:
    repo = await place.repo()
    kept = await place.stored(repo, "r")
    loose = Big.random()
    await place.upload(repo, loose)
    path = place.core.path_of(repo.id)
    for pack in path.glob("objects/pack/*.idx"):
        pack.rename(pack.with_suffix(".away"))
    await place.age()
    assert await place.collect() == Collected(skipped=[repo.id])
    for pack in path.glob("objects/pack/*.away"):
        pack.rename(pack.with_suffix(".idx"))
    assert (await place.collect()).objects == 1
    assert await place.has(repo, kept)


async def test_uploads_and_rounds_of_the_same_objects_at_once(place: Place) -> None:
    """Whoever is told that an object is stored can read it, whatever a round does meanwhile."""
    repo = await place.repo()
    bigs = [Big.random(200_000) for _ in range(8)]
    stop = asyncio.Event()

    async def rounds() -> int:
        taken = 0
        while not stop.is_set():
            taken += (await place.collect()).objects
        return taken

    async def use(big: Big) -> None:
        for _ in range(10):
            await place.upload(repo, big)
            assert await place.has(repo, big)
            await place.age(big.oid)
            await asyncio.sleep(random.uniform(0, 0.05))

    collecting = asyncio.create_task(rounds())
    await asyncio.gather(*map(use, bigs))
    stop.set()
    assert await collecting > 0


async def test_bytes_without_a_row_go(place: Place) -> None:
    blobs, stray = place.core.lfs.blobs, Big.random(300)
    sink = await blobs.begin()
    await sink.write(stray.data)
    await sink.commit(Key.object(stray.oid))
    assert await place.collect() == Collected()
    await place.age()
    assert await place.collect() == Collected(strays=1, bytes=300)
    assert await blobs.stat(Key.object(stray.oid)) is None
