"""One hub for all tests of the API; tests make what they change under names of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.apiclient import Api
from tests.apiworld import World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.started(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """A name that no other test uses."""
    return lambda stem: f"{stem}{next(_numbers)}"


_numbers = itertools.count(1)


@pytest.fixture
def ada(world: World) -> Api:
    return world.ada


@pytest.fixture
def root(world: World) -> Api:
    return world.root
