"""T26, T27: reading what no visible ref reaches, and going round a protected ref."""

from __future__ import annotations

import pytest

from hubd.core import protection
from hubd.core import repos as core_repos
from hubd.types import RepoRef, Role
from tests.gitkit import (
    EMPTY_PACK,
    FLUSH,
    ZERO,
    Objects,
    http,
    pkt,
    push_http,
    push_request,
    push_ssh,
    refs_of,
)
from tests.hubkit import Repo, World
from tests.hubproc import git


def want(world: World, repo: Repo, oid: str, user: str, version: int = 2) -> tuple[int, bytes]:
    """Ask for one object by its id."""
    headers = {"Content-Type": "application/x-git-upload-pack-request"}
    if version == 2:
        headers["Git-Protocol"] = "version=2"
        body = (
            pkt(b"command=fetch\n")
            + b"0001"
            + pkt(f"want {oid}\n".encode())
            + pkt(b"done\n")
            + FLUSH
        )
    else:
        body = pkt(f"want {oid} ofs-delta no-progress\n".encode()) + FLUSH + pkt(b"done\n")
    status, _, raw = http(
        world.hub,
        "POST",
        f"/{repo.path}/git-upload-pack",
        token=world.tokens[user] if user else "",
        body=body,
        headers=headers,
    )
    return status, raw


@pytest.mark.parametrize("version", [0, 2])
def test_T26_objects_of_another_repository_are_not_there(
    world: World, objects: Objects, version: int
) -> None:
    secret = world.repo("private", owner="ada")
    mine = world.repo(owner="bob")
    hidden, public = objects.simple(b"secret\n"), objects.simple(b"public\n")
    for repo, tip, user in ((secret, hidden, "ada"), (mine, public, "bob")):
        body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
        assert push_http(world.hub, repo.path, world.tokens[user], body).accepted("refs/heads/main")
    status, raw = want(world, mine, hidden, "bob", version)
    assert b"PACK" not in raw, "another repository's object"
    status, raw = want(world, secret, hidden, "bob", version)
    assert status == 404
    status, raw = want(world, secret, hidden, "", version)
    assert status == 401
    assert b"PACK" not in raw
    # Nor can bob claim it for a ref of his own.
    body = push_request([(ZERO, hidden, "refs/heads/stolen")], EMPTY_PACK)
    answer = push_http(world.hub, mine.path, world.tokens["bob"], body)
    assert not answer.accepted("refs/heads/stolen")
    assert "stolen" not in str(refs_of(world.hub, mine.http))


def test_T26_a_refused_push_leaves_nothing_to_ask_for(
    world: World, repo: Repo, objects: Objects
) -> None:
    tip = objects.simple()
    body = push_request([(ZERO, tip, "refs/x/y")], objects.pack_reachable(tip))
    push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert b"PACK" not in want(world, repo, tip, "ada")[1]


def test_T26_hidden_refs_are_neither_shown_nor_matched(
    world: World, repo: Repo, objects: Objects
) -> None:
    tip, inner = objects.simple(b"a\n"), objects.simple(b"b\n")
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
    objects.run("push", "-q", str(repo.dir), f"{inner}:refs/hubd/secret")
    for channel, env in (("http", None), ("ssh", world.keys["ada"].env)):
        for version in ("0", "2"):
            shown = git(
                "-c", f"protocol.version={version}", "ls-remote", repo.url(channel), env=env
            )
            assert b"refs/hubd" not in shown.stdout


def test_T26_a_pruned_secret_is_gone(world: World, repo: Repo, objects: Objects) -> None:
    first = objects.simple(b"ok\n")
    leaked = objects.simple(b"password\n", first)
    key = world.keys["ada"]
    body = push_request([(ZERO, first, "refs/heads/main")], objects.pack_reachable(first))
    assert push_ssh(world.hub, repo.path, key, body).accepted("refs/heads/main")
    body = push_request([(ZERO, leaked, "refs/heads/topic")], objects.pack_reachable(leaked))
    assert push_ssh(world.hub, repo.path, key, body).accepted("refs/heads/topic")
    body = push_request([(leaked, first, "refs/heads/topic")], EMPTY_PACK)
    assert push_ssh(world.hub, repo.path, key, body).accepted("refs/heads/topic")
    assert b"PACK" in want(world, repo, leaked, "ada")[1]
    world.op("repo.gc", repo=repo.name, prune_now=True)
    assert b"PACK" not in want(world, repo, leaked, "ada")[1]


# T27


@pytest.fixture
def guarded(world: World) -> Repo:
    """A repository of ada's with main (default), rel/1 and tag v1, where bob may write."""
    repo = world.repo()
    work = world.work()
    work.commit({"a": "1"})
    work.commit({"a": "2"})
    pushed = work.push(
        repo.http, "HEAD:refs/heads/main", "HEAD:refs/heads/rel/1", "HEAD:refs/tags/v1"
    )
    assert pushed.returncode == 0, pushed.stderr
    world.op("repo.grant", repo=repo.name, user="bob", role="write")
    ref = RepoRef.from_path(repo.path)
    world.inside(
        lambda core, actor: protection.add(core, actor, ref, "rel/*", push_role=Role.ADMIN)
    )
    world.inside(lambda core, actor: protection.add(core, actor, ref, "v*", kind="tag"))
    return repo


def attempt(world: World, repo: Repo, channel: str, commands, pack: bytes = b"", user: str = "bob"):  # type: ignore[no-untyped-def]
    body = push_request(commands, pack)
    if channel == "ssh":
        return push_ssh(world.hub, repo.path, world.keys[user], body)
    return push_http(world.hub, repo.path, world.tokens[user], body)


TRICKS = [
    "force",
    "delete",
    "delete and create",
    "atomic",
    "HEAD",
    "twin",
    "tag",
    "tag delete",
    "role",
    "role delete",
    "root commit",
]


@pytest.mark.parametrize("channel", ["http", "ssh"])
@pytest.mark.parametrize("trick", TRICKS)
def test_T27_a_protected_ref_holds_against(
    world: World, guarded: Repo, objects: Objects, channel: str, trick: str
) -> None:
    before = refs_of(world.hub, guarded.http)
    main = before["refs/heads/main"]
    other = objects.simple(b"other\n")
    pack = objects.pack_reachable(other)
    tricks = {
        "force": [(main, other, "refs/heads/main")],
        "delete": [(main, ZERO, "refs/heads/main")],
        "delete and create": [(main, ZERO, "refs/heads/main"), (ZERO, other, "refs/heads/main")],
        "atomic": [(ZERO, other, "refs/heads/free"), (main, other, "refs/heads/main")],
        "HEAD": [(main, other, "HEAD")],
        "twin": [(ZERO, other, "refs/heads/MAIN")],
        "tag": [(main, other, "refs/tags/v1")],
        "tag delete": [(main, ZERO, "refs/tags/v1")],
        "role": [(main, other, "refs/heads/rel/1"), (ZERO, other, "refs/heads/rel/2")],
        "role delete": [(main, ZERO, "refs/heads/rel/1")],
        "root commit": [(ZERO, other, "refs/heads/main")],
    }
    answer = attempt(world, guarded, channel, tricks[trick], pack)
    assert not [line for line in answer.report if line.startswith("ok ")], answer.text
    assert refs_of(world.hub, guarded.http) == before
    if trick not in {"HEAD", "delete and create", "root commit", "twin"}:
        assert "is protected" in answer.text, answer.text


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T27_git_push_mirror_and_force_do_not_pass(
    world: World, guarded: Repo, channel: str
) -> None:
    before = refs_of(world.hub, guarded.http)
    work = world.work("bob")
    work.commit({"a": "mine"})
    for options in (["--mirror"], ["--force", "--all"], ["--prune", "--force"]):
        refs = ["refs/heads/*:refs/heads/*"] if "--prune" in options else []
        done = work.git("push", *options, guarded.url(channel, "bob"), *refs, check=False)
        assert done.returncode != 0
        assert b"is protected" in done.stderr, done.stderr
        assert refs_of(world.hub, guarded.http) == before


def test_T27_a_fast_forward_passes_and_a_rename_of_the_default_keeps_protecting(
    world: World, guarded: Repo, objects: Objects
) -> None:
    before = refs_of(world.hub, guarded.http)
    main = before["refs/heads/main"]
    ref = RepoRef.from_path(guarded.path)
    work = world.work("bob")
    work.git("pull", "-q", guarded.http, "main")
    work.commit({"b": "1"})
    assert work.push(guarded.url("http", "bob")).returncode == 0
    work.push(guarded.url("http", "bob"), "HEAD:refs/heads/next")
    world.inside(lambda core, actor: core_repos.set_default_branch(core, actor, ref, "next"))
    tip = refs_of(world.hub, guarded.http)["refs/heads/next"]
    other = objects.simple(b"other\n")
    answer = attempt(
        world, guarded, "http", [(tip, other, "refs/heads/next")], objects.pack_reachable(other)
    )
    assert "is protected" in answer.text
    # main is an ordinary branch now.
    answer = attempt(
        world,
        guarded,
        "http",
        [(refs_of(world.hub, guarded.http)["refs/heads/main"], main, "refs/heads/main")],
        EMPTY_PACK,
    )
    assert answer.accepted("refs/heads/main"), answer.text


def test_T27_a_reader_and_a_stranger_may_not_push(world: World, objects: Objects) -> None:
    repo = world.repo()
    tip = objects.simple()
    pack = objects.pack_reachable(tip)
    answer = attempt(world, repo, "http", [(ZERO, tip, "refs/heads/main")], pack)
    assert answer.status == 403
    assert b"You may not push" in answer.raw
    answer = attempt(world, repo, "ssh", [(ZERO, tip, "refs/heads/main")], pack)
    assert b"You may not push" in answer.error
    status, headers, _ = http(world.hub, "GET", f"/{repo.path}/info/refs?service=git-receive-pack")
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Basic")
    # The question's service name must not decide what the route does.
    status, _, _ = http(
        world.hub,
        "POST",
        f"/{repo.path}/git-receive-pack?service=git-upload-pack",
        body=push_request([(ZERO, tip, "refs/heads/main")], pack),
        headers={"Content-Type": "application/x-git-receive-pack-request"},
    )
    assert status == 401
