from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.kit import Place
from tests.hubproc import Hub
from tests.s3servers import backing


@pytest.fixture(scope="module", params=["local"])
def backed(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings of a hub with its blobs on disk; files of large ones ask for all of ``BACKINGS``."""
    with backing(request.param) as settings:
        yield settings


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backed: dict[str, Any]) -> Iterator[Place]:
    """A hub for the tests of one file."""
    folder: Path = tmp_path_factory.mktemp("clients")
    with Hub(folder / "hub" / "data", **backed) as hub:
        yield Place(hub, folder)
