"""Uploads in parts, by hand, as the clients of three hubs speak."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from hubd.lfs import multipart
from tests.apiclient import Reply
from tests.gitkit import until
from tests.hubkit import World
from tests.lfs.conftest import PART
from tests.lfskit import Big, LfsClient, client

HUGGING_FACE = ["basic", "multipart"]
GIFTLESS = ["multipart-basic", "basic"]


def ask(who: LfsClient, *files: Big, transfers: list[str], **more: Any) -> dict[str, Any]:
    """A batch for uploads; the whole answer."""
    body = {"operation": "upload", "transfers": transfers, "objects": [f.named for f in files]}
    reply = who.call("objects/batch", body | more)
    assert reply.status == 200, reply.body
    return dict(msgspec.json.decode(reply.body))


def actions(who: LfsClient, big: Big, transfers: list[str], **more: Any) -> dict[str, Any]:
    (answer,) = ask(who, big, transfers=transfers, **more)["objects"]
    return dict(answer["actions"])


def parts_of(action: dict[str, Any]) -> tuple[int, list[str]]:
    """The part size and the addresses, read as huggingface_hub's agent does."""
    header = dict(action["header"])
    size = int(header.pop("chunk_size"))
    # git-lfs sorts the keys as text.
    return size, [url for _, url in sorted(header.items())]


def piece(big: Big, size: int, number: int) -> bytes:
    return big.data[(number - 1) * size : number * size]


def finish(who: LfsClient, big: Big, action: dict[str, Any], etags: list[str]) -> Reply:
    parts = [{"partNumber": number, "etag": etag} for number, etag in enumerate(etags, 1)]
    body = msgspec.json.encode({"oid": big.oid, "parts": parts})
    return who.send("POST", action["href"], body)


def send_all(who: LfsClient, big: Big, urls: list[str], size: int) -> list[str]:
    """All parts, four at a time; their ETags."""

    def put(number: int) -> str:
        done = who.send("PUT", urls[number - 1], piece(big, size, number))
        assert done.status == 200, done.body
        return str(done.headers["ETag"])

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(put, range(1, len(urls) + 1)))


@pytest.mark.parametrize("size", [PART + 1, 2 * PART, 11 * PART + 7])
def test_as_hugging_face_does(world: World, size: int) -> None:
    ada, big = client(world.repo("private")), Big.random(size)
    todo = actions(ada, big, HUGGING_FACE)
    chunk, urls = parts_of(todo["upload"])
    assert (chunk, len(urls)) == (PART, -(-size // PART))
    etags = send_all(ada, big, urls, chunk)
    assert "error" in ada.batch("download", big)[big.oid]
    assert finish(ada, big, todo["upload"], etags).status == 200
    assert ada.send("POST", todo["verify"]["href"], msgspec.json.encode(big.named)).status == 200
    assert ada.download(big) == big.data
    # Its answer got lost: the client asks again.
    assert finish(ada, big, todo["upload"], etags).status == 200
    assert "actions" not in ask(ada, big, transfers=HUGGING_FACE)["objects"][0]


def test_as_csghub_does(world: World) -> None:
    ada, big = client(world.repo()), Big.random(2 * PART)
    for _ in range(2):  # The second time it is there already, and this client wants to send it.
        todo = actions(ada, big, HUGGING_FACE, upload_id=None)
        header = dict(todo["upload"]["header"])
        size = int(header.pop("chunk_size"))
        assert sorted(header, key=int) == ["1", "2"]
        upload_id = parse_qs(urlsplit(header["1"]).query)["uploadId"][0]
        again = actions(ada, big, HUGGING_FACE, upload_id=upload_id)
        assert parse_qs(urlsplit(again["upload"]["header"]["2"]).query)["uploadId"] == [upload_id]
        etags = send_all(ada, big, [header["1"], header["2"]], size)
        plain = [etag.strip('"') for etag in etags]
        assert finish(ada, big, todo["upload"], plain).status == 200
        named = msgspec.json.encode(big.named)
        assert ada.send("POST", todo["verify"]["href"], named).status == 200
    assert ada.download(big) == big.data
    # Small ones too, as this client knows no other way.
    small = Big.random(10)
    assert ask(ada, small, transfers=HUGGING_FACE, upload_id=None)["transfer"] == "multipart"


def test_as_giftless_does(world: World) -> None:
    ada, big = client(world.repo()), Big.random(3 * PART - 1)
    assert ask(ada, big, transfers=GIFTLESS)["transfer"] == "multipart-basic"
    todo = actions(ada, big, GIFTLESS)
    spans = [(part["pos"], part["size"]) for part in todo["parts"]]
    assert spans == [(0, PART), (PART, PART), (2 * PART, PART - 1)]
    first, second, third = todo["parts"]
    assert ada.send("PUT", second["href"], piece(big, PART, 2)).status == 200
    assert ada.send("POST", todo["commit"]["href"]).status == 409
    # What is stored is not asked for again, from whomever it came last.
    left = actions(ada, big, GIFTLESS)["parts"]
    assert [part["pos"] for part in left] == [0, 2 * PART]
    for number, part in ((1, first), (3, third)):
        assert ada.send("PUT", part["href"], piece(big, PART, number)).status == 200
    assert ada.send("POST", todo["commit"]["href"]).status == 200
    assert ada.send("POST", todo["verify"]["href"], msgspec.json.encode(big.named)).status == 200
    assert ada.download(big) == big.data


def test_an_aborted_upload_is_forgotten(world: World) -> None:
    ada, big = client(world.repo()), Big.random(PART + 1)
    todo = actions(ada, big, GIFTLESS)
    assert ada.send("PUT", todo["parts"][0]["href"], piece(big, PART, 1)).status == 200
    assert ada.send("POST", todo["abort"]["href"]).status == 200
    assert ada.send("PUT", todo["parts"][1]["href"], piece(big, PART, 2)).status == 404
    assert ada.send("POST", todo["commit"]["href"]).status == 404
    assert len(actions(ada, big, GIFTLESS)["parts"]) == 2


@pytest.mark.parametrize(
    ("offered", "size", "way"),
    [
        (HUGGING_FACE, PART, "basic"),
        (["basic", "lfs-standalone-file"], PART + 1, "basic"),
        ([], PART + 1, "basic"),
        (["basic", "multipart", "lfs-standalone-file"], PART + 1, "multipart"),
        (["multipart"], 5, "multipart"),
        (["multipart", "basic", "multipart-basic"], PART + 1, "multipart-basic"),
    ],
)
def test_the_way_is_one_that_the_client_knows(
    world: World, offered: list[str], size: int, way: str
) -> None:
    ada, big, small = client(world.repo()), Big.random(size), Big.random(3)
    answer = ask(ada, big, small, transfers=offered)
    assert answer["transfer"] == way
    for one in answer["objects"]:
        is_parts = "parts" in one["actions"] or "header" in one["actions"]["upload"]
        assert is_parts is (way != "basic")


def test_T40_other_bytes_are_not_kept(world: World) -> None:
    ada, big = client(world.repo()), Big.random(PART + 1)
    todo = actions(ada, big, GIFTLESS)
    for part in todo["parts"]:
        assert ada.send("PUT", part["href"], os.urandom(part["size"])).status == 200
    assert ada.send("POST", todo["commit"]["href"]).status == 422
    assert "error" in ada.batch("download", big)[big.oid]
    # And nothing of it is left to stumble over.
    assert len(actions(ada, big, GIFTLESS)["parts"]) == 2


def test_a_part_is_as_long_as_it_was_said(world: World) -> None:
    ada, big = client(world.repo()), Big.random(PART + 1)
    href = actions(ada, big, GIFTLESS)["parts"][1]["href"]
    for wrong in (b"", b"xx"):
        assert ada.send("PUT", href, wrong).status == 422
    assert len(actions(ada, big, GIFTLESS)["parts"]) == 2


def test_a_part_that_was_sent_again_in_between_is_noticed(world: World) -> None:
    ada, big = client(world.repo()), Big.random(PART + 1)
    todo = actions(ada, big, HUGGING_FACE)
    chunk, urls = parts_of(todo["upload"])
    etags = send_all(ada, big, urls, chunk)
    assert ada.send("PUT", urls[1], b"x").status == 200
    assert finish(ada, big, todo["upload"], etags).status == 409


def test_an_address_is_good_for_one_part_of_one_upload(world: World) -> None:
    ada, big, other = client(world.repo()), Big.random(PART + 1), Big.random(PART + 1)
    todo, more = actions(ada, big, GIFTLESS), actions(ada, other, GIFTLESS)
    part = todo["parts"][0]["href"]
    assert ada.send("GET", part).status in {404, 405}
    address, _, query = part.replace("lfs-parts", "lfs").partition("?")
    assert ada.send("POST", f"{address}/complete?{query}").status == 403
    forged = part.replace("/-/lfs-parts/", "/-/lfs-parts/x")
    assert ada.send("PUT", forged, b"x").status == 403
    # The end of one upload does not end another.
    mixed = f"{todo['commit']['href'].partition('?')[0]}?{urlsplit(more['commit']['href']).query}"
    assert ada.send("POST", mixed).status == 404
    plain = ada.action("upload", Big.random())["href"]
    assert ada.send("PUT", plain.replace("/-/lfs/", "/-/lfs-parts/"), b"x").status == 403


def test_T47_people_do_not_share_uploads(world: World) -> None:
    repo, big = world.repo(), Big.random(PART + 1)
    world.grant(repo, "bob")
    ada, bob = client(repo), client(repo, "bob")
    href = actions(ada, big, GIFTLESS)["parts"][0]["href"]
    assert ada.send("PUT", href, piece(big, PART, 1)).status == 200
    assert len(actions(bob, big, GIFTLESS)["parts"]) == 2
    assert len(actions(ada, big, GIFTLESS)["parts"]) == 1


def is_local(world: World) -> bool:
    """Whether blobs lie on disk."""
    return world.hub.settings.get("blob_store") != "s3"


def last_written(world: World) -> int:
    """When an upload in parts was last written to on disk, in nanoseconds."""
    return max(f.stat().st_mtime_ns for f in (world.hub.data / "blobs" / "parts").iterdir())


def begin_to_put(world: World, url: str, data: bytes) -> socket.socket:
    """Send ``data`` as the beginning of a part and then stand still."""
    before = last_written(world) if is_local(world) else 0
    split = urlsplit(url)
    slow = socket.create_connection((split.hostname or "", split.port or 0), timeout=20)
    head = f"PUT {split.path}?{split.query} HTTP/1.1\r\nHost: x\r\nContent-Length: {PART}\r\n\r\n"
    slow.sendall(head.encode() + data)
    if is_local(world):
        until(lambda: last_written(world) > before)
    return slow


def test_F13_a_part_that_is_sent_again_ends_who_stands_still_with_it(world: World) -> None:
    """On disk the two write to one place: what the first still holds never arrives."""
    ada, big = client(world.repo()), Big.random(2 * PART)
    todo = actions(ada, big, HUGGING_FACE)
    chunk, urls = parts_of(todo["upload"])
    with begin_to_put(world, urls[0], b"x" * (PART // 2)) as slow:
        etags = send_all(ada, big, urls, chunk)
        if is_local(world):
            assert b" 409 " in slow.recv(100)
        assert finish(ada, big, todo["upload"], etags).status == 200
    assert ada.download(big) == big.data


def test_F13_a_part_that_stands_still_does_not_change_what_was_judged(world: World) -> None:
    """On disk the end of the upload ends those who still write."""
    ada, big = client(world.repo()), Big.random(PART + 2**20)
    todo = actions(ada, big, HUGGING_FACE)
    chunk, urls = parts_of(todo["upload"])
    etags = send_all(ada, big, urls, chunk)
    with begin_to_put(world, urls[0], big.data[: PART // 2]) as slow:
        assert finish(ada, big, todo["upload"], etags).status == 200
        if is_local(world):
            assert b" 409 " in slow.recv(100)
    assert ada.download(big) == big.data


def test_an_upload_goes_on_after_a_restart(world: World) -> None:
    repo, big = world.repo(), Big.random(3 * PART)
    ada = client(repo)
    todo = actions(ada, big, GIFTLESS)
    assert ada.send("PUT", todo["parts"][0]["href"], piece(big, PART, 1)).status == 200
    world.hub.kill()
    world.hub.start()
    left = actions(ada, big, GIFTLESS)
    assert [part["pos"] for part in left["parts"]] == [PART, 2 * PART]
    for part in left["parts"]:
        data = big.data[part["pos"] : part["pos"] + part["size"]]
        assert ada.send("PUT", part["href"], data).status == 200
    assert ada.send("POST", left["commit"]["href"]).status == 200
    assert ada.download(big) == big.data


def test_T43_what_nobody_goes_on_with_is_swept(world: World) -> None:
    repo, big, kept = world.repo(), Big.random(PART + 1), Big.random(PART + 1)
    ada = client(repo)
    todo = actions(ada, big, GIFTLESS)
    assert ada.send("PUT", todo["parts"][0]["href"], piece(big, PART, 1)).status == 200
    actions(ada, kept, GIFTLESS)

    async def sweep(core: Any, _actor: Any) -> None:
        import sqlalchemy as sa

        from hubd.store import schema

        table = schema.uploads
        old = sa.update(table).where(table.c.oid == big.oid).values(expires_at=1.0)
        await core.store.write(lambda conn: conn.execute(old))
        await multipart.sweep(core.lfs)

    folder = world.hub.data / "blobs" / "parts"
    before = {path.name for path in folder.iterdir()} if is_local(world) else set()
    world.inside(sweep)
    if is_local(world):
        until(partial(lambda: len(before - {path.name for path in folder.iterdir()}) == 1))
    assert ada.send("PUT", todo["parts"][1]["href"], piece(big, PART, 2)).status == 404
    rows = world.sql("SELECT oid FROM uploads WHERE repo_id = ?", repo.id)
    assert rows == [(kept.oid,)]
