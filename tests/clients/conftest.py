from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.kit import Place
from tests.hubproc import Hub


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A hub for the tests of one file."""
    folder: Path = tmp_path_factory.mktemp("clients")
    with Hub(folder / "hub" / "data") as hub:
        yield Place(hub, folder)
