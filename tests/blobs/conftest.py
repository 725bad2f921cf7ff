"""The S3 servers, each started once for the tests of a file that ask for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubd.blobs.s3_client import S3Settings
from tests import s3servers


@pytest.fixture(scope="module")
def swift() -> Iterator[S3Settings]:
    with s3servers.swift() as settings:
        yield settings


@pytest.fixture(scope="module")
def juicefs() -> Iterator[S3Settings]:
    with s3servers.juicefs() as settings:
        yield settings


@pytest.fixture
def server(request: pytest.FixtureRequest) -> S3Settings:
    """A place of its own on JuiceFS, or on the server that a parameter names."""
    settings: S3Settings = request.getfixturevalue(getattr(request, "param", "juicefs"))
    return s3servers.apart(settings)
