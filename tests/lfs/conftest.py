"""One hub per worker for the tests of large files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.hubkit import World
from tests.hubproc import Hub
from tests.s3servers import BACKINGS, backing

PART = 5 * 1024 * 1024


@pytest.fixture(scope="session", params=BACKINGS)
def backed(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings of a hub with its blobs on disk, or on one of the S3 servers."""
    with backing(request.param) as settings:
        yield settings


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, backed: dict[str, Any]) -> Iterator[World]:
    """A hub with two people."""
    folder = tmp_path_factory.mktemp("lfs")
    with Hub(folder / "data", shutdown_grace=2, part_size=PART, parts_above=PART, **backed) as hub:
        yield World.populate(hub, folder)
