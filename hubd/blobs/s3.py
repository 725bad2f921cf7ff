"""Blobs in a bucket of any S3-compatible store.

Below the prefix: ``objects/aa/bb/HASH`` and the other kinds alike. Bytes come in under a name that
nobody asks for (``incoming/``, ``parts/``, ``staging/``) and get their own by a copy inside the
store, which is atomic; small ones by one PUT, which is too. Nothing here needs conditional
requests, lifecycle rules, tags or checksums in HEAD: too many stores lack them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import structlog

from hubd.blobs.base import Direct, Key, Kind, Part, Stat, Stored
from hubd.blobs.s3_client import (
    PARTS_MAX,
    Body,
    Refusal,
    S3Client,
    S3Settings,
    check_part,
    split_handle,
)
from hubd.blobs.s3_direct import S3Direct
from hubd.blobs.s3_sink import S3Sink
from hubd.errors import Invalid, NotFound, Unavailable
from hubd.obs import failpoints

_log = structlog.get_logger(__name__)
# Copied inside the store in pieces of this size, so that each answers in time.
_COPY_PART = 256 * 1024 * 1024
_COPIES_AT_ONCE = 4
_AHEAD = 2
_UNFINISHED = ("incoming/", "parts/", "staging/", "probe/")
# What a client can get wrong about the parts that it sent.
_BAD_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})
_OCTETS = "application/octet-stream"


class S3Blobs:
    """Blobs below one prefix of one bucket."""

    name = "s3"

    def __init__(self, settings: S3Settings, copy_part: int = _COPY_PART) -> None:
        self.client = S3Client(settings)
        self.direct: Direct | None = S3Direct(self) if settings.direct else None
        self._copy_part = copy_part
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="s3-hash")
        # Sinks that may fill a part while they send another: many at once keep the store busy
        # anyway, and would hold twice the memory.
        self.ahead = asyncio.Semaphore(_AHEAD)
        # Keys that this daemon is writing; sweep leaves them alone however long they take.
        self._writing: set[str] = set()

    async def start(self) -> None:
        """Find out whether the bucket is there and what it enforces.

        A store that does not answer may come back and stops nothing; one that refuses us raises
        ``Unavailable``. What was left half-written is for ``sweep``: other programs may be writing.
        """
        await self.client.open()
        try:
            await self.client.call("list_objects_v2", Prefix=self.client.prefix, MaxKeys=1)
            if isinstance(self.direct, S3Direct):
                await self.direct.binding()
        except Refusal as refusal:
            await self.close()
            raise Unavailable(
                f"The bucket {self.client.settings.bucket} cannot be used ({refusal.reason}).",
                hint="See the settings that begin with s3_.",
                details=refusal.details,
            ) from refusal
        except Unavailable as error:
            _log.warning("blobs.s3_silent", **error.details)

    async def close(self) -> None:
        """Close connections, end the threads."""
        await self.client.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def stat(self, key: Key) -> Stat | None:
        """Size and time, or None."""
        found = await self.client.head(key.path)
        return _stat(found["ContentLength"], found["LastModified"]) if found else None

    async def read(self, key: Key, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end)."""
        if end is not None and end <= start:
            if await self.stat(key) is None:
                raise NotFound("This object is not stored here.")
            return
        async for piece in self.client.read(key.path, start, end):
            yield piece

    async def local_path(self, key: Key) -> str | None:  # noqa: ARG002
        """Nothing here is a file."""
        return None

    async def begin(self, size: int = 0) -> S3Sink:
        """Nothing is sent before a part is full."""
        return S3Sink(self, size)

    def new_staging(self, folder: str) -> str:
        """A new name aside, that ``sweep`` leaves alone until ``forget``."""
        staging = f"{folder}/{secrets.token_hex(16)}"
        self._writing.add(staging)
        return staging

    async def forget(self, staging: str) -> None:
        """Remove what lies aside; if that fails, ``sweep`` will."""
        self._writing.discard(staging)
        try:
            await self.client.delete(staging)
        except Unavailable as error:
            _log.warning("blobs.s3_leftover", key=staging, **error.details)

    async def begin_parts(self, size: int) -> str:  # noqa: ARG002
        """A multipart upload; the handle holds its name and S3's id."""
        staging = f"parts/{secrets.token_hex(16)}"
        return f"{staging.removeprefix('parts/')}.{await self.create_multipart(staging)}"

    async def write_part(
        self,
        handle: str,
        number: int,
        offset: int,  # noqa: ARG002
        pieces: AsyncIterator[bytes],
        size: int,
    ) -> Part:
        """Pass the bytes on as they come."""
        key, upload_id = split_handle(handle)
        check_part(number)
        body = Body(lambda: _counted(number, pieces, size))
        try:
            answer = await self.client.call(
                "upload_part",
                attempts=1,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                ContentLength=size,
                Body=body,
            )
        except Unavailable:
            # What went wrong at the sender's side reaches us as a broken connection.
            if body.fault is not None:
                raise body.fault from None
            raise
        return Part(number, size, answer["ETag"].strip('"'))

    async def commit_parts(self, handle: str, key: Key, size: int, parts: list[Part]) -> None:
        """Join them aside, read all back to hash it, then give it the name."""
        staging, upload_id = split_handle(handle)
        if sum(part.size for part in parts) != size or not parts:
            raise Invalid("The parts do not add up to the size of the object.")
        try:
            await self.complete(staging, upload_id, [(p.number, p.etag) for p in parts], size)
        except Refusal as refusal:
            if refusal.reason not in _BAD_PARTS:
                raise
            raise Invalid("These are not the parts of this upload.") from refusal
        if await self.hash_of(staging) != (key.name, size):
            await self.forget(staging)
            raise Invalid("The bytes that arrived are not those of this object; upload it again.")
        # What was joined stays until discard_parts, for a caller that did not hear of this end.
        await self.publish(staging, key, size)

    async def discard_parts(self, handle: str) -> None:
        """Abort, and remove what was joined already."""
        with contextlib.suppress(NotFound):
            key, upload_id = split_handle(handle)
            await self.client.abort(key, upload_id)
            await self.client.delete(key)

    async def delete(self, key: Key) -> None:
        """Remove the object."""
        await self.client.delete(key.path)

    async def walk(self, kind: Kind) -> AsyncIterator[Stored]:
        """Every object of a kind, read page by page."""
        async for page in self.client.pages("list_objects_v2", Prefix=f"{kind}/"):
            for item in page.get("Contents", ()):
                with contextlib.suppress(Invalid):
                    key = Key(kind, item["Key"].rpartition("/")[2])
                    yield Stored(key, _stat(item["Size"], item["LastModified"]))

    async def sweep(self, older_than: float, keep_handles: frozenset[str]) -> int:
        """Remove what lies aside and abort uploads in parts, of ours and of earlier daemons.

        ``keep_handles`` may hold staging names of ``direct`` too.
        """
        kept = {handle.partition(".")[0] for handle in keep_handles}
        removed = 0
        async for page in self.client.pages("list_multipart_uploads", Prefix=""):
            for upload in page.get("Uploads", ()):
                key = upload["Key"].removeprefix(self.client.prefix)
                if upload["Initiated"].timestamp() < older_than and not self._in_use(key, kept):
                    await self.client.abort(key, upload["UploadId"])
                    removed += 1
        for folder in _UNFINISHED:
            async for page in self.client.pages("list_objects_v2", Prefix=folder):
                for item in page.get("Contents", ()):
                    key = item["Key"].removeprefix(self.client.prefix)
                    if item["LastModified"].timestamp() < older_than and not self._in_use(
                        key, kept
                    ):
                        await self.client.delete(key)
                        removed += 1
        return removed

    def _in_use(self, key: str, kept: set[str]) -> bool:
        return key in self._writing or (key.count("/") > 0 and key.split("/")[1] in kept)

    async def free(self) -> int | None:
        """S3 does not tell."""
        return None

    # What sink and direct share.

    async def create_multipart(self, key: str) -> str:
        """Begin a multipart upload; its id."""
        answer = await self.client.call(
            "create_multipart_upload",
            Key=key,
            ContentType=_OCTETS,
            **self.client.settings.encrypting,
        )
        return str(answer["UploadId"])

    async def complete(
        self, key: str, upload_id: str, parts: list[tuple[int, str]], size: int
    ) -> None:
        """Join (number, etag) to one object; again is harmless, also after a lost answer."""
        listed = [
            {"PartNumber": number, "ETag": '"{}"'.format(etag.strip('"'))}
            for number, etag in sorted(parts)
        ]
        try:
            await self.client.call(
                "complete_multipart_upload",
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": listed},
            )
        except NotFound:
            found = await self.client.head(key)
            if found is None or found["ContentLength"] != size:
                raise

    async def publish(self, staging: str, key: Key, size: int) -> None:
        """Give what lies aside its name, by a copy inside the store."""
        await failpoints.afail("blobs.before_rename")
        found = await self.stat(key)
        if found is None or found.size != size:
            await self.copy(staging, key.path, size)

    async def copy(self, source: str, target: str, size: int) -> None:
        """Copy inside the store; in parts where it is large, and seen only when whole."""
        origin = {
            "Bucket": self.client.settings.bucket,
            "Key": self.client.prefix + source,
        }
        if size > self._copy_part:
            await self._copy_in_parts(origin, target, size)
        else:
            await self.client.call(
                "copy_object",
                Key=target,
                CopySource=origin,
                # Nothing that an uploader said about the bytes goes along, such as text/html.
                MetadataDirective="REPLACE",
                ContentType=_OCTETS,
                **self.client.settings.encrypting,
            )

    async def _copy_in_parts(self, origin: dict[str, str], target: str, size: int) -> None:
        step = max(self._copy_part, -(-size // PARTS_MAX))
        upload_id = await self.create_multipart(target)
        places = asyncio.Semaphore(_COPIES_AT_ONCE)

        async def copy_one(number: int, start: int) -> tuple[int, str]:
            async with places:
                answer = await self.client.call(
                    "upload_part_copy",
                    Key=target,
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource=origin,
                    CopySourceRange=f"bytes={start}-{min(start + step, size) - 1}",
                )
            return number, answer["CopyPartResult"]["ETag"]

        self._writing.add(target)
        try:
            async with asyncio.TaskGroup() as group:
                copies = [
                    group.create_task(copy_one(number, start))
                    for number, start in enumerate(range(0, size, step), 1)
                ]
            await self.complete(target, upload_id, [task.result() for task in copies], size)
        except BaseException as error:
            with contextlib.suppress(Unavailable):
                await asyncio.shield(self.client.abort(target, upload_id))
            if isinstance(error, ExceptionGroup):
                raise error.exceptions[0] from error
            raise
        finally:
            self._writing.discard(target)

    async def hash_of(self, key: str) -> tuple[str, int]:
        """SHA-256 and size of an object, by reading all of it."""
        hasher = hashlib.sha256()
        size = 0
        async for piece in self.client.read(key):
            await self.update(hasher, piece)
            size += len(piece)
        return hasher.hexdigest(), size

    async def update(self, hasher: hashlib._Hash, piece: bytes | memoryview) -> None:
        """Hash in a thread."""
        await asyncio.get_running_loop().run_in_executor(self._pool, hasher.update, piece)


async def _counted(number: int, pieces: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The pieces, if they have this size in all; raises ``Invalid``."""
    taken = 0
    async for piece in pieces:
        taken += len(piece)
        if taken > size:
            raise Invalid(f"Part {number} is longer than the {size} bytes announced.")
        yield piece
    if taken != size:
        raise Invalid(f"Part {number} has {taken} bytes, not {size}.")


def _stat(size: Any, modified: datetime) -> Stat:
    return Stat(int(size), modified.timestamp())
