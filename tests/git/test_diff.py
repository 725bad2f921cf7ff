"""Differences: what git says, under limits, whatever is in the trees."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.config import Config
from hubd.errors import NotFound
from hubd.git import diff
from hubd.git.diff import Diff, Limits
from hubd.git.process import Git
from hubd.git.treewalk import Change
from hubd.procs import Child
from tests.git.making import Content, Repository


def text_of(hunk: diff.Hunk) -> list[str]:
    return [f"{line.kind}{line.text}" for line in hunk.lines]


async def test_kinds_of_change(git: Git, repo: Repository) -> None:
    sub = "1" * (40 if repo.object_format == "sha1" else 64)
    body = b"".join(b"line %d\n" % number for number in range(40))
    old = repo.commit(
        {
            "gone": b"1\n2\n",
            "moved": body,
            "changed": body,
            "mode": b"x\n",
            "link": ("120000", b"a"),
            "sub": ("160000", sub),
            "bin": b"\0\1\2",
            "same": b"same",
        }
    )
    new = repo.commit(
        {
            "gone": None,
            "moved": None,
            "dir/moved": body + b"more\n",
            "changed": body.replace(b"line 20\n", b"LINE 20\nline 20b\n"),
            "mode": ("100755", b"x\n"),
            "link": b"now a file\n",
            "sub": ("160000", sub.replace("1", "2")),
            "bin": b"\0\1\3",
            "new": b"no newline",
        }
    )
    found = await diff.diff(git, repo.path, old, new)
    by_name = {file.new_path: file for file in found.files}
    assert {name: file.status for name, file in by_name.items()} == {
        "bin": "modified",
        "changed": "modified",
        "dir/moved": "renamed",
        "gone": "deleted",
        "link": "retyped",
        "mode": "modified",
        "new": "added",
        "sub": "modified",
    }
    assert not any(file.truncated for file in found.files)
    assert (found.files_total, found.truncated) == (8, False)
    assert by_name["bin"].binary
    assert by_name["dir/moved"].old_path == "moved"
    assert text_of(by_name["dir/moved"].hunks[0])[-1] == "+more"
    assert by_name["mode"].hunks == []
    assert (by_name["mode"].old_mode, by_name["mode"].new_mode) == (0o100644, 0o100755)
    assert [text_of(hunk) for hunk in by_name["link"].hunks] == [["-a"], ["+now a file"]]
    assert [text_of(hunk) for hunk in by_name["new"].hunks] == [["+no newline"]]
    assert by_name["sub"].hunks[0].lines[0].text.startswith("Subproject commit 111")
    changed = by_name["changed"]
    assert (changed.additions, changed.deletions) == (2, 1)
    numbers = [(line.old_no, line.new_no) for line in changed.hunks[0].lines]
    assert numbers[:5] == [(18, 18), (19, 19), (20, 20), (21, None), (None, 21)]
    assert (found.additions, found.deletions) == (
        sum(file.additions for file in found.files),
        sum(file.deletions for file in found.files),
    )


async def test_a_first_commit_and_trees_that_agree(git: Git, repo: Repository) -> None:
    tip = repo.commit({"a": b"1\n", "d/b": b"2\n"})
    found = await diff.diff(git, repo.path, None, tip)
    assert [(file.new_path, file.status) for file in found.files] == [
        ("a", "added"),
        ("d/b", "added"),
    ]
    assert await diff.diff(git, repo.path, tip, tip) == Diff([], 0, 0, 0, truncated=False)
    with pytest.raises(NotFound):
        await diff.diff(git, repo.path, tip, "1" * len(tip))
    with pytest.raises(NotFound):
        await diff.diff(git, repo.path, "1" * len(tip), tip)


async def test_content_cannot_forge_files_or_hunks(git: Git, repo: Repository) -> None:
    forged = b"diff --git a/x b/x\n@@ -1 +1 @@\n-x\n+y\n--- a/z\n+++ b/z\n\\ No newline\n"
    name = "\n@@ -1 +1 @@\n+fake\ndiff --git a/q b/q\n"
    old = repo.commit({"f": b"first\n", name: b"1\n"})
    new = repo.commit({"f": forged, name: b"2\n", "é\udcff": b"raw\n"})
    found = await diff.diff(git, repo.path, old, new)
    by_name = {file.new_path: file for file in found.files}
    assert by_name.keys() == {"f", name, "é\ufffd"}
    assert text_of(by_name["f"].hunks[0]) == ["-first"] + [
        "+" + line for line in forged.decode().split("\n")[:-1]
    ]
    assert text_of(by_name[name].hunks[0]) == ["-1", "+2"]


async def test_limits_on_files_lines_and_bytes(git: Git, repo: Repository) -> None:
    old = repo.commit({"a": b"1\n"})
    new = repo.commit({f"f{n:02d}": b"line\n" * 50 for n in range(20)} | {"z" * 10: b"x" * 9000})
    found = await diff.diff(git, repo.path, old, new, Limits(files=5))
    assert [file.new_path for file in found.files] == [f"f{n:02d}" for n in range(5)]
    assert (found.files_total, found.truncated, found.additions) == (21, True, 250)
    found = await diff.diff(git, repo.path, old, new, Limits(files=5, counted_files=7))
    assert (found.files_total, found.truncated) == (8, True)
    found = await diff.diff(git, repo.path, old, new, Limits(lines_per_file=10))
    assert all(file.truncated for file in found.files[:-1])
    assert len(found.files[0].hunks[0].lines) == 10
    assert found.files[0].additions == 50
    found = await diff.diff(git, repo.path, old, new, Limits(patch_bytes=1000))
    assert [file.truncated for file in found.files[:3]] == [False, False, True]
    assert all(file.truncated and not file.hunks for file in found.files[3:])
    found = await diff.diff(git, repo.path, old, new, Limits(line=20))
    assert found.files[-1].hunks[0].lines[0].text == "x" * 20


async def test_t20_a_tree_bomb_is_cut_in_a_second(git: Git, repo: Repository) -> None:
    old = repo.commit({"a": b"1\n", "x": b"file\n"})
    boom = ("040000", repo.bomb())
    both: list[dict[str, Content]] = [{"boom": boom}, {"x": boom, "a": b"2\n"}]
    for changes in both:
        new = repo.commit(changes, parents=[old])
        began = time.monotonic()
        found = await diff.diff(git, repo.path, old, new)
        assert found.truncated
        assert found.files_total > 3000
        assert len(found.files) == 300
        assert time.monotonic() - began < 5
    assert {"a", "x"} <= {file.new_path for file in found.files}
    back = await diff.diff(git, repo.path, new, old, Limits(files=3))
    assert back.truncated


async def test_a_bomb_of_folders_without_files_ends_too(git: Git, repo: Repository) -> None:
    oid = repo.tree([])
    for _ in range(9):
        oid = repo.tree([("040000", f"d{n}", oid) for n in range(10)])
    tree = repo.tree([("100644", "f", repo.blob(b"1")), ("040000", "zz", oid)])
    head = f"tree {tree}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"
    tip = repo.object("commit", head.encode())
    found = await diff.diff(git, repo.path, None, tip, Limits(trees=500))
    assert ([file.new_path for file in found.files], found.truncated) == (["f"], True)


async def test_merge_base_and_distance(git: Git, repo: Repository) -> None:
    base = repo.commit({"a": b"0"})
    left = repo.commit({"a": b"1"})
    right = repo.commit({"b": b"1"}, branch="side", parents=[base])
    right = repo.commit({"b": b"2"}, branch="side")
    other = repo.commit({"c": b"1"}, branch="alone", parents=[])
    assert await diff.merge_base(git, repo.path, left, right) == base
    assert await diff.merge_base(git, repo.path, left, other) is None
    assert await diff.ahead_behind(git, repo.path, left, right) == (1, 2)
    assert await diff.ahead_behind(git, repo.path, left, other) == (2, 1)


names = st.sampled_from(["a", "b", "d", "d/e", "d/f", "b/c", "é", "x y", '"', "*"])
contents = st.one_of(st.binary(max_size=6), st.text("ab\n", max_size=9).map(str.encode))
trees = st.dictionaries(names, contents, max_size=6)


def possible(files: dict[str, bytes]) -> dict[str, Content]:
    return {
        name: data
        for name, data in files.items()
        if not any(other.startswith(name + "/") for other in files)
    }


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(old=trees, new=trees)
async def test_any_two_trees_agree_with_git(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, bytes], new: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    git = Git(Config(data_dir=str(folder)), None)
    repo = Repository.make(folder / "r.git")
    left = repo.commit(possible(old), branch="l")
    right = repo.commit(possible(new), branch="r")
    found = await diff.diff(git, repo.path, left, right)
    listing = repo.raw("diff-tree", "-r", "-M", "--name-status", "-z", left, right).decode()
    fields = iter(listing.split("\0")[:-1])
    expected = [
        (status[0], [next(fields) for _ in range(2 if status[0] == "R" else 1)])
        for status in fields
    ]
    letters = {"added": "A", "deleted": "D", "modified": "M", "renamed": "R"}
    assert [
        (letters[file.status], list(dict.fromkeys([file.old_path, file.new_path])))
        for file in found.files
    ] == expected
    cut = await diff.diff(git, repo.path, left, right, Limits(files=2))
    plain = [change for change in expected if change[0] != "R"]
    if len(plain) == len(expected):
        assert len(cut.files) == min(2, len(expected))


async def test_a_difference_that_takes_too_long_shows_what_is_known(
    git: Git, repo: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = repo.commit({"a": b"1\n"})
    read = Child.read

    async def waits(child: Child, size: int) -> bytes:
        # A git that is done before it is read would never be late.
        await asyncio.sleep(0)
        return await read(child, size)

    monkeypatch.setattr(Child, "read", waits)
    monkeypatch.setattr(asyncio, "timeout", lambda _: asyncio.timeout_at(0))
    found = await diff.diff(git, repo.path, None, tip)
    assert found.files_total == 0 or found.files[0].truncated


def test_paths_beyond_the_command_line_are_left_out() -> None:
    change = Change("x" * 4000, None, None)
    assert len(diff._askable([change] * 300)) == 131
