"""Repacking keeps everything that counts, and forgets only what it is told to."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from hubd.git import maintenance, push
from hubd.git.objects import ObjectPool
from hubd.git.process import Git
from hubd.git.write import AddFile
from tests.git.making import Repository
from tests.git.test_write import build, commit, deliver, zero


def packs(repo: Repository, suffix: str = ".pack") -> list[str]:
    return sorted(found.name for found in (repo.path / "objects/pack").glob(f"*{suffix}"))


async def fill(git: Git, repo: Repository, count: int, folder: str = "d") -> None:
    for number in range(count):
        await commit(git, repo, [AddFile(f"{folder}/f{number}", os.urandom(200))], f"c{number}")


async def test_many_pushes_become_few_packs_with_bitmap_and_commit_graph(
    git: Git, repo: Repository
) -> None:
    await fill(git, repo, 12)
    repo.git("update-ref", "refs/tags/loose", "main")
    assert len(packs(repo)) == 12
    await maintenance.maintain(git, repo.path, full=False)
    assert len(packs(repo)) < 3
    assert packs(repo, ".bitmap")
    assert (repo.path / "objects/pack/multi-pack-index").exists()
    assert (repo.path / "objects/info/commit-graphs").is_dir()
    assert not list((repo.path / "refs").rglob("*loose"))
    assert await maintenance.fsck(git, repo.path) == []
    await fill(git, repo, 4, "e")
    await maintenance.maintain(git, repo.path, full=False)
    await fill(git, repo, 3, "f")
    await maintenance.maintain(git, repo.path, full=True)
    assert len(packs(repo)) == 1
    assert packs(repo, ".bitmap")
    assert await maintenance.fsck(git, repo.path) == []
    repo.git("commit-graph", "verify")
    assert len(repo.git("rev-list", "main").split()) == 19


async def test_an_empty_repository_may_be_maintained(git: Git, repo: Repository) -> None:
    for full in (False, True):
        await maintenance.maintain(git, repo.path, full=full)
    await maintenance.prune_now(git, repo.path)
    assert await maintenance.fsck(git, repo.path) == []


async def test_unreachable_objects_stay_until_they_are_pruned_on_purpose(
    git: Git, repo: Repository, pool: ObjectPool
) -> None:
    await fill(git, repo, 2)
    keep = repo.tips["main"]
    secret = repo.blob(b"loose secret")
    await commit(git, repo, [AddFile("secret", b"pushed secret")], "leak")
    leaked = [repo.tips["main"], repo.git("rev-parse", "main:secret"), secret]
    await maintenance.maintain(git, repo.path, full=False)
    back = push.RefMove("refs/heads/main", repo.tips["main"], keep)
    assert (await deliver(git, repo, [back], None)).ok
    for full in (False, True, False):
        await maintenance.maintain(git, repo.path, full=full)
        assert all([await pool.info(repo.path, oid) for oid in leaked])
    await maintenance.prune_now(git, repo.path)
    await pool.forget(repo.path)
    assert [await pool.info(repo.path, oid) for oid in leaked] == [None] * 3
    assert await maintenance.fsck(git, repo.path) == []
    repo.git("commit-graph", "verify")
    await maintenance.maintain(git, repo.path, full=True)
    assert await maintenance.fsck(git, repo.path) == []
    assert repo.git("rev-parse", "main") == keep


async def test_damage_is_told(git: Git, repo: Repository) -> None:
    await fill(git, repo, 1)
    found = repo.path / "objects/pack" / packs(repo)[0]
    data = bytearray(found.read_bytes())
    data[len(data) // 2] ^= 0xFF
    found.chmod(0o644)
    found.write_bytes(data)
    assert await maintenance.fsck(git, repo.path)


async def test_pushes_and_repacks_do_not_disturb_each_other(
    git: Git, repo: Repository, pool: ObjectPool
) -> None:
    await fill(git, repo, 3)

    async def repack() -> None:
        for number in range(6):
            await maintenance.maintain(git, repo.path, full=number % 3 == 2)

    working = asyncio.create_task(repack())
    number = 0
    while not working.done():
        await fill(git, repo, 1, f"g{number}")
        number += 1
        tip = await pool.info(repo.path, "refs/heads/main")
        assert tip is not None
        assert tip.oid == repo.tips["main"]
    await working
    assert number > 1
    assert await maintenance.fsck(git, repo.path) == []
    assert len(repo.git("rev-list", "main").split()) == 3 + number


async def test_nothing_is_left_behind(git: Git, repo: Repository, tmp_path: Path) -> None:
    with await build(git, repo, None, [AddFile("x", b"1")]) as pack:
        assert (
            await deliver(git, repo, [push.RefMove("refs/heads/main", zero(repo), pack.oid)], pack)
        ).ok
    await maintenance.maintain(git, repo.path, full=True)
    left = [path for path in repo.path.rglob("*") if "tmp_" in path.name or path.suffix == ".lock"]
    assert left == []
    assert list((tmp_path / "data/tmp").iterdir()) == []


@pytest.mark.parametrize("full", [False, True])
async def test_clones_after_maintenance_are_whole(
    git: Git, repo: Repository, tmp_path: Path, full: bool
) -> None:
    await fill(git, repo, 5)
    await maintenance.maintain(git, repo.path, full=full)
    clone = tmp_path / "clone.git"
    repo.git("clone", "--no-local", "--bare", "-q", str(repo.path), str(clone))
    copy = Repository(clone, repo.object_format)
    assert copy.git("rev-list", "--objects", "--all") == repo.git("rev-list", "--objects", "--all")


async def test_f11_a_push_that_is_cut_off_leaves_nothing(git: Git, repo: Repository) -> None:
    tip = repo.commit({"a": b"1"})
    with await build(git, repo, tip, [AddFile("b", os.urandom(1_000_000))]) as pack:
        request = list(
            push.push_request([push.RefMove("refs/heads/main", tip, pack.oid)], (), pack)
        )
    ends = os.pipe()
    lock = os.open(repo.path / "HEAD", os.O_RDONLY)
    child = await git.receive_pack(
        repo.path, protocol="", stateless=True, hook_fds=ends, lock_fd=lock
    )
    for descriptor in (*ends, lock):
        os.close(descriptor)
    try:
        for piece in request[:-2]:
            await child.write(piece)
        for _ in range(200):
            if list(repo.path.glob("objects/tmp_objdir-*")):
                break
            await asyncio.sleep(0.01)
        assert list(repo.path.glob("objects/tmp_objdir-*"))
    finally:
        await child.finish()
    assert list(repo.path.glob("objects/tmp_objdir-*")) == []
    assert repo.git("rev-parse", "main") == tip
