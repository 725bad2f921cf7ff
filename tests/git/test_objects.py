"""Reading objects through children that stay open."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.errors import Invalid, NotFound, TooLarge, Unavailable
from hubd.git.objects import Batch, ObjectInfo, ObjectPool
from hubd.git.process import Git
from tests.git.making import Repository


def children() -> int:
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found += int(fields[1]) == os.getpid() and fields[0] != "Z"
    return found


async def test_facts_and_contents(pool: ObjectPool, repo: Repository) -> None:
    tip = repo.commit({"d/a": b"one\n", "b": b""})
    blob = repo.git("rev-parse", f"{tip}:d/a")
    assert await pool.info(repo.path, blob) == ObjectInfo(blob, "blob", 4)
    assert await pool.info(repo.path, f"{tip}:d/a") == ObjectInfo(blob, "blob", 4)
    found = await pool.contents(repo.path, f"{tip}:d/a")
    assert found == (ObjectInfo(blob, "blob", 4), b"one\n")
    info = await pool.info(repo.path, "refs/heads/main")
    assert info is not None
    assert (info.oid, info.kind) == (tip, "commit")
    batch = await pool.batch(repo.path)
    assert await batch.tree_of(tip) == repo.git("rev-parse", f"{tip}^{{tree}}")
    assert await batch.tree_of(blob) is None
    everything = repo.git("rev-list", "--objects", "--no-object-names", "--all").split()
    infos = await pool.info_many(repo.path, everything)
    contents = await pool.contents_many(repo.path, [*everything, *everything])
    for oid, fact in zip(everything, infos, strict=True):
        assert fact is not None
        assert contents[oid] == repo.raw("cat-file", fact.kind, oid)
        assert fact.size == len(contents[oid])


@pytest.mark.parametrize(
    "spec",
    ["1" * 40, "1" * 64, "nothing", "refs/heads/no", "main:none", "a blob 12", "", "x missing"],
)
async def test_what_is_not_there_is_none(pool: ObjectPool, repo: Repository, spec: str) -> None:
    repo.commit({"a": b"1"})
    assert await pool.info(repo.path, spec) is None
    assert await pool.contents(repo.path, spec) is None


@pytest.mark.parametrize("spec", ["a\nb", "a\n", "a\0b", "main\ncontents main"])
async def test_a_line_feed_cannot_make_two_questions(
    pool: ObjectPool, repo: Repository, spec: str
) -> None:
    repo.commit({"a": b"1"})
    with pytest.raises(Invalid):
        await pool.info(repo.path, spec)
    with pytest.raises(Invalid):
        await pool.info_many(repo.path, ["main", spec])
    assert await pool.info(repo.path, "refs/heads/main") is not None


async def test_limits_are_checked_before_anything_is_held(
    pool: ObjectPool, repo: Repository
) -> None:
    tip = repo.commit({"big": b"x" * 3_000_000, "small": b"s"})
    with pytest.raises(TooLarge):
        await pool.contents(repo.path, f"{tip}:big", 1000)
    batch = await pool.batch(repo.path)
    oids = [repo.git("rev-parse", f"{tip}:{name}") for name in ("big", "small")]
    with pytest.raises(TooLarge):
        await batch.contents_many(oids, 1000)
    # The answer that nobody read is not taken for the next one's.
    assert await batch.contents_many(oids[1:], 1000) == {oids[1]: b"s"}
    with pytest.raises(Unavailable):
        await batch.contents_many(["1" * len(tip), oids[1]])
    assert (await pool.contents(repo.path, oids[1])) is not None


async def test_many_long_questions_do_not_jam(pool: ObjectPool, repo: Repository) -> None:
    repo.commit({"a": b"1"})
    specs = [f"main:{'x' * 4000}{number}" for number in range(300)]
    infos = await asyncio.wait_for(pool.info_many(repo.path, specs), 20)
    assert infos == [None] * 300


async def test_a_large_blob_streams_and_may_be_left_in_the_middle(
    pool: ObjectPool, repo: Repository
) -> None:
    data = os.urandom(5_000_000)
    tip = repo.commit({"big": data, "small": b"s", "none": b""})
    for name, expected in (("big", data), ("small", b"s"), ("none", b"")):
        oid = repo.git("rev-parse", f"{tip}:{name}")
        pieces = [piece async for piece in pool.stream(repo.path, oid)]
        assert b"".join(pieces) == expected
        assert all(len(piece) <= 256 * 1024 for piece in pieces)
    before = children()
    async with aclosing(pool.stream(repo.path, repo.git("rev-parse", f"{tip}:big"))) as pieces_of:
        async for piece in pieces_of:
            assert piece
            break
        # A slow reader keeps nobody waiting.
        assert await asyncio.wait_for(pool.info(repo.path, tip), 5) is not None
    assert children() <= before
    with pytest.raises(NotFound):
        [piece async for piece in pool.stream(repo.path, "1" * len(tip))]


async def test_a_cancelled_question_spoils_nothing(pool: ObjectPool, repo: Repository) -> None:
    tip = repo.commit({f"f{number}": b"%d" % number for number in range(50)})
    oids = repo.git("rev-list", "--objects", "--no-object-names", tip).split()
    for delay in (0.0, 0.0005, 0.001, 0.002, 0.004):
        task = asyncio.create_task(pool.contents_many(repo.path, oids * 20))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for oid in oids[:5]:
            found = await pool.contents(repo.path, oid)
            assert found is not None
            assert found[0].oid == oid


async def test_a_child_that_dies_is_replaced(pool: ObjectPool, repo: Repository) -> None:
    tip = repo.commit({"a": b"1"})
    assert await pool.info(repo.path, tip)
    for one in pool._open[repo.path]:
        assert one.batch._child is not None
        os.kill(one.batch._child.pid, 9)
    await asyncio.sleep(0.1)
    assert await pool.info(repo.path, tip)


async def test_damage_is_an_error_not_a_hang(pool: ObjectPool, repo: Repository) -> None:
    oid = repo.blob(os.urandom(1000))
    found = repo.path / "objects" / oid[:2] / oid[2:]
    found.chmod(0o644)
    found.write_bytes(found.read_bytes()[:200])
    with pytest.raises(Unavailable):
        await asyncio.wait_for(pool.contents_many(repo.path, [oid]), 10)
    assert await pool.info(repo.path, "nothing") is None


async def test_new_packs_and_moved_refs_are_seen(pool: ObjectPool, repo: Repository) -> None:
    repo.commit({"a": b"1"})
    assert await pool.info(repo.path, "refs/heads/main")
    tip = repo.commit({"a": b"2"})
    repo.git("repack", "-adq")
    info = await pool.info(repo.path, "refs/heads/main")
    assert info is not None
    assert info.oid == tip
    assert await pool.info(repo.path, f"{tip}:a")


async def test_children_are_few_and_end(git: Git, tmp_path: Path) -> None:
    pool = ObjectPool(git, most=3, per_repo=2, idle_seconds=0.3)
    repos = [Repository.make(tmp_path / f"{number}.git") for number in range(6)]
    tips = [repo.commit({"a": b"1"}) for repo in repos]
    before = children()
    for repo, tip in zip(repos, tips, strict=True):
        assert await pool.info(repo.path, tip)
    assert sum(map(len, pool._open.values())) <= 3
    await asyncio.gather(*(pool.info(repos[0].path, tips[0]) for _ in range(50)))
    assert len(pool._open[repos[0].path]) <= 2
    for _ in range(100):
        if not pool._open:
            break
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert not pool._open
    assert children() == before
    assert await pool.info(repos[0].path, tips[0])
    async with pool.borrow(repos[0].path) as batch:
        await pool.forget(repos[0].path)
        assert await batch.info(tips[0])
    await pool.evict()
    await pool.close()
    await asyncio.sleep(0.05)
    assert children() == before


async def test_quarantined_objects_are_seen_with_their_environment(
    git: Git, repo: Repository, tmp_path: Path
) -> None:
    quarantine = tmp_path / "q"
    quarantine.mkdir()
    env = {
        "GIT_OBJECT_DIRECTORY": str(quarantine),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repo.path / "objects"),
    }
    oid = repo.git("hash-object", "-w", "--stdin", data=b"hidden", env=env)
    async with Batch(git, repo.path) as plain, Batch(git, repo.path, env) as seeing:
        assert await plain.info(oid) is None
        assert await seeing.contents_many([oid]) == {oid: b"hidden"}


@settings(
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(specs=st.lists(st.text(max_size=30), max_size=20))
async def test_any_text_is_answered_in_its_place(
    tmp_path_factory: pytest.TempPathFactory, specs: list[str]
) -> None:
    from hubd.config import Config

    folder = tmp_path_factory.mktemp("any")
    repo = Repository.make(folder / "r.git")
    tip = repo.commit({"a": b"1"})
    async with Batch(Git(Config(data_dir=str(folder)), None), repo.path) as batch:
        asked = [spec for text in specs for spec in (text, tip)]
        try:
            infos = await batch.info_many(asked)
        except Invalid:
            assert any("\n" in spec or "\0" in spec for spec in specs)
            return
        assert all(info is not None and info.oid == tip for info in infos[1::2])
