"""S3 alone: signed addresses, what each store enforces, uploads in parts, leftovers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from yarl import URL

from hubd.blobs.base import PIECE, Key, Kind, Link, Part
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.s3_client import PART_MAX, PART_MIN, S3Settings
from hubd.blobs.s3_direct import Binding, S3Direct
from hubd.errors import Invalid, NotFound
from tests.blobskit import all_of, in_pieces, key_of, store
from tests.s3kit import COPY_PART, direct_of, lying, put, started

BOTH = pytest.mark.parametrize("server", ["swift", "juicefs"], indirect=True)


@pytest.fixture
async def blobs(server: S3Settings) -> AsyncIterator[S3Blobs]:
    async with started(server) as place:
        yield place


@pytest.mark.parametrize(
    ("server", "binding"),
    [("swift", Binding.CHECKSUM), ("juicefs", Binding.PAYLOAD)],
    indirect=["server"],
)
async def test_the_probe_finds_what_each_store_enforces(blobs: S3Blobs, binding: Binding) -> None:
    assert isinstance(blobs.direct, S3Direct)
    assert await blobs.direct.binding() is binding
    assert await lying(blobs) == []


@BOTH
async def test_what_a_client_puts_by_a_signed_address_is_adopted(blobs: S3Blobs) -> None:
    data = os.urandom(300_000)
    key = key_of(data)
    link = await direct_of(blobs).upload("an-upload", key.name, len(data), 60)
    assert await blobs.stat(key) is None
    assert (await put(link, data))[0] == 200
    assert await blobs.stat(key) is None
    await direct_of(blobs).adopt("an-upload", key, len(data))
    assert await all_of(blobs.read(key)) == data
    assert await lying(blobs) == [key.path]


@BOTH
@pytest.mark.parametrize("change", ["bytes", "longer", "shorter"])
async def test_T40_the_store_refuses_other_bytes_than_were_signed(
    blobs: S3Blobs, change: str
) -> None:
    data = os.urandom(1000)
    sent = {"bytes": os.urandom(1000), "longer": data + b"x", "shorter": data[:-1]}[change]
    link = await direct_of(blobs).upload("an-upload", key_of(data).name, len(data), 60)
    assert (await put(link, sent))[0] in range(400, 500)
    with pytest.raises(NotFound):
        await direct_of(blobs).adopt("an-upload", key_of(data), len(data))
    assert await lying(blobs) == []


@BOTH
async def test_T42_an_address_expires_and_is_good_for_nothing_else(blobs: S3Blobs) -> None:
    data = b"some bytes"
    key = await store(blobs, data)
    late = await direct_of(blobs).upload("an-upload", key.name, len(data), 1)
    fine = await direct_of(blobs).download(key, 60)
    other = fine.href.replace(key.name, "0" * 64)
    await asyncio.sleep(2.1)
    assert (await put(late, data))[0] == 403
    assert (await put(fine, data))[0] == 403
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(other, encoded=True)) as answer,
    ):
        assert answer.status == 403
    assert await lying(blobs) == [key.path]


@BOTH
async def test_a_download_has_ranges_and_the_name_of_the_file(blobs: S3Blobs) -> None:
    data = os.urandom(1000)
    key = await store(blobs, data)
    link = await direct_of(blobs).download(key, 60, 'ein "Modell" ü.bin')
    headers = {**link.headers, "Range": "bytes=10-19"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(URL(link.href, encoded=True), headers=headers) as answer,
    ):
        assert answer.status == 206
        assert await answer.read() == data[10:20]
        disposition = answer.headers["Content-Disposition"]
        assert answer.content_type == "application/octet-stream"
    assert disposition.startswith("attachment")
    assert "filename*=UTF-8''ein%20%22Modell%22%20%C3%BC.bin" in disposition


@BOTH
@pytest.mark.parametrize("fault", ["bytes", "size"])
async def test_T40_where_nothing_is_enforced_adopting_reads_back(
    blobs: S3Blobs, fault: str
) -> None:
    assert isinstance(blobs.direct, S3Direct)
    data = os.urandom(COPY_PART + 1000)
    key = key_of(data)
    enforced, blobs.direct._binding = blobs.direct._binding, Binding.NONE
    link = await blobs.direct.upload("an-upload", key.name, len(data), 60)
    assert (await put(link, os.urandom(len(data))))[0] == 200
    # What was signed without a hash is not trusted later either.
    blobs.direct._binding = enforced
    with pytest.raises(Invalid):
        await blobs.direct.adopt("an-upload", key, len(data) + (fault == "size"))
    assert await lying(blobs) == []
    assert (await put(link, data))[0] == 200
    await blobs.direct.adopt("an-upload", key, len(data))
    assert await all_of(blobs.read(key)) == data
    assert await lying(blobs) == [key.path]


@BOTH
async def test_parts_by_signed_addresses_have_their_length_and_become_one(
    blobs: S3Blobs,
) -> None:
    data = os.urandom(PART_MIN + 1000)
    handle = await blobs.begin_parts(len(data))
    parts = []
    for number, piece in ((1, data[:PART_MIN]), (2, data[PART_MIN:])):
        link = await direct_of(blobs).part(handle, number, len(piece), 60)
        assert (await put(link, piece + b"x"))[0] in range(400, 500)
        status, etag = await put(link, piece)
        assert status == 200
        parts.append(Part(number, len(piece), etag))
    wrong = [parts[0], replace(parts[1], etag='"0123456789abcdef0123456789abcdef"')]
    with pytest.raises(Invalid):
        await blobs.commit_parts(handle, key_of(data), len(data), wrong)
    # A daemon that starts anew knows the upload by its handle alone.
    async with started(blobs.client.settings) as again:
        await again.commit_parts(handle, key_of(data), len(data), parts)
        await again.discard_parts(handle)
        assert await all_of(again.read(key_of(data))) == data
        assert await lying(again) == [key_of(data).path]


async def test_an_upload_that_was_joined_before_a_crash_is_committed_after(
    blobs: S3Blobs,
) -> None:
    data = os.urandom(1000)
    handle = await blobs.begin_parts(len(data))
    part = await blobs.write_part(handle, 1, 0, in_pieces(data), len(data))
    token, upload_id = handle.split(".", 1)
    await blobs.complete(f"parts/{token}", upload_id, [(1, part.etag)], len(data))
    await blobs.commit_parts(handle, key_of(data), len(data), [part])
    assert await all_of(blobs.read(key_of(data))) == data


@pytest.mark.parametrize("handle", ["", "abc", "../x.y", "0" * 32 + ".unknown"])
async def test_an_unknown_upload_is_not_found(blobs: S3Blobs, handle: str) -> None:
    with pytest.raises(NotFound):
        await blobs.write_part(handle, 1, 0, in_pieces(b"x"), 1)
    await blobs.discard_parts(handle)


async def test_names_and_numbers_from_outside_are_looked_at(blobs: S3Blobs) -> None:
    for staging in ("", "a/b", "..", "ü", "a" * 101):
        with pytest.raises(Invalid):
            await direct_of(blobs).upload(staging, "0" * 64, 1, 60)
    with pytest.raises(Invalid):
        await direct_of(blobs).upload("ok", "0" * 64, PART_MAX + 1, 60)
    handle = await blobs.begin_parts(1)
    for number in (0, 10_001):
        with pytest.raises(Invalid):
            await direct_of(blobs).part(handle, number, 1, 60)


@BOTH
async def test_listings_have_as_many_pages_as_they_need(blobs: S3Blobs) -> None:
    keys = {await store(blobs, bytes([n])) for n in range(5)}
    handles = [await blobs.begin_parts(1) for _ in range(5)]
    objects = [p async for p in blobs.client.pages("list_objects_v2", Prefix="", MaxKeys=2)]
    uploads = [
        p async for p in blobs.client.pages("list_multipart_uploads", Prefix="", MaxUploads=2)
    ]
    assert len(objects) == len(uploads) == 3
    found = {item["Key"].rpartition("/")[2] for page in objects for item in page["Contents"]}
    assert found == {key.name for key in keys}
    assert {item["UploadId"] for page in uploads for item in page["Uploads"]} == {
        handle.partition(".")[2] for handle in handles
    }


@BOTH
async def test_leftovers_are_swept_but_nothing_in_use(blobs: S3Blobs) -> None:
    stored = await store(blobs, b"stored")
    used, left = [await blobs.begin_parts(10) for _ in range(2)]
    for staging in ("used-upload", "left-upload"):
        link = await direct_of(blobs).upload(staging, key_of(b"x").name, 1, 60)
        assert (await put(link, b"x"))[0] == 200
    sink = await blobs.begin()
    await sink.write(os.urandom(PART_MIN + 1))
    dead = S3Blobs(blobs.client.settings)  # The sink of a daemon that was killed.
    await dead.start()
    half = await dead.begin()
    await half.write(os.urandom(PART_MIN + 1))
    await half._sent()
    await dead.close()
    keep = frozenset({used, "used-upload"})
    assert await blobs.sweep(time.time() - 1000, keep) == 0
    assert await blobs.sweep(time.time() + 1000, keep) == 3
    data_left = await lying(blobs)
    assert len(data_left) == 4
    assert {name.split("/")[0] for name in data_left} == {"objects", "parts", "staging", "incoming"}
    await sink.discard()
    await blobs.discard_parts(used)
    await direct_of(blobs).drop("used-upload")
    assert await lying(blobs) == [stored.path]
    with pytest.raises(NotFound):
        await blobs.write_part(left, 1, 0, in_pieces(b"x"), 1)


def _signed(link: Link) -> Iterator[str]:
    return iter(parse_qs(urlsplit(link.href).query)["X-Amz-SignedHeaders"][0].split(";"))


async def test_addresses_are_of_the_public_end_and_sign_all_that_matters() -> None:
    blobs = S3Blobs(
        S3Settings(
            bucket="models",
            prefix="hub",
            endpoint="http://127.0.0.1:1",
            public_endpoint="https://files.example.org",
            access_key="key",
            secret_key="secret",
            path_style=False,
            encryption="AES256",
        )
    )
    await blobs.client.open()
    assert isinstance(blobs.direct, S3Direct)
    blobs.direct._binding = Binding.CHECKSUM
    oid = hashlib.sha256(b"x").hexdigest()
    link = await blobs.direct.upload("an-upload", oid, 1, 60)
    await blobs.close()
    assert link.href.startswith(
        f"https://models.files.example.org/hub/staging/an-upload/bound-{oid}?"
    )
    assert link.headers == {
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(oid)).decode(),
        "x-amz-server-side-encryption": "AES256",
    }
    assert set(_signed(link)) == {"host", "content-length", *link.headers}
    assert "secret" not in repr(blobs.client.settings)


async def test_memory_stays_small_whatever_the_size(blobs: S3Blobs) -> None:
    data = bytes(PIECE)
    sink = await blobs.begin()
    held = 0
    for _ in range(8 * 5):
        await sink.write(data)
        held = max(held, sum(map(len, sink._filling)))
    assert held <= PART_MIN
    key = Key.object(await sink.sha256())
    await sink.commit(key)
    longest = 0
    async for piece in blobs.read(key):
        longest = max(longest, len(piece))
    assert longest <= PIECE
    assert [stored.key async for stored in blobs.walk(Kind.OBJECT)] == [key]
