"""A store that goes away, stalls or fails in the middle: tried again or said, never half-seen."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from hubd.blobs.base import PIECE, Sink
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.s3_client import PART_MIN, S3Settings
from hubd.errors import Invalid, NotFound, Unavailable
from tests.blobskit import all_of, in_pieces, into, key_of, store
from tests.faultyproxy import Fault, FaultyProxy
from tests.s3kit import direct_of, lying, put, started


@pytest.fixture
async def proxy(server: S3Settings) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(urlsplit(server.endpoint).port or 0) as between:
        yield between


@pytest.fixture
async def behind(server: S3Settings, proxy: FaultyProxy) -> AsyncIterator[S3Blobs]:
    """Blobs that reach the store through the proxy, and lose patience soon."""
    settings = replace(server, endpoint=f"http://127.0.0.1:{proxy.port}", timeout=4)
    async with started(settings) as place:
        yield place


async def _finish(sink: Sink, data: bytes) -> None:
    await sink.write(data)
    await sink.commit(key_of(data))


async def test_a_store_that_went_away_is_said_to_be(behind: S3Blobs, proxy: FaultyProxy) -> None:
    key = await store(behind, b"bytes")
    handle = await behind.begin_parts(10)
    await proxy.stop()
    sink = await behind.begin()
    await sink.write(b"more")
    for waiting in (
        behind.stat(key),
        all_of(behind.read(key)),
        sink.commit(key_of(b"more")),
        behind.write_part(handle, 1, 0, in_pieces(b"x"), 1),
        behind.begin_parts(1),
        behind.delete(key),
        behind.sweep(0, frozenset()),
    ):
        with pytest.raises(Unavailable, match="does not answer"):
            await waiting
    await sink.discard()
    # Signing needs no store, and everything works again once it is back.
    await direct_of(behind).download(key, 60)
    await proxy.__aenter__()
    assert await all_of(behind.read(key)) == b"bytes"


async def test_a_store_that_is_down_stops_no_start_and_is_trusted_with_nothing(
    server: S3Settings, proxy: FaultyProxy
) -> None:
    await proxy.stop()
    settings = replace(server, endpoint=f"http://127.0.0.1:{proxy.port}", timeout=1)
    async with started(settings) as blobs:
        link = await direct_of(blobs).upload("early", key_of(b"right").name, 5, 60)
        await proxy.__aenter__()
        assert (await put(link, b"wrong"))[0] == 200
        with pytest.raises(Invalid):
            await direct_of(blobs).adopt("early", key_of(b"right"), 5)
        assert await lying(blobs) == []


async def test_a_store_that_refuses_us_is_a_wrong_setting(server: S3Settings) -> None:
    for wrong in (
        replace(server, bucket="no-such-bucket"),
        replace(server, secret_key="not-the-secret"),
    ):
        blobs = S3Blobs(wrong)
        with pytest.raises(Unavailable, match="cannot be used"):
            await blobs.start()


@pytest.mark.parametrize("status", [500, 503])
async def test_a_passing_error_is_tried_again(
    behind: S3Blobs, proxy: FaultyProxy, status: int
) -> None:
    data = os.urandom(2 * PART_MIN + 100)
    for match in ("^POST .*uploads", "^PUT .*partNumber=2", "^POST .*uploadId", "^HEAD", "^GET"):
        proxy.faults.append(Fault(match, status=status, times=2))
    key = await store(behind, data)
    assert await all_of(behind.read(key)) == data
    assert all(fault.times == 0 for fault in proxy.faults)
    assert await lying(behind) == [key.path]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("^PUT .*partNumber=2", status=503),
        Fault("^PUT .*partNumber=2", cut_up=PIECE),
        Fault(r"^PUT .*partNumber=1\b", stall=True),
        Fault("^POST .*uploadId", status=500),
        Fault("^POST .*uploadId", cut_down=0),
        Fault("^PUT [^?]*objects/", cut_down=0),
        Fault("^PUT [^?]*objects/", status=503),
    ],
    ids=str,
)
async def test_an_upload_that_fails_leaves_nothing_to_see(
    behind: S3Blobs, proxy: FaultyProxy, fault: Fault
) -> None:
    data = os.urandom(2 * PART_MIN + 100)
    proxy.faults.append(replace(fault))
    sink = await behind.begin()
    with pytest.raises(Unavailable, match="does not answer"):
        await _finish(sink, data)
    proxy.faults.clear()
    found = await behind.stat(key_of(data))
    if found is not None:  # The store copied, and only its answer was lost.
        assert fault.cut_down == 0
        assert await all_of(behind.read(key_of(data))) == data
    await sink.discard()
    await behind.sweep(time.time() + 1000, frozenset())
    assert await lying(behind) == ([] if found is None else [key_of(data).path])
    key = await store(behind, data)
    assert await all_of(behind.read(key)) == data


async def test_a_lost_answer_to_joining_parts_is_no_failure(
    behind: S3Blobs, proxy: FaultyProxy
) -> None:
    data = os.urandom(PART_MIN + 100)
    proxy.faults.append(Fault("^POST .*uploadId", cut_down=0, times=1))
    key = await store(behind, data)
    assert await all_of(behind.read(key)) == data


async def test_a_download_goes_on_where_the_connection_broke(
    behind: S3Blobs, proxy: FaultyProxy
) -> None:
    data = os.urandom(5 * PIECE)
    key = await store(behind, data)
    proxy.faults.append(Fault("^GET .*objects/", cut_down=PIECE, times=3))
    assert await all_of(behind.read(key, 10, 4 * PIECE)) == data[10 : 4 * PIECE]
    gets = [line for line in proxy.requests if line.startswith("GET") and "objects/" in line]
    assert len(gets) == 4
    proxy.faults = [
        Fault("^GET .*objects/", cut_down=PIECE, times=1),
        Fault("^GET .*objects/", status=503),
    ]
    got = bytearray()
    with pytest.raises(Unavailable):
        await into(got, behind.read(key))
    assert 0 < len(got) < len(data)
    assert data.startswith(got)


async def test_a_part_whose_sender_goes_away_is_not_stored(
    behind: S3Blobs, proxy: FaultyProxy
) -> None:
    class _GoneError(Exception):
        pass

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(1000)
        raise _GoneError

    handle = await behind.begin_parts(2000)
    with pytest.raises(_GoneError):
        await behind.write_part(handle, 1, 0, broken(), 2000)
    proxy.faults.append(Fault("^PUT .*partNumber", cut_up=0))
    with pytest.raises(Unavailable):
        await behind.write_part(handle, 1, 0, in_pieces(bytes(2000)), 2000)
    proxy.faults.clear()
    part = await behind.write_part(handle, 1, 0, in_pieces(bytes(2000)), 2000)
    await behind.commit_parts(handle, key_of(bytes(2000)), 2000, [part])


async def test_every_object_is_made_encrypted_where_that_is_wished(
    server: S3Settings, proxy: FaultyProxy
) -> None:
    settings = replace(
        server, endpoint=f"http://127.0.0.1:{proxy.port}", encryption="aws:kms", kms_key="a-key"
    )
    blobs = S3Blobs(settings)
    await blobs.client.open()
    # This store has no keys: it is enough that it hears what is asked, wherever an object is made.
    with contextlib.suppress(Unavailable):
        await store(blobs, b"small")
    with contextlib.suppress(Unavailable):
        await blobs.begin_parts(1)
    with contextlib.suppress(Unavailable, NotFound):
        await blobs.copy("incoming/a", "objects/b", 1)
    await blobs.close()
    made = [head for head in proxy.heads if head.startswith((b"PUT", b"POST"))]
    assert len({head.partition(b" HTTP")[0] for head in made}) == 3
    for head in made:
        assert b"x-amz-server-side-encryption: aws:kms" in head
        assert b"x-amz-server-side-encryption-aws-kms-key-id: a-key" in head
