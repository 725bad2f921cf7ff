"""Xet by hand: what is verified, and who may do what."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from typing import Any

import pytest

from hubd.blobs import xethash
from hubd.blobs.base import Key
from hubd.blobs.shard import Shard
from tests.caskit import Cas, Made, Packed, Part, ask, lines, packed, shard_of
from tests.hubkit import Repo, World
from tests.lfskit import Big, client
from tests.xetkit import noise


def fresh(count: int = 4, size: int = 1000) -> Packed:
    """A xorb that nobody else has."""
    return Packed.of(*(os.urandom(size) for _ in range(count)))


def whole(xorb: Packed) -> Made:
    return Made.of(Part(xorb, 0, len(xorb.chunks)))


def has(repo: Repo, file: Made, user: str = "") -> bool:
    """Whether the file is an object of the repository."""
    big = Big(file.content)
    return "actions" in client(repo, user).batch("download", big)[big.oid]


def test_a_file_of_many_parts(world: World) -> None:
    repo = world.repo("private")
    one, two = fresh(), fresh(3)
    file = Made.of(Part(one, 1, 3), Part(two, 0, 3), Part(one, 0, 1), Part(one, 1, 2))
    cas = Cas.of(repo)
    cas.upload(file)
    assert client(repo).download(Big(file.content)) == file.content
    assert cas.rebuild(file) == file.content
    assert cas.rebuild(file, "0-0")[:1] == file.content[:1]
    for start, end in ((1, 5), (999, 1000), (1500, 4200), (5999, 6999)):
        rebuilt = cas.rebuild(file, f"{start}-{end}")
        assert rebuilt[: end - start + 1] == file.content[start : end + 1]
    assert cas.plan(file, "7000-").status == 416
    assert cas.plan(file, "9000-9999").status == 416
    assert cas.plan(file, "-5").status == 400
    # The same again, in a plan of the first version.
    first, second = cas.plan(file, version=1).json, cas.plan(file).json
    assert first["terms"] == second["terms"]
    for name, entries in first["fetch_info"].items():
        for entry, other in zip(entries, second["xorbs"][name], strict=True):
            (found,) = other["ranges"]
            assert (entry["range"], entry["url_range"]) == (found["chunks"], found["bytes"])
            span = f"{entry['url_range']['start']}-{entry['url_range']['end']}"
            assert cas.fetch(entry["url"], span).status == 206


def test_the_same_twice_is_harmless(world: World) -> None:
    repo, file = world.repo(), whole(fresh())
    cas = Cas.of(repo)
    assert cas.xorb(file.parts[0].xorb).json == {"was_inserted": True}
    assert cas.xorb(file.parts[0].xorb).json == {"was_inserted": False}
    assert cas.shard(file).json == {"result": 1}
    assert cas.shard(file).json == {"result": 0}
    (done,) = lines(cas.send("POST", "/v2/shards", shard_of(file)))
    assert done == {"type": "result"}


def test_a_shard_in_the_second_version_says_how_it_ended(world: World) -> None:
    cas, good, bad = Cas.of(world.repo()), whole(fresh()), whole(fresh())
    cas.xorb(good.parts[0].xorb)
    assert lines(cas.send("POST", "/v2/shards", shard_of(good)))[-1] == {"type": "result"}
    error = lines(cas.send("POST", "/v2/shards", shard_of(bad)))[-1]
    assert (error["type"], error["retryable"]) == ("error", False)
    assert "not sent" in error["message"]


def test_an_empty_file_and_an_empty_shard_are_harmless(world: World) -> None:
    cas = Cas.of(world.repo())
    assert cas.shard().status == 200
    assert cas.shard(Made((), hash=xethash.ZERO)).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no xorb",
        packed(b"abc")[:-1],
        packed(b"abc") + b"more",
        packed(b"abd"),
        packed(b"abc", 0)[:4] + b"\x07" + packed(b"abc", 0)[5:],
    ],
)
def test_T46_a_broken_xorb_is_refused(world: World, data: bytes) -> None:
    assert Cas.of(world.repo()).xorb(Packed.of(b"abc"), data=data).status == 400


def test_a_xorb_under_another_name_is_refused(world: World) -> None:
    cas, xorb = Cas.of(world.repo()), fresh()
    assert cas.xorb(xorb, name=fresh().name).status == 400
    assert cas.shard(whole(xorb)).status == 400


# The same in every process that collects the tests.
XORB = Packed.of(*(noise(1000, seed) for seed in range(4)))
OTHER = Packed.of(*(noise(1000, seed) for seed in range(5, 10)))
TRUE = Made.of(Part(XORB, 0, 2), Part(XORB, 3, 4))


@pytest.mark.parametrize(
    "false",
    [
        Made.of(Part(XORB, 0, 5, length=4000)),
        Made.of(Part(XORB, 2, 2)),
        Made.of(Part(XORB, 3, 2, length=0)),
        Made.of(Part(XORB, 0, 2, length=1999)),
        Made.of(Part(XORB, 0, 2, range_hash=bytes(32))),
        Made.of(Part(OTHER, 0, 2)),
        replace(TRUE, hash=bytes(range(32))),
        replace(TRUE, sha="0" * 64),
        replace(TRUE, flags=0x80000000),
        replace(TRUE, flags=0x40000000),
    ],
    ids=[
        "beyond",
        "empty",
        "backwards",
        "length",
        "range",
        "unsent",
        "file-hash",
        "sha256",
        "no-sha256",
        "no-ranges",
    ],
)
def test_T46_a_false_word_in_a_shard_is_found(world: World, false: Made) -> None:
    repo = world.repo()
    cas = Cas.of(repo)
    cas.xorb(XORB)
    assert cas.shard(false).status == 400
    assert not has(repo, false)
    assert cas.plan(false).status == 404
    # One false file spoils what came with it, and only that.
    assert cas.shard(TRUE, false).status == 400
    assert not has(repo, TRUE)
    assert Cas.of(repo).shard(TRUE).status == 200
    assert has(repo, TRUE)


@pytest.mark.parametrize("data", [b"", b"x" * 1000, shard_of(TRUE)[:-1], shard_of(TRUE)[:100]])
def test_what_is_no_shard_is_refused(world: World, data: bytes) -> None:
    cas = Cas.of(world.repo())
    cas.xorb(XORB)
    assert cas.send("POST", "/v1/shards", data).status == 400
    assert lines(cas.send("POST", "/v2/shards", data))[-1]["type"] == "error"


def test_a_token_comes_in_both_forms(world: World) -> None:
    repo = world.repo()
    reply = ask(repo, "read")
    body = reply.json
    assert reply.headers["X-Xet-Cas-Url"] == body["casUrl"]
    assert body["casUrl"] == f"{world.hub.http}/xet/{repo.id}-0"
    assert reply.headers["X-Xet-Access-Token"] == body["accessToken"]
    assert int(reply.headers["X-Xet-Token-Expiration"]) == body["exp"]
    assert time.time() < body["exp"] < time.time() + 3600
    path = f"/api/models/{repo.name}/xet-read-token"
    for revision in ("", "/main", "/refs%2Fpr%2F1", "/" + "a" * 40):
        assert Cas.of(repo).api.send("GET", path + revision).status == 200


def test_who_may_not_gets_no_token(world: World) -> None:
    private, public = world.repo("private"), world.repo()
    for right in ("read", "write"):
        nobody = ask(private, right)
        assert (nobody.status, nobody.headers["X-Error-Code"]) == (401, "RepoNotFound")
        stranger = ask(private, right, world.tokens["bob"])
        assert (stranger.status, stranger.headers["X-Error-Code"]) == (404, "RepoNotFound")
    assert ask(public, "write").status == 401
    assert ask(public, "write", world.token("bob", "read")).status == 403
    assert ask(public, "write", world.token("ada", "read")).status == 403
    assert ask(public, "read").status == 200


def test_a_token_is_good_for_one_repository_and_one_right(world: World) -> None:
    repo, other = world.repo(), world.repo()
    reading, xorb = Cas.of(repo, "read"), fresh()
    assert reading.xorb(xorb).status == 403
    assert reading.shard().status == 403
    elsewhere = Cas.of(other).with_token(Cas.of(repo).token)
    assert elsewhere.xorb(xorb).status == 401
    for token in ("", "x", reading.token[:-2] + "zz"):
        assert reading.with_token(token).plan(whole(xorb)).status == 401
    world.op("repo.delete", type="model", repo=repo.name)
    assert reading.plan(whole(xorb)).status == 404


def test_a_file_is_read_by_readers_of_a_repository_that_has_it(world: World) -> None:
    file = whole(fresh())
    secret = world.repo("private")
    Cas.of(secret).upload(file)
    mine = Cas.of(world.repo(owner="bob"))
    assert mine.plan(file).status == 404
    assert Cas.of(world.repo()).plan(file).status == 404


def test_anybody_reads_what_is_public(world: World) -> None:
    repo, file = world.repo(), whole(fresh())
    cas = Cas.of(repo)
    cas.upload(file)
    nobody = cas.with_token(ask(repo, "read").json["accessToken"])
    assert nobody.rebuild(file) == file.content
    first = xethash.to_text(file.parts[0].xorb.hashes[0])
    assert nobody.send("GET", f"/v1/chunks/default/{first}").status == 200
    assert nobody.xorb(fresh()).status == 403


def test_an_address_is_good_for_its_bytes(world: World) -> None:
    xorb = fresh()
    cas, file = Cas.of(world.repo()), Made.of(Part(xorb, 1, 3))
    cas.upload(file)
    ((entries),) = cas.plan(file).json["xorbs"].values()
    (entry,) = entries
    span = entry["ranges"][0]["bytes"]
    start, end = span["start"], span["end"]
    assert cas.fetch(entry["url"], f"{start}-{end}").body == xorb.data[start : end + 1]
    for wrong in (f"{start - 1}-{end}", f"{start}-{end + 1}", f"{start}-", "0-5", ""):
        assert cas.fetch(entry["url"], wrong).status == 403
    assert cas.fetch(entry["url"][:-2] + "zz", f"{start}-{end}").status == 403


def test_T46_knowing_a_hash_is_not_having_the_bytes(world: World) -> None:
    """Neither a xorb of a private repository nor one that only its sender has can be used."""
    xorb = fresh()
    secret = world.repo("private")
    Cas.of(secret).upload(whole(xorb))
    mine = world.repo(owner="bob")
    assert Cas.of(mine).shard(whole(xorb)).status == 400
    assert not has(mine, whole(xorb))
    unused = fresh()
    Cas.of(secret).xorb(unused)
    assert Cas.of(mine).shard(whole(unused)).status == 400
    # Who sends the bytes has them.
    Cas.of(mine).upload(whole(xorb))
    assert has(mine, whole(xorb))


def test_T46_readers_use_what_files_use_and_no_more(world: World) -> None:
    xorb = fresh(6)
    public = world.repo()
    owner = Cas.of(public)
    owner.xorb(xorb)
    assert owner.shard(Made.of(Part(xorb, 1, 3)), Made.of(Part(xorb, 3, 4))).status == 200
    mine = world.repo(owner="bob")
    for first, end, status in ((0, 2, 400), (1, 5, 400), (5, 6, 400), (1, 4, 200), (2, 3, 200)):
        file = Made.of(Part(xorb, first, end))
        assert Cas.of(mine).shard(file).status == status
        assert has(mine, file) is (status == 200)
    # What became bob's alone is not seen by those who cannot see his repository.
    hidden = world.repo("private", owner="bob")
    Cas.of(hidden).upload(whole(fresh()))


def _query(cas: Cas, digest: bytes) -> Any:
    reply = cas.send("GET", f"/v1/chunks/default-merkledb/{xethash.to_text(digest)}")
    return Shard(reply.body) if reply.status == 200 else reply.status


def test_a_chunk_is_found_by_who_may_read_it_and_hidden_in_the_answer(world: World) -> None:
    # One chunk in 1,024 may be asked for wherever it stands.
    candidates = (fresh(5) for _ in itertools.count())
    xorb = next(x for x in candidates if not any(map(xethash.is_dedup_eligible, x.hashes)))
    secret = world.repo("private")
    cas = Cas.of(secret)
    cas.xorb(xorb)
    assert _query(cas, xorb.hashes[1]) == 404
    assert cas.shard(Made.of(Part(xorb, 1, 3))).status == 200
    first = xorb.hashes[1]
    found = _query(Cas.of(world.repo()), first)
    (listed,) = found.xorbs()
    assert listed.hash == xorb.root
    shown = [chunk.hash for chunk in listed.chunks]
    keyed = [xethash.keyed(digest, found.key) for digest in xorb.hashes]
    # Bytes of the xorb that no file uses are nobody's but the sender's, here the same person.
    assert shown[1:3] == keyed[1:3]
    assert not set(shown) & set(xorb.hashes)
    assert [chunk.length for chunk in listed.chunks] == [1000] * 5
    assert _query(cas, xorb.hashes[2]) == 404
    assert _query(Cas.of(world.repo(owner="bob")), first) == 404
    # Once it is public, others find it, but learn nothing of the rest.
    public = world.repo()
    cas = Cas.of(public)
    cas.xorb(xorb)
    assert cas.shard(Made.of(Part(xorb, 1, 3))).status == 200
    found = _query(Cas.of(world.repo(owner="bob")), first)
    (listed,) = found.xorbs()
    keyed = [xethash.keyed(digest, found.key) for digest in xorb.hashes]
    same = [one.hash == other for one, other in zip(listed.chunks, keyed, strict=True)]
    assert same == [False, True, True, False, False]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/xorb-grants/default/" + "0" * 64),
        ("POST", "/v1/xorb-commits/default/" + "0" * 64 + "/grant/g"),
        ("GET", "/v2/file-chunk-hashes/" + "0" * 64),
        ("GET", "/v1/reconstructions"),
        ("GET", "/v1/xorbs/default/" + "0" * 64),
        ("POST", "/v1/xorbs/default/" + "0" * 63),
        ("POST", "/v3/shards"),
        ("GET", "/v2/shards"),
        ("PUT", "/v1/shards"),
        ("HEAD", "/v1/anything"),
        ("POST", "/v1/reconstructions/" + "0" * 64),
        ("DELETE", "/"),
        ("GET", ""),
    ],
)
def test_what_is_not_known_is_not_found(world: World, method: str, path: str) -> None:
    cas = Cas.of(world.repo())
    assert cas.send(method, path).status == 404
    if path.startswith(("/v1/", "/v2/")):
        assert cas.api.send(method, path).status == 404


def test_telemetry_is_taken_at_the_root(world: World) -> None:
    cas = Cas.of(world.repo())
    assert cas.api.send("POST", "/v1/telemetry", data=b"{}" * 1000).status == 200
    assert cas.api.send("POST", "/v1/telemetry", data=bytes(3_000_000)).status == 413


def test_quotas_hold(world: World) -> None:
    repo = world.repo()

    async def limit(core: Any, _actor: Any) -> None:
        from hubd.store import quotas

        await core.store.write(lambda conn: quotas.put(conn, repo_id=repo.id, bytes=5000))

    world.inside(limit)
    cas = Cas.of(repo)
    assert cas.xorb(fresh(10)).status == 413
    xorb = fresh()
    cas.upload(whole(xorb))
    # Few bytes sent may be a large file.
    assert cas.shard(Made.of(Part(xorb, 0, 4), Part(xorb, 0, 4))).status == 413


def test_what_came_whole_and_what_came_in_chunks_are_one_object(world: World) -> None:
    file, secret, mine = whole(fresh()), world.repo("private"), world.repo(owner="bob")
    big = Big(file.content)
    client(secret).upload(big)
    Cas.of(mine).upload(file)
    assert client(mine).download(big) == file.content
    assert Cas.of(mine).rebuild(file) == file.content
    other = whole(fresh())
    Cas.of(secret).upload(other)
    client(mine).upload(Big(other.content))
    assert client(mine).download(Big(other.content)) == other.content
    count = world.sql("SELECT count(*) FROM objects WHERE oid = ?", big.oid)
    assert count == [(1,)]
    assert not world.holds(Key.object(Big(other.content).oid))
