"""Each fault has a hub of its own: it is killed, filled or starved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hubkit import World
from tests.hubproc import Hub


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Start a hub with ada and bob, with these settings."""
    started: list[Hub] = []

    def make(*, env: dict[str, str] | None = None, **settings: object) -> World:
        folder = tmp_path / f"hub{len(started)}"
        hub = Hub(folder / "data", env=env, **{"shutdown_grace": 2, **settings})
        started.append(hub)
        hub.start()
        return World.populate(hub, folder)

    yield make
    for hub in started:
        hub.kill()


@pytest.fixture
def own(make_world: Callable[..., World]) -> World:
    """A hub with the usual settings, for one test alone."""
    return make_world()
