"""One hub for all attacks of a worker: each makes repositories of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitkit import Objects
from tests.hubkit import Repo, World
from tests.hubproc import Hub


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A running hub with ada and bob."""
    folder = tmp_path_factory.mktemp("threats")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.fixture
def repo(world: World) -> Repo:
    """A public repository of ada's."""
    return world.repo()


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    """A place where anything can be written."""
    return Objects(tmp_path / "attack.git")
