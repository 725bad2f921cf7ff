"""The batch and the basic transfer, by hand."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from tests.apiclient import Reply
from tests.hubkit import World
from tests.lfskit import MEDIA_TYPE, Big, LfsClient, client


def told(reply: Reply) -> str:
    """The message of an error in the protocol's shape."""
    assert reply.headers["Content-Type"].startswith(MEDIA_TYPE)
    return str(msgspec.json.decode(reply.body)["message"])


@pytest.mark.parametrize("size", [0, 1, 1_000_000, 5_000_000])
def test_what_is_sent_can_be_fetched(world: World, size: int) -> None:
    ada, big = client(world.repo("private")), Big.random(size)
    ada.upload(big)
    assert ada.download(big) == big.data
    assert "actions" not in ada.batch("upload", big)[big.oid]


@pytest.mark.parametrize("more", [b"", b"x"])
def test_an_upload_may_come_in_chunks_of_unknown_number(world: World, more: bytes) -> None:
    ada, big = client(world.repo()), Big.random(200_000)
    href = urlsplit(ada.action("upload", big)["href"])
    connection = http.client.HTTPConnection(href.hostname or "", href.port, timeout=30)
    pieces = iter([big.data[:70_000], big.data[70_000:], more or big.data[:0]])
    connection.request("PUT", href.path, body=filter(None, pieces), encode_chunked=True)
    assert connection.getresponse().status == (422 if more else 200)
    connection.close()
    assert ("error" in ada.batch("download", big)[big.oid]) is bool(more)


def test_a_download_goes_on_where_it_broke_off(world: World) -> None:
    ada, big = client(world.repo()), Big.random(3_000_000)
    ada.upload(big)
    href = ada.action("download", big)["href"]
    for text, start, end in (
        ("bytes=1000000-", 1_000_000, 3_000_000),
        ("bytes=5-9", 5, 10),
        ("bytes=-7", 2_999_993, 3_000_000),
    ):
        part = ada.send("GET", href, Range=text)
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/3000000"
        assert part.body == big.data[start:end]
    assert ada.send("GET", href, Range="bytes=3000000-").status == 416
    # A store's address is signed for one method.
    if href.startswith(world.hub.http):
        head = ada.send("HEAD", href)
        assert (head.status, head.headers["Content-Length"], head.body) == (200, "3000000", b"")


def test_T40_other_bytes_than_announced_are_not_kept(world: World) -> None:
    ada = client(world.repo())
    for wrong in (b"x" * 1000, b"x" * 999, b"x" * 1001, b""):
        big = Big.random(1000)
        done = ada.send("PUT", ada.action("upload", big)["href"], wrong)
        assert done.status == 422
        assert told(done)
        assert "error" in ada.batch("download", big)[big.oid]
        assert "actions" in ada.batch("upload", big)[big.oid]


def test_T39_an_object_of_others_must_be_sent_unless_it_can_be_read(world: World) -> None:
    big = Big.random()
    secret = client(world.repo("private"))
    secret.upload(big)
    bob = client(world.repo(owner="bob"))
    assert "upload" in bob.batch("upload", big)[big.oid]["actions"]
    assert bob.batch("download", big)[big.oid]["error"]["code"] == 404
    # Ada may read it elsewhere: nothing to send.
    other = client(world.repo())
    assert "actions" not in other.batch("upload", big)[big.oid]
    assert other.download(big) == big.data
    # Now it is public by ada's other repository, so bob may read it too.
    assert "actions" not in bob.batch("upload", big)[big.oid]


def test_a_known_object_under_a_wrong_size_is_refused(world: World) -> None:
    ada, big = client(world.repo()), Big.random()
    ada.upload(big)
    named = [{"oid": big.oid, "size": 5}]
    for operation in ("upload", "download"):
        reply = ada.call("objects/batch", {"operation": operation, "objects": named})
        (answer,) = msgspec.json.decode(reply.body)["objects"]
        assert answer["error"]["code"] == 422


@pytest.mark.parametrize(
    "named",
    [
        {"oid": "a" * 63, "size": 1},
        {"oid": "a" * 65, "size": 1},
        {"oid": "A" * 64, "size": 1},
        {"oid": "g" * 64, "size": 1},
        {"oid": "../" * 21 + "a", "size": 1},
        {"oid": "sha1:" + "a" * 59, "size": 1},
        {"oid": None, "size": 1},
        {"size": 1},
        {"oid": "a" * 64},
        {"oid": "a" * 64, "size": -1},
        {"oid": "a" * 64, "size": 1.5},
        {"oid": "a" * 64, "size": "1"},
        {"oid": "a" * 64, "size": True},
        {"oid": "a" * 64, "size": 10**20},
    ],
)
def test_T41_a_malformed_object_is_refused_alone(world: World, named: dict[str, Any]) -> None:
    ada, good = client(world.repo()), Big.random()
    body = {"operation": "upload", "objects": [named, good.named]}
    reply = ada.call("objects/batch", body)
    assert reply.status == 200
    answers = msgspec.json.decode(reply.body)["objects"]
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [422]
    assert [answer["oid"] for answer in answers if "actions" in answer] == [good.oid]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"\xff{}", 422),
        ({"operation": "delete", "objects": []}, 422),
        ({"operation": "upload", "objects": [], "hash_algo": "sha512"}, 409),
        ({"operation": "upload", "objects": [], "transfers": ["tape"]}, 422),
        ({"operation": "upload", "objects": [{}] * 10_001}, 413),
        (b" " * 9_000_000, 413),
    ],
)
def test_a_malformed_batch_is_refused_with_a_sentence(world: World, body: Any, status: int) -> None:
    reply = client(world.repo()).call("objects/batch", body)
    assert reply.status == status
    assert told(reply)


def test_who_may_not_is_told_so_in_the_protocols_words(world: World) -> None:
    private, public = world.repo("private"), world.repo()
    body: dict[str, Any] = {"operation": "download", "objects": []}
    nobody = LfsClient(private).call("objects/batch", body)
    assert nobody.status == 401
    assert nobody.headers["LFS-Authenticate"].startswith("Basic")
    assert told(nobody)
    assert client(private, "bob").call("objects/batch", body).status == 404
    assert LfsClient(public).call("objects/batch", body).status == 200
    body["operation"] = "upload"
    assert LfsClient(public).call("objects/batch", body).status == 401
    refused = LfsClient(public, world.token("bob", "read")).call("objects/batch", body)
    assert (refused.status, told(refused)[:7]) == (403, "This to")


def test_T42_an_address_is_good_for_one_direction_and_one_object(world: World) -> None:
    ada, big = client(world.repo()), Big.random()
    up = ada.action("upload", big)["href"]
    assert ada.send("GET", up).status == 403
    assert ada.send("PUT", up, big.data).status == 200
    down = ada.action("download", big)["href"]
    assert ada.send("PUT", down, big.data).status == 403
    other = msgspec.json.encode(Big.random().named)
    assert ada.send("POST", f"{up}/verify", other).status == 403
    forged = down[:-4] + ("aaaa" if down[-4:] != "aaaa" else "bbbb")
    assert ada.send("GET", forged).status == 403


def test_the_log_has_no_address_that_works(world: World) -> None:
    ada, big = client(world.repo()), Big.random()
    up = ada.action("upload", big)["href"]
    assert ada.send("PUT", up, b"wrong").status == 422
    assert ada.send("PUT", up, big.data).status == 200
    down = ada.action("download", big)["href"]
    assert ada.send("GET", down).status == 200
    log = world.hub.log()
    assert "/-/lfs/…" in log
    for href in (up, down):
        assert href.rpartition("/")[2] not in log


def test_an_address_dies_with_the_repository(world: World) -> None:
    repo, big = world.repo(), Big.random()
    ada = client(repo)
    ada.upload(big)
    other = Big.random()
    down, up = ada.action("download", big)["href"], ada.action("upload", other)["href"]
    world.op("repo.delete", type="model", repo=repo.name)
    # A store's address lives to its end, a quarter of an hour.
    if down.startswith(world.hub.http):
        assert ada.send("GET", down).status == 404
    assert ada.send("PUT", up, other.data).status == 404


def test_a_thousand_objects_in_one_batch(world: World) -> None:
    ada = client(world.repo())
    # Of their own: what ada has elsewhere is not sent again.
    files = [Big(f"one of a thousand, {number}".encode()) for number in range(1000)]
    answers = ada.batch("upload", *files)
    assert sum("upload" in answer["actions"] for answer in answers.values()) == 1000


def test_a_quota_is_told_before_the_upload(world: World) -> None:
    repo = world.repo()
    ada = client(repo)

    async def limit(core: Any, _actor: Any) -> None:
        from hubd.store import quotas

        await core.store.write(lambda conn: quotas.put(conn, repo_id=repo.id, bytes=5000))

    world.inside(limit)
    ada.upload(Big.random(3000))
    small, large = Big.random(100), Big.random(3000)
    answers = ada.batch("upload", small, large)
    assert {answer["error"]["code"] for answer in answers.values()} == {507}
    assert "do not fit" in answers[small.oid]["error"]["message"]
    ada.upload(small)


def test_who_can_chunk_is_asked_to(world: World) -> None:
    ada, big = client(world.repo()), Big.random()

    def way(**headers: str) -> str:
        body = {"operation": "upload", "objects": [big.named], "transfers": ["basic", "xet"]}
        reply = ada.call("objects/batch", body, **headers)
        return str(msgspec.json.decode(reply.body)["transfer"])

    assert way() == "xet"
    assert way(**{"User-Agent": "git-lfs/3.6.0"}) == "basic"
    ada.upload(big)
    assert way() == "basic"
