"""One hub per worker for the tests of large files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hubkit import World
from tests.hubproc import Hub

PART = 5 * 1024 * 1024


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A hub with two people."""
    folder = tmp_path_factory.mktemp("lfs")
    with Hub(folder / "data", shutdown_grace=2, part_size=PART, parts_above=PART) as hub:
        yield World.populate(hub, folder)
