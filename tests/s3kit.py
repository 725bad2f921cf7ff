"""S3 blobs for tests, and a client that only has a signed address."""

from __future__ import annotations

import contextlib
import io
from collections.abc import AsyncIterator

import aiohttp
from yarl import URL

from hubd.blobs.base import PIECE, Direct, Link
from hubd.blobs.s3 import S3Blobs
from hubd.blobs.s3_client import S3Settings

COPY_PART = 5 * PIECE + 3


@contextlib.asynccontextmanager
async def started(settings: S3Settings) -> AsyncIterator[S3Blobs]:
    place = S3Blobs(settings, copy_part=COPY_PART)
    await place.start()
    try:
        yield place
    finally:
        await place.close()


async def put(link: Link, data: bytes) -> tuple[int, str]:
    """Status and ETag of a PUT by a client that does not retry."""
    async with (
        aiohttp.ClientSession() as session,
        session.put(
            URL(link.href, encoded=True), data=io.BytesIO(data), headers=link.headers
        ) as answer,
    ):
        return answer.status, answer.headers.get("ETag", "")


def direct_of(blobs: S3Blobs) -> Direct:
    assert blobs.direct is not None
    return blobs.direct


async def lying(blobs: S3Blobs) -> list[str]:
    """Everything in the bucket that is ours: objects, and uploads in parts."""
    objects = blobs.client.pages("list_objects_v2", Prefix="")
    uploads = blobs.client.pages("list_multipart_uploads", Prefix="")
    found = [item["Key"] async for page in objects for item in page.get("Contents", ())]
    found += [item["Key"] async for page in uploads for item in page.get("Uploads", ())]
    return [key.removeprefix(blobs.client.prefix) for key in found]
