"""LFS over SSH by hand: the token for HTTP, and the protocol of packets."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest

from hubd.core import credentials
from hubd.types import RepoRef
from tests.gitkit import FLUSH, SshKey, pkt, pkts, ssh
from tests.hubkit import Repo, World
from tests.lfskit import Big, LfsClient, client

DELIM = b"0001"


def run(repo: Repo, *command: str, user: str = "ada", stdin: bytes = b"") -> Any:
    """A command of this person's."""
    verb, operation = command
    key = repo.world.keys[user]
    return ssh(repo.world.hub, key, f"{verb} '{repo.path}.git' {operation}", stdin=stdin)


def request(command: str, *args: str, lines: list[str] | None = None, data: bytes = b"") -> bytes:
    """One request."""
    out = b"".join(pkt(f"{text}\n".encode()) for text in (command, *args))
    if lines is not None:
        out += DELIM + b"".join(pkt(f"{line}\n".encode()) for line in lines)
    if data:
        out += DELIM + b"".join(pkt(data[at : at + 32768]) for at in range(0, len(data), 32768))
    return out + FLUSH


def talk(repo: Repo, operation: str, *requests: bytes, user: str = "ada") -> list[list[bytes]]:
    """The answers to the requests, each as its packets."""
    sent = request("version 1") + b"".join(requests) + request("quit")
    done = run(repo, "git-lfs-transfer", operation, user=user, stdin=sent)
    assert done.returncode == 0, done.stderr
    answers: list[list[bytes]] = [[]]
    at, out = 0, done.stdout
    while at < len(out):
        length = int(out[at : at + 4], 16)
        if length == 0:
            answers.append([])
        elif length >= 4:
            answers[-1].append(out[at + 4 : at + length])
        at += max(length, 4)
    assert answers[0] == [b"version=1\n", b"locking\n"]
    assert answers[1] == answers[-2] == [b"status 200\n"]
    return answers[2:-2]


def token(repo: Repo, operation: str, user: str = "ada") -> str:
    done = run(repo, "git-lfs-authenticate", operation, user=user)
    assert done.returncode == 0, done.stderr
    told = msgspec.json.decode(done.stdout)
    assert told["href"] == f"{repo.world.hub.http}/{repo.path}.git/info/lfs"
    assert told["expires_in"] > 60
    return str(told["header"]["Authorization"])


def batch(repo: Repo, authorization: str, operation: str) -> int:
    body = {"operation": operation, "objects": []}
    who = LfsClient(repo)
    return who.call("objects/batch", body, Authorization=authorization).status


def test_a_token_is_bound_to_its_repository_and_direction(world: World) -> None:
    repo, other = world.repo("private"), world.repo("private")
    down, up = token(repo, "download"), token(repo, "upload")
    assert [batch(repo, down, way) for way in ("download", "upload")] == [200, 403]
    assert [batch(repo, up, way) for way in ("download", "upload")] == [200, 200]
    assert [batch(other, up, way) for way in ("download", "upload")] == [404, 404]
    for path in (f"/api/hub/v1/repos/model/{repo.name}", "/api/hub/v1/user"):
        assert client(repo).api.send("GET", path, headers={"Authorization": up}).status in {
            401,
            404,
        }
    refs = f"/{repo.path}/info/refs?service=git-upload-pack"
    assert client(repo).api.send("GET", refs, headers={"Authorization": up}).status == 401
    assert batch(repo, up[:-2] + ("aa" if up[-2:] != "aa" else "bb"), "download") == 401


def test_a_token_dies_with_the_key(world: World) -> None:
    world.add_user("cy")
    repo = world.repo("private", owner="cy")
    up = token(repo, "upload", "cy")
    assert batch(repo, up, "upload") == 200
    (row,) = world.sql(
        "SELECT k.id FROM ssh_keys k JOIN namespaces n ON n.id = k.user_id WHERE n.name = 'cy'"
    )
    world.inside(lambda core, actor: credentials.remove_key(core, actor, row[0], "cy"))
    assert batch(repo, up, "upload") == 401


@pytest.mark.parametrize("can_write", [False, True])
def test_a_deploy_key_sends_and_fetches_but_holds_no_lock(world: World, can_write: bool) -> None:
    repo, big = world.repo("private"), Big.random(1000)
    name = f"deploy-{can_write}"
    key = world.keys[name] = SshKey.make(world.folder / name)
    ref = RepoRef.parse("model", repo.name)
    world.inside(
        lambda core, actor: credentials.add_deploy_key(
            core, actor, ref, key.public.read_text(), can_write=can_write
        )
    )
    assert batch(repo, token(repo, "download", name), "download") == 200
    if not can_write:
        for verb in ("git-lfs-authenticate", "git-lfs-transfer"):
            assert run(repo, verb, "upload", user=name).returncode == 1
        return
    assert batch(repo, token(repo, "upload", name), "upload") == 200
    put = request(f"put-object {big.oid}", "size=1000", data=big.data)
    sent, refused = talk(repo, "upload", put, request("lock", "path=x"), user=name)
    assert sent == [b"status 200\n"]
    assert refused[0] == b"status 403\n"
    (found,) = talk(repo, "download", request(f"get-object {big.oid}"), user=name)
    assert found[2:] == [big.data]


@pytest.mark.parametrize("verb", ["git-lfs-authenticate", "git-lfs-transfer"])
def test_who_may_not_is_told_so(world: World, verb: str) -> None:
    private, public = world.repo("private"), world.repo()
    for repo, operation, sentence in (
        (private, "download", b"not found"),
        (private, "upload", b"not found"),
        (public, "tidy", b"upload or download"),
    ):
        done = run(repo, verb, operation, user="bob")
        assert done.returncode == 1
        assert sentence in done.stderr
        assert done.stdout == b""


@pytest.mark.parametrize("size", [1, 40_000, 5_000_000])
def test_what_is_sent_can_be_fetched(world: World, size: int) -> None:
    repo, big = world.repo("private"), Big.random(size)
    line = f"{big.oid} {size}"
    put = request(f"put-object {big.oid}", f"size={size}", data=big.data)
    answers = talk(
        repo,
        "upload",
        request("batch", "transfer=ssh", "hash-algo=sha256", "refname=x", lines=[line]),
        put,
        request(f"verify-object {big.oid}", f"size={size}"),
        request("batch", lines=[line]),
    )
    assert answers == [
        [b"status 200\n", f"{line} upload\n".encode()],
        [b"status 200\n"],
        [b"status 200\n"],
        [b"status 200\n", f"{line} noop\n".encode()],
    ]
    found = talk(
        repo,
        "download",
        request("batch", lines=[line, f"{'0' * 64} 5"]),
        request(f"get-object {big.oid}"),
        request(f"get-object {'0' * 64}"),
    )
    assert found[0][1:] == [f"{line} download\n".encode(), f"{'0' * 64} 5 noop\n".encode()]
    assert found[1][:2] == [b"status 200\n", f"size={size}\n".encode()]
    assert b"".join(found[1][2:]) == big.data
    assert found[2][0] == b"status 404\n"
    assert client(repo).download(big) == big.data


def test_an_empty_object(world: World) -> None:
    # No batch: everybody has this one, so that it need not be sent.
    repo, big = world.repo(), Big(b"")
    sent, found = talk(
        repo,
        "upload",
        request(f"put-object {big.oid}", "size=0", lines=[]),
        request(f"get-object {big.oid}"),
    )
    assert sent == [b"status 200\n"]
    assert found == [b"status 200\n", b"size=0\n"]


def test_T40_other_bytes_than_announced_are_refused_and_the_talk_goes_on(world: World) -> None:
    repo, big = world.repo(), Big.random(200_000)
    wrong = [
        request(f"put-object {big.oid}", "size=200000", data=os.urandom(size))
        for size in (200_000, 199_999, 3_000_000)
    ]
    malformed = [
        request(f"put-object {big.oid}", data=b"x"),
        request("put-object ../x", "size=1", data=b"x"),
        request("dance"),
        request(f"verify-object {big.oid}", "size=-1"),
    ]
    right = request(f"put-object {big.oid}", "size=200000", data=big.data)
    answers = talk(repo, "upload", *wrong, *malformed, right)
    assert [answer[0] for answer in answers] == [b"status 422\n"] * 7 + [b"status 200\n"]


def test_a_download_may_not_upload(world: World) -> None:
    repo, big = world.repo(), Big.random(10)
    put = request(f"put-object {big.oid}", "size=10", data=big.data)
    (answer,) = talk(repo, "download", put)
    assert answer[0] == b"status 403\n"
    assert "error" in client(repo).batch("download", big)[big.oid]


def test_locks(world: World) -> None:
    repo = world.repo()
    world.grant(repo, "bob")
    made, again = talk(
        repo, "upload", *[request("lock", "path=a b.bin", "refname=refs/heads/main")] * 2
    )
    assert made[0] == b"status 201\n"
    facts = dict(line.decode().strip().split("=", 1) for line in made[1:])
    assert (facts["path"], facts["ownername"]) == ("a b.bin", "ada")
    assert again[0] == b"status 409\n"
    assert again[1:5] == made[1:]
    number = facts["id"]
    listed, verified = talk(
        repo, "upload", *[request("list-lock"), request("list-locks")], user="bob"
    )
    assert listed == verified
    assert listed[1:] == [
        f"lock {number}\n".encode(),
        f"path {number} a b.bin\n".encode(),
        f"locked-at {number} {facts['locked-at']}\n".encode(),
        f"ownername {number} ada\n".encode(),
        f"owner {number} theirs\n".encode(),
    ]
    refused, forced = talk(
        repo,
        "upload",
        request(f"unlock {number}"),
        request(f"unlock {number}", "force=true"),
        user="bob",
    )
    assert refused[0] == forced[0] == b"status 403\n"
    (gone,) = talk(repo, "upload", request(f"unlock {number}"))
    assert gone == [b"status 200\n", *made[1:]]


@pytest.mark.parametrize(
    "sent",
    [b"zzzz", b"0003", FLUSH, DELIM, pkt(b"batch\n"), pkt(b"put-object x\n") + DELIM + b"00ff12"],
)
def test_a_malformed_talk_ends_with_a_sentence(world: World, sent: bytes) -> None:
    done = run(world.repo(), "git-lfs-transfer", "upload", stdin=sent)
    assert done.returncode == 1
    assert done.stderr.startswith(b"hubd: ")
    assert list(pkts(done.stdout))[:3] == [b"version=1\n", b"locking\n", None]
