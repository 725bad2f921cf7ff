"""Calls of an S3 bucket: our settings, our retries, our errors.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from hubd.blobs.base import PIECE
from hubd.blobs.presign import Signer
from hubd.errors import Invalid, NotFound, Unavailable

# S3: every part but the last has at least 5 MiB; a part or a single PUT has at most 5 GiB.
PART_MIN = 5 * 1024 * 1024
PART_MAX = 5 * 1024**3
PARTS_MAX = 10_000

_PAUSES = (0.2, 0.6, 1.8)
_PASSING_STATUS = frozenset({408, 425, 429})
_PASSING_CODES = frozenset({"RequestTimeout", "SlowDown", "Throttling", "InternalError"})
_BROKEN = (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError)
_NOT_FOUND = 404
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the bucket is and how it is used.

    Empty ``access_key``: credentials of the environment or machine, as botocore finds them. Empty
    ``endpoint``: AWS. ``public_endpoint``: what clients reach the store by. ``encryption``: empty,
    ``AES256`` or ``aws:kms`` (then with ``kms_key``). ``timeout``: seconds without an answer.
    """

    bucket: str
    prefix: str = ""
    region: str = "us-east-1"
    endpoint: str = ""
    public_endpoint: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    path_style: bool = True
    encryption: str = ""
    kms_key: str = ""
    direct: bool = True
    timeout: float = 60.0

    @property
    def encrypting(self) -> dict[str, Any]:
        """What to say about encryption wherever an object is made."""
        kms = {"SSEKMSKeyId": self.kms_key} if self.kms_key else {}
        return {"ServerSideEncryption": self.encryption, **kms} if self.encryption else {}


class Refusal(Unavailable):
    """The store understood, and will not; ``reason`` is S3's error code."""

    def __init__(self, reason: str, details: Mapping[str, object]) -> None:
        super().__init__(
            "The object store refuses the request.", hint="Tell the operator.", details=details
        )
        self.reason = reason


class Body:
    """Bytes on their way out, told anew for each attempt.

    aiohttp gives up on a store that does not answer, not on one that does not take what is sent.
    """

    # botocore takes what has a "read" for a stream; aiohttp iterates.
    read = None

    def __init__(self, pieces: Callable[[], AsyncIterator[bytes]]) -> None:
        self._pieces = pieces
        self._watch: asyncio.Timeout | None = None
        self._patience = 0.0
        self.fault: Exception | None = None

    def watch(self, timeout: asyncio.Timeout, patience: float) -> None:
        """End ``timeout`` when the store takes nothing for so many seconds."""
        self._watch, self._patience = timeout, patience
        # From the start: it may never say that it wants the bytes (100 Continue).
        self._wait(patience)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; what goes wrong with them is kept as ``fault``."""
        try:
            async for piece in self._pieces():
                self._wait(self._patience)
                yield piece
                self._wait(None)
        except Exception as error:
            self.fault = error
            raise
        self._wait(self._patience)

    def _wait(self, seconds: float | None) -> None:
        until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        # The store may have answered before all was sent; then nobody waits any more.
        with contextlib.suppress(RuntimeError):
            if self._watch is not None:
                self._watch.reschedule(until)


class S3Client:
    """One bucket below one prefix; keys are given without the prefix."""

    def __init__(self, settings: S3Settings) -> None:
        self.settings = settings
        self.prefix = f"{settings.prefix.strip('/')}/".lstrip("/")
        self._session = get_session()
        if settings.access_key:
            self._session.set_credentials(settings.access_key, settings.secret_key)
        self._open = contextlib.AsyncExitStack()
        self._raw: Any = None

    async def open(self) -> None:
        """Get ready; sends nothing yet."""
        config = AioConfig(
            signature_version="s3v4",
            s3={
                "addressing_style": "path" if self.settings.path_style else "virtual",
                # Over TLS the channel vouches for the bytes; hashing them again here would hold
                # up the loop for every part.
                "payload_signing_enabled": False,
            },
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Retries are ours: botocore would send a stream again whose first bytes are gone.
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=min(10.0, self.settings.timeout),
            read_timeout=self.settings.timeout,
            max_pool_connections=64,
        )
        self._raw = await self._open.enter_async_context(
            self._session.create_client(
                "s3",
                region_name=self.settings.region,
                endpoint_url=self.settings.endpoint or None,
                config=config,
            )
        )

    async def close(self) -> None:
        """Give connections back."""
        await self._open.aclose()

    async def call(self, operation: str, *, attempts: int = 4, **params: Any) -> dict[str, Any]:
        """Call an operation of the bucket, again if the store did not answer.

        Raises ``NotFound``, ``Refusal`` or ``Unavailable``.
        """
        if "Key" in params:
            params["Key"] = self.prefix + params["Key"]
        deadline = time.monotonic() + self.settings.timeout
        for pause in _PAUSES[: attempts - 1]:
            try:
                return await self._once(operation, params)
            except (Refusal, NotFound):
                raise
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311
        return await self._once(operation, params)

    async def _once(self, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        with translated():
            async with asyncio.timeout(None) as watch:
                if isinstance(body := params.get("Body"), Body):
                    body.watch(watch, self.settings.timeout)
                answer: dict[str, Any] = await getattr(self._raw, operation)(
                    Bucket=self.settings.bucket, **params
                )
                return answer

    async def pages(self, operation: str, **params: Any) -> AsyncIterator[dict[str, Any]]:
        """The answers of a listing, page by page, of what lies below ``Prefix``."""
        params["Prefix"] = self.prefix + params["Prefix"]
        following: dict[str, Any] = {}
        while True:
            page = await self.call(operation, **params, **following)
            yield page
            if not page.get("IsTruncated"):
                return
            if operation == "list_objects_v2":
                following = {"ContinuationToken": page["NextContinuationToken"]}
            else:
                following = {
                    "KeyMarker": page["NextKeyMarker"],
                    "UploadIdMarker": page["NextUploadIdMarker"],
                }

    async def head(self, key: str) -> dict[str, Any] | None:
        """What the store knows of an object, or None where there is none."""
        try:
            return await self.call("head_object", Key=key)
        except NotFound:
            return None

    async def delete(self, key: str) -> None:
        """Remove an object; harmless if it is not there."""
        with contextlib.suppress(NotFound):
            await self.call("delete_object", Key=key)

    async def abort(self, key: str, upload_id: str) -> None:
        """Forget an upload in parts; harmless if it is not there."""
        with contextlib.suppress(NotFound):
            await self.call("abort_multipart_upload", Key=key, UploadId=upload_id)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes [start, end) in pieces; goes on where a connection broke."""
        first = start
        while True:
            before = start
            try:
                async with contextlib.aclosing(self._stream(key, start, end)) as pieces:
                    async for piece in pieces:
                        start += len(piece)
                        yield piece
                break
            except NotFound as error:
                if start == first:
                    raise
                raise Unavailable("The object was removed while it was read.") from error
            except Unavailable:
                # The call has had its retries; only a stream that brought something goes on.
                if start == before:
                    raise

    async def _stream(self, key: str, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        asked: dict[str, Any] = {}
        if start or end is not None:
            asked["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            answer = await self.call("get_object", Key=key, **asked)
        except Refusal as refusal:
            if refusal.reason in {"InvalidRange", "416"}:
                return
            raise
        body = answer["Body"]
        try:
            if start and not answer.get("ContentRange", "").startswith(f"bytes {start}-"):
                raise Refusal("InvalidRange", {"error": "the store ignores Range"})
            with translated():
                while piece := await body.read(PIECE):
                    yield piece
        finally:
            body.close()

    async def sign(
        self,
        method: str,
        key: str,
        seconds: int,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        *,
        public: bool = True,
    ) -> str:
        """An address for one request with these headers; ``public``: as clients reach it."""
        signer = Signer(
            (public and self.settings.public_endpoint) or self._raw.meta.endpoint_url,
            self.settings.bucket,
            self.settings.region,
            self.settings.path_style,
        )
        with translated():
            credentials = await self._session.get_credentials()
            if credentials is None:
                raise Refusal("NoCredentials", {"error": "no credentials are set or found"})
            frozen = await credentials.get_frozen_credentials()
        return signer.sign(method, self.prefix + key, frozen, seconds, params, headers)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """What botocore and aiohttp raise becomes one of our errors."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        details = {"operation": error.operation_name, "code": code, "status": status}
        if status >= _SERVER_ERROR or status in _PASSING_STATUS or code in _PASSING_CODES:
            raise silent(details) from error
        if status == _NOT_FOUND and code != "NoSuchBucket":
            raise NotFound("This object is not stored here.", details=details) from None
        raise Refusal(code, details) from error
    except _BROKEN as error:
        raise silent({"error": f"{type(error).__name__}: {error}"}) from error


def split_handle(handle: str) -> tuple[str, str]:
    """Key and upload id of an upload in parts."""
    token, dot, upload_id = handle.partition(".")
    if not dot or not token.isalnum():
        raise NotFound("This upload is not known.")
    return f"parts/{token}", upload_id


def check_part(number: int) -> None:
    """Raises ``Invalid`` for a number that S3 does not have."""
    if not 1 <= number <= PARTS_MAX:
        raise Invalid(f"Parts are numbered from 1 to {PARTS_MAX}.")


def silent(details: Mapping[str, object]) -> Unavailable:
    """The error for a store that is down, overloaded or out of reach."""
    return Unavailable(
        "The object store does not answer.", hint="Try again in a while.", details=details
    )
