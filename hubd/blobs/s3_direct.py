"""What clients send to S3 and fetch from it themselves, by signed addresses.

An upload goes to a name aside that holds the SHA-256 it was signed for. Where the store enforces a
hash in the signature, whatever lies there is right; elsewhere it is read back. Which it is, a probe
finds out: stores differ, and none says so.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

import aiohttp
import structlog
from yarl import URL

from hubd.blobs.base import Key, Link
from hubd.blobs.s3_client import PART_MAX, check_part, silent, split_handle, translated
from hubd.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from hubd.blobs.s3 import S3Blobs

_log = structlog.get_logger(__name__)
_STAGING = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")
_OK = range(200, 300)
_REFUSED = range(400, 500)
_SERVER_ERROR = 500
_PROBE_SECONDS = 60


class Binding(enum.StrEnum):
    """How the store is made to refuse bytes that have not the hash of the address."""

    CHECKSUM = "checksum"  # x-amz-checksum-sha256, as AWS and Swift check it.
    PAYLOAD = "payload"  # x-amz-content-sha256: a payload hash that is signed.
    NONE = "none"


class S3Direct:
    """Signed addresses of one bucket."""

    def __init__(self, blobs: S3Blobs) -> None:
        self._blobs = blobs
        self._client = blobs.client
        self._binding: Binding | None = None

    async def download(self, key: Key, seconds: int, file_name: str = "") -> Link:
        """Sign a GET; a browser saves and never shows what it gets."""
        params = {"response-content-type": "application/octet-stream"}
        if file_name:
            plain = re.sub(r'[^ -~]|["\\%]', "_", file_name)
            params["response-content-disposition"] = (
                f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}"
            )
        href = await self._client.sign("GET", key.path, seconds, params, {})
        return Link(href, {}, seconds)

    async def upload(self, staging: str, oid: str, size: int, seconds: int) -> Link:
        """Sign a PUT for this hash and length; raises ``Invalid`` above S3's 5 GiB."""
        if size > PART_MAX:
            raise Invalid("An object above 5 GiB is uploaded in parts.")
        try:
            binding = await self.binding()
        except Unavailable:
            # Signing needs no store; adopt reads back what comes by this address.
            binding = Binding.NONE
        key = _staging_key(staging, oid, bound=binding is not Binding.NONE)
        headers = self._headers(binding, oid)
        length = {"content-length": str(size)}
        href = await self._client.sign("PUT", key, seconds, {}, {**headers, **length})
        return Link(href, headers, seconds)

    def _headers(self, binding: Binding, oid: str) -> dict[str, str]:
        headers = {}
        if binding is Binding.CHECKSUM:
            digest = base64.b64encode(bytes.fromhex(oid)).decode()
            headers["x-amz-checksum-sha256"] = digest
        elif binding is Binding.PAYLOAD:
            headers["x-amz-content-sha256"] = oid
        settings = self._client.settings
        if settings.encryption:
            headers["x-amz-server-side-encryption"] = settings.encryption
        if settings.encryption and settings.kms_key:
            headers["x-amz-server-side-encryption-aws-kms-key-id"] = settings.kms_key
        return headers

    async def part(self, handle: str, number: int, size: int, seconds: int) -> Link:
        """Sign a PUT of one part of this length."""
        key, upload_id = split_handle(handle)
        check_part(number)
        params = {"partNumber": str(number), "uploadId": upload_id}
        headers = {"content-length": str(size)}
        href = await self._client.sign("PUT", key, seconds, params, headers)
        return Link(href, {}, seconds)

    async def adopt(self, staging: str, key: Key, size: int) -> None:
        """Look at the size, read back what the store did not check, and give it its name."""
        source = _staging_key(staging, key.name, bound=True)
        found = await self._client.head(source)
        bound = found is not None
        if found is None:
            source = _staging_key(staging, key.name, bound=False)
            found = await self._client.head(source)
        if found is None:
            raise NotFound("No bytes of this object have arrived.")
        if found["ContentLength"] != size:
            await self.drop(staging)
            raise Invalid(f"The object has {found['ContentLength']} bytes, not {size}.")
        if bound:
            await self._blobs.publish(source, key, size)
        else:
            await self._adopt_unchecked(staging, source, key, size)
        await self.drop(staging)

    async def _adopt_unchecked(self, staging: str, source: str, key: Key, size: int) -> None:
        # The address still works: hash a copy that nobody can overwrite meanwhile.
        private = self._blobs.new_staging("incoming")
        try:
            await self._blobs.copy(source, private, size)
            if await self._blobs.hash_of(private) != (key.name, size):
                await self.drop(staging)
                raise Invalid(
                    "The bytes that arrived are not those of this object; upload it again."
                )
            await self._blobs.publish(private, key, size)
        finally:
            await self._blobs.forget(private)

    async def drop(self, staging: str) -> None:
        """Remove whatever was sent under this staging name."""
        async for page in self._client.pages("list_objects_v2", Prefix=_staging_folder(staging)):
            for item in page.get("Contents", ()):
                await self._client.delete(item["Key"].removeprefix(self._client.prefix))

    async def binding(self) -> Binding:
        """What the store enforces; asked once, by sending right and wrong bytes."""
        if self._binding is None:
            if await self._enforces(Binding.CHECKSUM):
                self._binding = Binding.CHECKSUM
            elif await self._enforces(Binding.PAYLOAD):
                self._binding = Binding.PAYLOAD
            else:
                self._binding = Binding.NONE
            _log.info("blobs.s3_probed", binding=str(self._binding))
        return self._binding

    async def _enforces(self, binding: Binding) -> bool:
        key = f"probe/{secrets.token_hex(16)}"
        right, wrong = (secrets.token_bytes(64) for _ in range(2))
        headers = self._headers(binding, hashlib.sha256(right).hexdigest())
        signed = {**headers, "content-length": str(len(right))}
        href = await self._client.sign("PUT", key, _PROBE_SECONDS, {}, signed, public=False)
        timeout = aiohttp.ClientTimeout(sock_connect=10, sock_read=self._client.settings.timeout)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            taken = await _put(session, href, headers, right)
            refused = await _put(session, href, headers, wrong)
        await self._client.delete(key)
        return taken in _OK and refused in _REFUSED


async def _put(
    session: aiohttp.ClientSession, href: str, headers: dict[str, str], data: bytes
) -> int:
    with translated():
        async with session.put(URL(href, encoded=True), headers=headers, data=data) as answer:
            if answer.status >= _SERVER_ERROR:
                raise silent({"status": answer.status})
            return answer.status


def _staging_folder(staging: str) -> str:
    if not _STAGING.match(staging):
        raise Invalid("A staging name has letters, digits, - and _ only.")
    return f"staging/{staging}/"


def _staging_key(staging: str, oid: str, *, bound: bool) -> str:
    """``bound``: nothing but bytes with this hash can get there."""
    return f"{_staging_folder(staging)}{'bound' if bound else 'open'}-{oid}"
