"""Writing a blob to S3 in order: small ones in one PUT, others in parts under a name aside."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from hubd.blobs.base import Key
from hubd.blobs.s3_client import PART_MIN, PARTS_MAX, Body
from hubd.errors import Invalid, Unavailable
from hubd.obs import failpoints

if TYPE_CHECKING:
    from hubd.blobs.s3 import S3Blobs

# Where the size is not known: so many parts of one size, then as many of twice that.
_DOUBLE_AFTER = 1500


class S3Sink:
    """A part in memory, or two: one that fills while the other is sent."""

    def __init__(self, blobs: S3Blobs, expected: int) -> None:
        self._blobs = blobs
        self._staging = ""
        self._expected = expected
        self._hasher = hashlib.sha256()
        # As they came: joining them would hold every part twice.
        self._filling: list[bytes] = []
        self._filled = 0
        self._upload_id = ""
        self._sending: asyncio.Task[None] | None = None
        self._etags: list[tuple[int, str]] = []
        self.size = 0

    def _part_size(self) -> int:
        if self._expected:
            return max(PART_MIN, -(-self._expected // PARTS_MAX))
        return PART_MIN << (len(self._etags) // _DOUBLE_AFTER)

    async def write(self, piece: bytes) -> None:
        """Hash, and send on whenever a part is full and more comes."""
        await self._blobs.update(self._hasher, piece)
        self.size += len(piece)
        view = memoryview(piece)
        while view:
            room = self._part_size() - self._filled
            if room <= 0:
                await self._flush()
                continue
            fits = view[:room]
            self._filling.append(piece if len(fits) == len(piece) else bytes(fits))
            self._filled += len(fits)
            view = view[room:]

    async def _flush(self) -> None:
        """Send what has filled, once the part before has arrived."""
        await self._sent()
        if not self._upload_id:
            self._staging = self._blobs.new_staging("incoming")
            self._upload_id = await self._blobs.create_multipart(self._staging)
        number = len(self._etags) + 1
        if number > PARTS_MAX:
            raise Invalid(f"More than the {self._expected} bytes announced do not fit.")
        sending = self._send(number, self._filling, self._filled)
        self._filling, self._filled = [], 0
        if self._blobs.ahead.locked():
            await sending
            return
        await self._blobs.ahead.acquire()
        self._sending = asyncio.create_task(sending)
        self._sending.add_done_callback(lambda _: self._blobs.ahead.release())

    async def _send(self, number: int, pieces: list[bytes], size: int) -> None:
        answer = await self._blobs.client.call(
            "upload_part",
            Key=self._staging,
            UploadId=self._upload_id,
            PartNumber=number,
            Body=Body(lambda: _each(pieces)),
            ContentLength=size,
        )
        self._etags.append((number, answer["ETag"]))

    async def _sent(self) -> None:
        if self._sending is not None:
            await self._sending

    async def sha256(self) -> str:
        """The hash so far."""
        return self._hasher.hexdigest()

    async def commit(self, key: Key) -> None:
        """One PUT under the name; or join the parts and copy them there."""
        if not self._upload_id:
            await self._put(key)
            return
        if self._filling:
            await self._flush()
        await self._sent()
        await self._blobs.complete(self._staging, self._upload_id, self._etags, self.size)
        found = await self._blobs.client.head(self._staging)
        if found is None or found["ContentLength"] != self.size:
            raise Unavailable("The object store lost some of the bytes.", hint="Upload it again.")
        await self._blobs.publish(self._staging, key, self.size)
        await self._forget()

    async def _put(self, key: Key) -> None:
        await failpoints.afail("blobs.before_rename")
        found = await self._blobs.stat(key)
        if found is None or found.size != self.size:
            await self._blobs.client.call(
                "put_object",
                Key=key.path,
                Body=Body(lambda: _each(self._filling)),
                ContentLength=self.size,
                ContentType="application/octet-stream",
                ChecksumSHA256=base64.b64encode(self._hasher.digest()).decode(),
                **self._blobs.client.settings.encrypting,
            )

    async def discard(self) -> None:
        """Stop sending, abort, remove."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._upload_id:
            with contextlib.suppress(Unavailable):
                await self._blobs.client.abort(self._staging, self._upload_id)
        await self._forget()

    async def _forget(self) -> None:
        self._filling, self._filled = [], 0
        self._upload_id = ""
        if self._staging:
            await self._blobs.forget(self._staging)
            self._staging = ""


async def _each(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
