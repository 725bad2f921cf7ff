"""Addresses that carry their own permission: AWS Signature Version 4 in the query string.

Unlike botocore's own presigner this one can sign ``x-amz-content-sha256``, so that a store refuses
other bytes even where it does not know ``x-amz-checksum-sha256``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one bucket as it is reached at one address.

    ``path_style``: the bucket is the first part of the path, else of the host.
    """

    endpoint: str
    bucket: str
    region: str
    path_style: bool

    def sign(
        self,
        method: str,
        key: str,
        credentials: Any,
        seconds: int,
        params: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> str:
        """The address for one method and key, good for ``seconds``.

        Whoever uses it has to send exactly these ``headers``. ``credentials``: botocore's, frozen.
        """
        request = AWSRequest(
            method=method, url=self._url(key), params=dict(params), headers=dict(headers)
        )
        S3SigV4QueryAuth(credentials, "s3", self.region, seconds).add_auth(request)
        return str(request.url)

    def _url(self, key: str) -> str:
        base = urlsplit(self.endpoint.rstrip("/"))
        path = quote(key, safe="/~")
        if self.path_style:
            return f"{base.scheme}://{base.netloc}{base.path}/{self.bucket}/{path}"
        return f"{base.scheme}://{self.bucket}.{base.netloc}{base.path}/{path}"
