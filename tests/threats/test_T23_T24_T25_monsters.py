"""T23, T24, T25: monstrous commits, storms of refs, and terminal escapes in what people read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.gitkit import CAPS, ZERO, Objects, push_http, push_request, push_ssh, refs_of
from tests.hubkit import Repo, World
from tests.hubproc import Hub

WHO = b"Ada <ada@example.org> 1700000000 +0000"


def raw_commit(
    objects: Objects,
    *,
    author: bytes = WHO,
    message: bytes = b"m\n",
    parents: int = 0,
    more: bytes = b"",
) -> str:
    tree = objects.tree([("100644", b"f", objects.blob())])
    base = objects.commit(tree)
    lines = [b"tree " + tree.encode(), *[b"parent " + base.encode()] * parents]
    if author:
        lines.append(b"author " + author)
    lines += [b"committer " + WHO, *([more] if more else []), b"", message]
    return objects.put("commit", b"\n".join(lines))


def push(world: World, repo: Repo, objects: Objects, tip: str):  # type: ignore[no-untyped-def]
    tree = objects.tree([("100644", b"f", objects.blob())])
    pack = objects.pack(tip, tree, objects.blob(), objects.commit(tree))
    return push_http(
        world.hub,
        repo.path,
        world.tokens["ada"],
        push_request([(ZERO, tip, "refs/heads/main")], pack),
    )


def test_T23_a_message_of_a_hundred_megabytes(world: World, repo: Repo, objects: Objects) -> None:
    answer = push(world, repo, objects, raw_commit(objects, message=b"x" * (100 << 20)))
    assert "ng refs/heads/main" in answer.text
    assert "is larger than 1 MiB" in answer.text
    assert refs_of(world.hub, repo.http) == {}


def test_T23_ten_thousand_parents(world: World, repo: Repo, objects: Objects) -> None:
    answer = push(world, repo, objects, raw_commit(objects, parents=10_000))
    assert answer.status == 200
    assert answer.accepted("refs/heads/main") or "ng refs/heads/main" in answer.text


@pytest.mark.parametrize(
    ("what", "commit"),
    [
        ("no author", {"author": b""}),
        ("no e-mail", {"author": b"Ada 1700000000 +0000"}),
        ("a year that no clock has", {"author": b"Ada <a@b> 99999999999999999999 +0000"}),
        ("a time before all", {"author": b"Ada <a@b> -99 +0000"}),
        ("a NUL in the head", {"more": b"x\0y"}),
    ],
)
def test_T23_commits_that_git_calls_broken(
    world: World, repo: Repo, objects: Objects, what: str, commit: dict[str, bytes]
) -> None:
    answer = push(world, repo, objects, raw_commit(objects, **commit))  # type: ignore[arg-type]
    assert not answer.accepted("refs/heads/main"), what
    assert answer.text.strip()


def test_T23_an_author_with_escapes_and_markup_is_text(
    world: World, repo: Repo, objects: Objects
) -> None:
    evil = b"\x1b[31mAda\x1b[0m<script>alert(1)</script>"
    tip = raw_commit(
        objects,
        author=b"\x1b[31mEve & 'Co' <a@b> 253402300800 +0000",
        message=b"\x1b]0;owned\x07 " + evil + b"\n",
    )
    answer = push(world, repo, objects, tip)
    assert b"\x1b" not in answer.raw
    if not answer.accepted("refs/heads/main"):
        return
    from hubd.core import browse
    from hubd.types import RepoRef

    async def look(core, actor):  # type: ignore[no-untyped-def]
        at = await browse.at(core, actor, RepoRef.from_path(repo.path), "main")
        return await browse.commits(core, at)

    assert world.inside(look)[0].oid == tip


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub that takes 100 refs at a time."""
    folder = tmp_path_factory.mktemp("narrow")
    with Hub(folder / "data", refs_per_push=100, shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T24_too_many_refs_are_one_sentence(narrow: World, objects: Objects, channel: str) -> None:
    repo = narrow.repo()
    tip = objects.simple()
    commands = [(ZERO, tip, f"refs/heads/b{i}") for i in range(101)]
    body = push_request(commands, objects.pack_reachable(tip))
    if channel == "ssh":
        answer = push_ssh(narrow.hub, repo.path, narrow.keys["ada"], body)
    else:
        answer = push_http(narrow.hub, repo.path, narrow.tokens["ada"], body)
    assert b"A push may change at most 100 refs." in answer.remote, answer.text
    assert refs_of(narrow.hub, repo.http) == {}


@pytest.mark.parametrize(
    "count", [1_000, pytest.param(100_000, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_T24_a_storm_of_refs(world: World, repo: Repo, objects: Objects, count: int) -> None:
    tip = objects.simple()
    commands = [(ZERO, tip, f"refs/heads/b{i}") for i in range(count)]
    body = push_request(commands, objects.pack_reachable(tip))
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert answer.status == 200
    if count > 20_000:
        assert b"at most 20000 refs" in answer.remote, answer.text[:2000]
    else:
        assert len(set(refs_of(world.hub, repo.http)) - {"HEAD"}) == count


def test_T24_folder_and_file_of_one_name_conflict(
    world: World, repo: Repo, objects: Objects
) -> None:
    tip = objects.simple()
    deep = "/".join("d" * 40)
    commands = [
        (ZERO, tip, f"refs/heads/{deep}"),
        (ZERO, tip, f"refs/heads/{deep}/x"),
        (ZERO, tip, "refs/heads/d"),
    ]
    body = push_request(commands, objects.pack_reachable(tip))
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    moved = [ref for _, _, ref in commands if answer.accepted(str(ref))]
    assert sorted(refs_of(world.hub, repo.http)) == sorted(set(map(str, moved)) | set()), (
        answer.text
    )
    events = world.sql("SELECT ref FROM events WHERE repo_id = ?", repo.id)
    assert sorted(ref for (ref,) in events) == sorted(map(str, moved))
    assert world.sql("SELECT id FROM pushes WHERE repo_id = ? AND state = 'intent'", repo.id) == []


CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T25_no_control_byte_reaches_the_terminal(
    world: World, repo: Repo, objects: Objects, channel: str
) -> None:
    blob = objects.blob()
    tree = objects.sorted_tree(
        [
            ("100644", b"\x1b[2J\x1b]0;owned\x07", blob),
            ("100644", b"a\rb", blob),
            ("100644", b"\x9b31m", blob),
            ("100644", b"\xc2\x9b31m", blob),
        ]
    )
    tip = objects.commit(tree)
    commands = [
        (ZERO, tip, b"refs/heads/main"),
        (ZERO, tip, b"refs/heads/\xc2\x9b2J"),
        (ZERO, tip, b"refs/heads/\x9b2J"),
        (ZERO, tip, "refs/heads/\u202e".encode()),
    ]
    options = [b"\x1b[31mred", b"\xff\xfe"]
    body = push_request(commands, objects.pack_reachable(tip), options=options)
    if channel == "ssh":
        answer = push_ssh(world.hub, repo.path, world.keys["ada"], body)
    else:
        answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert answer.remote.startswith(b"hubd: ") or b"\nhubd: " in answer.remote, answer.text
    assert not CONTROL.search(answer.remote), answer.remote
    for ours in (b"\xc2\x9b", b"\x9b", "\u202e".encode()):
        assert ours not in answer.remote
    assert b"\\x1b[2J" in answer.remote
    log = world.hub.log_file.read_bytes()
    assert b"\x1b[2J" not in log
    assert b"\x1b]0;" not in log


def test_T25_a_path_of_the_request_cannot_forge_a_log_line(world: World) -> None:
    from tests.gitkit import http

    http(world.hub, "GET", "/ada/x%0a2026-01-01%20forged%1b[31m/info/refs?service=git-upload-pack")
    for line in world.hub.log_file.read_bytes().split(b"\n"):
        assert not line.startswith(b"2026-01-01 forged")


@pytest.mark.parametrize("agent", [b"agent=\x1b[31m", b"session-id=\x1b[2J\x07"])
def test_T25_capabilities_are_not_echoed(
    world: World, repo: Repo, objects: Objects, agent: bytes
) -> None:
    tip = objects.simple()
    body = push_request(
        [(ZERO, tip, "refs/heads/main")],
        objects.pack_reachable(tip),
        caps=CAPS.replace(b"agent=raw", agent),
    )
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert b"\x1b" not in answer.raw
