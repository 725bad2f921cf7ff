"""Commits made in memory are what git would have made, and pass receive-pack's own checks."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubd.config import Config
from hubd.errors import Bug, Invalid, NotFound, Unavailable
from hubd.git import push, write
from hubd.git.log import Person
from hubd.git.packs import empty_pack
from hubd.git.process import Git
from hubd.git.write import AddFile, CopyFile, DeleteFile, DeleteFolder, Operation
from hubd.pktline import FLUSH, encode, sideband
from tests.git.making import Content, Repository

ANN = Person("Ann Author", "ann@example.org", 1_700_000_000.9, 60)
CARL = Person("Carl", "carl@example.org", 1_700_000_001.0, -330)
MAIN = "refs/heads/main"


async def build(
    git: Git, repo: Repository, parent: str | None, operations: Sequence[Operation], text: str = "m"
) -> write.Pack:
    return await write.build_commit(
        git, repo.path, parent, operations, text, ANN, CARL, object_format=repo.object_format
    )


async def deliver(
    git: Git,
    repo: Repository,
    moves: Sequence[push.RefMove],
    pack: write.Pack | None,
    options: Sequence[str] = (),
) -> push.Report:
    to_hook, from_hook = os.pipe()
    lock = os.open(repo.path / "HEAD", os.O_RDONLY)
    try:
        child = await git.receive_pack(
            repo.path, protocol="", stateless=True, hook_fds=(from_hook, to_hook), lock_fd=lock
        )
    finally:
        for descriptor in (to_hook, from_hook, lock):
            os.close(descriptor)
    async with child:
        report = await push.send(child, push.push_request(moves, options, pack))
        assert await child.wait() == 0, child.error_text
    return report


def zero(repo: Repository) -> str:
    return "0" * (40 if repo.object_format == "sha1" else 64)


async def commit(
    git: Git, repo: Repository, operations: Sequence[Operation], text: str = "m"
) -> str:
    """Build and push on main; returns the new tip."""
    parent = repo.tips.get("main")
    with await build(git, repo, parent, operations, text) as pack:
        move = push.RefMove(MAIN, parent or zero(repo), pack.oid)
        report = await deliver(git, repo, [move], pack)
        assert report.ok, report
        repo.tips["main"] = pack.oid
        assert repo.git("rev-parse", MAIN) == pack.oid
        return pack.oid


async def test_a_first_commit_and_one_on_top_are_sound(
    git: Git, repo: Repository, tmp_path: Path
) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3_000_000))
    await commit(
        git,
        repo,
        [
            AddFile("README.md", b"hello\n"),
            AddFile("run.sh", b"#!/bin/sh\n", executable=True),
            AddFile("a/b/c.bin", big),
            AddFile("a.b", b"sorts before the folder a"),
            AddFile("a0", b"sorts after it"),
        ],
        "First\n\nwith a body",
    )
    tip = await commit(git, repo, [AddFile("run.sh", b"new"), AddFile("same", b"hello\n")], "2")
    repo.git("fsck", "--full", "--strict")
    assert repo.raw("cat-file", "blob", "main:a/b/c.bin") == big.read_bytes()
    listing = repo.git("ls-tree", "-r", "--format=%(objectmode) %(path)", "main").split("\n")
    assert listing == [
        "100644 README.md",
        "100644 a.b",
        "100644 a/b/c.bin",
        "100644 a0",
        "100755 run.sh",
        "100644 same",
    ]
    assert repo.git("log", "-1", "--format=%an|%ae|%ad|%cn|%cd|%B", "--date=raw", tip) == (
        "Ann Author|ann@example.org|1700000000 +0100|Carl|1700000001 -0530|2"
    )
    assert not list(repo.path.glob("objects/??")), "everything arrives as packs"


async def test_the_same_files_make_the_same_tree_as_git(git: Git, repo: Repository) -> None:
    files = {"x": b"1", "d/y": b"2", "d.z": b"3", "d/e/f": b"4", "ä/ö": b"5"}
    theirs = repo.commit(dict(files), branch="theirs")
    with await build(git, repo, None, [AddFile(n, d) for n, d in files.items()]) as pack:
        assert pack.tree == repo.git("rev-parse", f"{theirs}^{{tree}}")
    with await build(git, repo, theirs, [AddFile("x", b"1")]) as pack:
        assert pack.unchanged


async def test_deleting_copying_and_emptied_folders(git: Git, repo: Repository) -> None:
    old = repo.commit({"d/e/f": b"1", "d/g": b"2", "k": b"3", "gone/a": b"4", "gone/b/c": b"5"})
    repo.commit({"k": ("100755", b"new")})
    tip = await commit(
        git,
        repo,
        [
            DeleteFile("d/e/f"),
            DeleteFolder("gone"),
            CopyFile("k", "copied/old", commit=old),
            CopyFile("k", "copied/new"),
            AddFile("gone/again", b"6"),
        ],
    )
    assert repo.git("ls-tree", "-r", "--name-only", tip).split() == [
        "copied/new",
        "copied/old",
        "d/g",
        "gone/again",
        "k",
    ]
    assert repo.git("cat-file", "blob", f"{tip}:copied/old") == "3"
    assert repo.git("ls-tree", tip, "copied/new").startswith("100755")
    assert repo.git("ls-tree", tip, "k").startswith("100755")
    everything: list[Operation] = [
        DeleteFile("d/g"),
        DeleteFile("k"),
        DeleteFolder("copied"),
        DeleteFolder("gone"),
    ]
    await commit(git, repo, everything)
    assert repo.git("ls-tree", "-r", "main") == ""
    repo.git("fsck", "--full", "--strict")


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (AddFile("link/x", b""), Invalid),
        (AddFile("sub/x", b""), Invalid),
        (AddFile("sub", b""), Invalid),
        (AddFile("f/x", b""), Invalid),
        (AddFile("d", b""), Invalid),
        (AddFile("", b""), Invalid),
        (AddFile("../x", b""), Invalid),
        (AddFile("/x", b""), Invalid),
        (AddFile(".git/config", b""), Invalid),
        (AddFile("d/.GIT/hooks/x", b""), Invalid),
        (AddFile("a\nb", b""), Invalid),
        (AddFile("a\\b", b""), Invalid),
        (DeleteFile("link/x"), Invalid),
        (DeleteFile("d"), Invalid),
        (DeleteFile("nothing"), NotFound),
        (DeleteFile("no/thing"), NotFound),
        (DeleteFolder("f"), Invalid),
        (DeleteFolder("nothing"), NotFound),
        (CopyFile("link", "y"), NotFound),
        (CopyFile("d", "y"), NotFound),
        (CopyFile("nothing", "y"), NotFound),
        (CopyFile("link/config", "y"), NotFound),
        (CopyFile("f", "link/y"), Invalid),
        (CopyFile("f", "y", commit="1" * 40), NotFound),
    ],
)
async def test_t17_t18_no_way_out_of_the_tree_or_through_a_link(
    git: Git, repo: Repository, operation: Operation, error: type[Exception]
) -> None:
    tip = repo.commit(
        {"link": ("120000", b"d"), "f": b"1", "d/g": b"2", "sub": ("160000", "1" * len(zero(repo)))}
    )
    with pytest.raises(error):
        await build(git, repo, tip, [operation])
    with pytest.raises(Invalid):
        await build(git, repo, tip, [AddFile("n", b""), AddFile("n/x", b"")])


async def test_a_link_itself_may_be_replaced_or_deleted(git: Git, repo: Repository) -> None:
    repo.commit({"link": ("120000", b"../../config"), "other": ("120000", b"x")})
    tip = await commit(git, repo, [AddFile("link", b"now a file"), DeleteFile("other")])
    assert repo.git("ls-tree", tip).startswith("100644 blob")
    assert repo.git("cat-file", "blob", f"{tip}:link") == "now a file"


@pytest.mark.parametrize(
    ("name", "email"),
    [("", ""), ("  ", "x@y"), ("A <b> c\n\0\x1b", "a>b\n<c"), ("..,'", "<>"), ("Zoë 李", "ü@ü")],
)
async def test_names_cannot_break_the_commit(
    git: Git, repo: Repository, name: str, email: str
) -> None:
    for number, (when, zone) in enumerate([(1.0, -14 * 60), (1e30, 99 * 60), (-5.0, 0)]):
        person = Person(name, email, when, zone)
        pack = await write.build_commit(
            git, repo.path, None, [], "\ud800 x", person, person, object_format=repo.object_format
        )
        with pack:
            move = push.RefMove(f"refs/heads/{number}", zero(repo), pack.oid)
            report = await deliver(git, repo, [move], pack)
            assert report.ok, report


async def test_messages_and_parents_have_bounds(git: Git, repo: Repository) -> None:
    with pytest.raises(Invalid):
        await build(git, repo, None, [], "nul\0")
    with pytest.raises(Invalid):
        await build(git, repo, None, [], "x" * (write.MAX_MESSAGE + 1))
    with pytest.raises(NotFound):
        await build(git, repo, "1" * len(zero(repo)), [])
    with pytest.raises(Unavailable):
        await build(git, repo, None, [AddFile("x", Path("/nonexistent/file"))])


async def test_a_stale_parent_is_refused_and_refs_stay(git: Git, repo: Repository) -> None:
    first = repo.commit({"f": b"1"})
    second = repo.commit({"f": b"2"})
    with await build(git, repo, first, [AddFile("f", b"3")]) as pack:
        report = await deliver(git, repo, [push.RefMove(MAIN, first, pack.oid)], pack)
    assert not report.ok
    assert report.refs[MAIN]
    assert repo.git("rev-parse", MAIN) == second


async def test_moves_without_objects_options_and_atomic_refusal(git: Git, repo: Repository) -> None:
    tip = repo.commit({"f": b"1"})
    made = [
        push.RefMove("refs/heads/a", zero(repo), tip),
        push.RefMove("refs/tags/t", zero(repo), tip),
    ]
    assert (await deliver(git, repo, made, None, ["an option; with=all\tsorts"])).ok
    removed = [push.RefMove("refs/heads/a", tip, zero(repo))]
    assert (await deliver(git, repo, removed, None)).ok
    mixed = [push.RefMove("refs/heads/b", zero(repo), tip), push.RefMove(MAIN, zero(repo), tip)]
    report = await deliver(git, repo, mixed, None)
    assert set(report.refs) == {"refs/heads/b", MAIN}
    assert all(report.refs.values())
    hidden = [push.RefMove("refs/hubd/x", zero(repo), tip)]
    assert not (await deliver(git, repo, hidden, None)).ok
    for bad in (["a\nb"], ["a\0b"]):
        with pytest.raises(Invalid):
            push.push_request(made, bad)
    with pytest.raises(Invalid):
        push.push_request([])


async def test_a_thousand_files_take_less_than_three_seconds(git: Git, repo: Repository) -> None:
    operations = [AddFile(f"d{n % 40}/e{n % 7}/f{n}", b"%d\n" % n) for n in range(1000)]
    began = time.monotonic()
    await commit(git, repo, operations)
    await commit(git, repo, [AddFile(o.path, b"second " + o.path.encode()) for o in operations])
    assert time.monotonic() - began < 6
    assert len(repo.git("ls-tree", "-r", "main").split("\n")) == 1000


def test_reports_are_parsed_and_nonsense_is_a_bug() -> None:
    inner = encode(b"unpack ok\n") + encode(b"ok refs/heads/a\n")
    inner += encode(b"ng refs/heads/b pre-receive hook declined\n") + FLUSH
    answer = sideband(2, b"hello\n") + sideband(1, inner) + FLUSH
    report = push.parse_report(answer)
    assert report.refs == {"refs/heads/a": None, "refs/heads/b": "pre-receive hook declined"}
    assert report.messages == "hello\n"
    assert not report.ok
    for nonsense in (b"", FLUSH, b"zzzz", sideband(3, b"fatal"), sideband(1, b"0004")):
        with pytest.raises(Bug):
            push.parse_report(nonsense)


def test_an_empty_pack_is_one(repo: Repository) -> None:
    repo.git("index-pack", "--stdin", data=empty_pack(repo.object_format))


names = st.sampled_from(["a", "b", "a.b", "a0", "c", "é"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
changes = st.lists(
    st.tuples(
        st.sampled_from(["add", "delete", "folder", "copy"]), paths, paths, st.binary(max_size=9)
    ),
    max_size=12,
)


def model(
    files: dict[str, bytes], base: dict[str, bytes], change: tuple[str, str, str, bytes]
) -> bool:
    """Apply a change to a plain mapping; False if it is impossible."""
    kind, path, other, data = change
    below = [name for name in files if name.startswith(path + "/")]
    parents = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
    if any(parent in files for parent in parents):
        return False
    if kind == "delete":
        return not below and files.pop(path, None) is not None
    if kind == "folder":
        for name in below:
            del files[name]
        return bool(below)
    if below or (kind == "copy" and other not in base):
        return False
    files[path] = base[other] if kind == "copy" else data
    return True


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(start=st.lists(st.tuples(paths, st.binary(max_size=5)), max_size=8), steps=changes)
async def test_any_sequence_of_operations_does_what_a_plain_mapping_does(
    tmp_path_factory: pytest.TempPathFactory,
    start: list[tuple[str, bytes]],
    steps: list[tuple[str, str, str, bytes]],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    git = Git(Config(data_dir=str(folder)), None)
    repo = Repository.make(folder / "r.git")
    files: dict[str, bytes] = {}
    for path, data in start:
        model(files, {}, ("add", path, "", data))
    contents: dict[str, Content] = dict(files)
    tip = repo.commit(contents)
    base = dict(files)
    operations: list[Operation] = []
    for step in steps:
        kind, path, other, data = step
        if model(files, base, step):
            made: dict[str, Operation] = {
                "add": AddFile(path, data),
                "delete": DeleteFile(path),
                "folder": DeleteFolder(path),
                "copy": CopyFile(other, path),
            }
            operations.append(made[kind])
    with await build(git, repo, tip, operations) as pack:
        repo.raw("index-pack", "--stdin", "--strict", "--fix-thin", data=_bytes(pack))
        listing = repo.raw("ls-tree", "-rz", pack.oid).decode()
        lines = [line.split("\t") for line in listing.split("\0") if line]
        found = {name: head.split(" ")[2] for head, name in lines}
        assert found == {name: repo.blob(data) for name, data in files.items()}


def _bytes(pack: write.Pack) -> bytes:
    pack.file.seek(0)
    return pack.file.read()
