"""One hub per worker for the tests of what a push may be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hubkit import World
from tests.hubproc import Hub


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub with a small limit for files."""
    folder = tmp_path_factory.mktemp("hooks")
    with Hub(folder / "data", blob_limit=100_000, shutdown_grace=2) as hub:
        yield World.populate(hub, folder)
