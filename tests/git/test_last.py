"""The last commit of each entry agrees with ``git log -1`` on each, whatever the history."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from hubd.git import last
from hubd.git.process import Git
from tests.git.making import Repository


def by_git(repo: Repository, commit: str, folder: str, names: list[str]) -> dict[str, str]:
    place = f"{folder}/" if folder else ""
    env = {"GIT_LITERAL_PATHSPECS": "1"}
    return {
        n: repo.git("log", "-1", "--format=%H", commit, "--", place + n, env=env) for n in names
    }


def listed(repo: Repository, commit: str, folder: str) -> list[str]:
    out = repo.raw("ls-tree", "-z", "--name-only", f"{commit}:{folder}")
    return [name.decode("utf-8", "surrogateescape") for name in out.split(b"\0") if name]


async def assert_as_git(git: Git, repo: Repository, commit: str, folder: str) -> None:
    names = listed(repo, commit, folder)
    found = await last.last_commits(git, repo.path, commit, folder, names)
    expected = by_git(repo, commit, folder, names)
    assert {name: info.oid for name, info in found.items()} == expected


async def test_linear_history_with_folders_links_and_odd_names(git: Git, repo: Repository) -> None:
    repo.commit({"a": b"1", "d/b": b"1", "d/e/c": b"1", "d/*": b"star", "d/é\udcff": b"raw"})
    repo.commit({"d/e/c": b"2"})
    repo.commit({"d/b": ("120000", b"../a")})
    repo.commit({"d/new\nline": b"x", ":(glob)x": b"x", "d/ :100644": b"x"}, "last\n\n:000 body")
    tip = repo.commit({"a": b"2", "d/*": None, "d/sub": ("160000", repo.tips["main"])})
    for folder in ("", "d", "d/e"):
        await assert_as_git(git, repo, tip, folder)


async def test_a_merge_that_took_one_side_names_that_sides_commit(
    git: Git, repo: Repository
) -> None:
    base = repo.commit({"f": b"0", "g": b"0", "d/f": b"0", "d/g": b"0"})
    ours = repo.commit({"f": b"ours", "d/f": b"ours"})
    theirs = repo.commit({"f": b"theirs", "d/f": b"theirs"}, branch="side", parents=[base])
    tip = repo.commit(
        {"f": b"ours", "d/f": b"ours"}, "merge", parents=[ours, theirs], when=repo.clock + 9999
    )
    for folder in ("", "d"):
        await assert_as_git(git, repo, tip, folder)
        found = await last.last_commits(git, repo.path, tip, folder, ["f"])
        assert found["f"].oid == ours


@pytest.mark.parametrize("seed", range(8))
async def test_random_histories_with_merges_and_clock_skew(
    git: Git, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    repo = Repository.make(tmp_path / "random.git", dice.choice(["sha1", "sha256"]))
    files_of: dict[str, dict[str, bytes]] = {}
    made: list[tuple[str, dict[str, bytes]]] = []
    names = ["a", "b", "d/a", "d/b", "d/c", "d/e/x", "d/e/y", "d/e/f/z"]
    for number in range(30):
        count = min(len(made), dice.choice([1, 1, 2, 3])) if number else 0
        bases = dice.sample(made[-6:], min(count, len(made[-6:])))
        files = dict(bases[0][1]) if bases else {"a": b"0", "d/a": b"0"}
        for _, theirs in bases[1:]:
            files.update({n: theirs[n] for n in theirs if dice.random() < 0.5})
        for name in dice.sample(names, dice.randint(0, 2)):
            files[name] = dice.choice([b"0", b"1", b"2"])
        before = set(bases[0][1]) if bases else set()
        changes: dict[str, bytes | tuple[str, bytes | str] | None] = dict(files)
        changes |= dict.fromkeys(before - set(files))
        oid = repo.commit(
            changes,
            branch=f"b{number}",
            parents=[oid for oid, _ in bases],
            when=repo.clock + dice.randint(-500, 500),
        )
        made.append((oid, files))
        files_of[oid] = files
    for oid, _ in made[-5:]:
        await assert_as_git(git, repo, oid, "")
        await assert_as_git(git, repo, oid, "d")
        for deep in {"d/e", "d/e/f"} & {name.rpartition("/")[0] for name in files_of[oid]}:
            await assert_as_git(git, repo, oid, deep)


async def test_t20_a_tree_bomb_costs_nothing(git: Git, repo: Repository) -> None:
    repo.commit({"d/small": b"1"})
    tip = repo.commit({"d/boom": ("040000", repo.bomb()), "boom": ("040000", repo.bomb())})
    began = time.monotonic()
    for folder in ("", "d"):
        found = await last.last_commits(git, repo.path, tip, folder, listed(repo, tip, folder))
        assert found["boom"].oid == tip
    assert time.monotonic() - began < 5


async def test_a_huge_message_and_a_header_that_looks_like_a_change(
    git: Git, repo: Repository
) -> None:
    tree = repo.tree([("100644", "f", repo.blob(b"x"))])
    zero = "0" * len(tree)
    head = f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n"
    fake = f":000000 100644 {zero} {tree} A\n\n"
    first = repo.object("commit", (head + fake).encode() + b"\xff" * 3_000_000)
    second = repo.object(
        "commit", head.replace("author", f"parent {first}\nauthor", 1).encode() + fake.encode()
    )
    found = await last.last_commits(git, repo.path, second, "", ["f"])
    assert found["f"].oid == first
    assert len(found["f"].body) <= 65536


async def test_names_that_are_not_there_stay_unanswered(git: Git, repo: Repository) -> None:
    tip = repo.commit({"d/f": b"1"})
    assert await last.last_commits(git, repo.path, tip, "d", []) == {}
    assert (await last.last_commits(git, repo.path, tip, "d", ["f"])).keys() == {"f"}


async def test_many_names_over_a_long_history_end_early(git: Git, tmp_path: Path) -> None:
    repo = Repository.make(tmp_path / "long.git")
    stream = []
    for number in range(3000):
        text = b"%d" % number
        stream.append(
            b"commit refs/heads/main\ncommitter C <c@d> %d +0000\ndata 1\nx\n"
            b"M 100644 inline d/f%d\ndata %d\n%s\n" % (number, number % 100, len(text), text)
        )
    repo.raw("fast-import", "--quiet", data=b"".join(stream))
    tip = repo.git("rev-parse", "main")
    names = [f"f{number}" for number in range(100)]
    began = time.monotonic()
    found = await last.last_commits(git, repo.path, tip, "d", names)
    assert len(found) == 100
    assert time.monotonic() - began < 3


async def test_time_runs_out_and_what_is_known_is_shown(git: Git, repo: Repository) -> None:
    tip = repo.commit({"d/f": b"1"})
    assert await last.last_commits(git, repo.path, tip, "d", ["f"], seconds=0) == {}
