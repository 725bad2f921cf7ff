"""What model files say reaches the lists, also where nobody waited for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd import app
from hubd.config import Config
from hubd.core import accounts, browse, commits, models, overview, repos
from hubd.core.context import Core
from hubd.store.cards import Card
from hubd.types import Actor, ActorKind, Channel, RepoRef, RepoType, Scope, Wanted
from tests.modelkit import safetensors

REF = RepoRef(RepoType.MODEL, "ann", "first")
DATA = safetensors({"a": ("F32", [2, 3])})


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    """A hub without doors."""
    built = await app.build(Config(data_dir=str(tmp_path / "data")))
    try:
        yield built
    finally:
        await app.dismantle(built)


@pytest.fixture
async def ann(core: Core) -> Actor:
    """A user with a model of one file."""
    user = await accounts.add_user(core, Actor.system(), "ann", email="ann@example.org")
    actor = Actor(
        kind=ActorKind.USER, user_id=user.id, name="ann", scope=Scope.ADMIN, channel=Channel.API
    )
    await repos.create(core, actor, REF)
    await commits.commit(core, actor, REF, [commits.AddFile("model.safetensors", DATA)], "One")
    return actor


async def _listed(core: Core, actor: Actor) -> Card:
    found, _ = await overview.listing(core, actor, Wanted(type=RepoType.MODEL))
    return found[0].card


async def test_a_list_that_did_not_wait_is_right_the_next_time(
    core: Core, ann: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_PATIENCE", 0.0)
    assert (await _listed(core, ann)).safetensors is None
    await core.tasks.drain(30)
    monkeypatch.setattr(models, "_PATIENCE", 30.0)
    assert (await _listed(core, ann)).safetensors == {"parameters": {"F32": 6}, "total": 6}


async def test_many_who_ask_at_once_read_a_head_once(
    core: Core, ann: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, real = 0, models.parsed

    async def counted(
        kind: str, size: int, pieces: AsyncIterator[bytes], most: int
    ) -> models.Facts | None:
        nonlocal parsed
        parsed += 1
        return await real(kind, size, pieces, most)

    monkeypatch.setattr(models, "parsed", counted)
    at = await browse.at(core, ann, REF)
    found = await asyncio.gather(*(overview.of(core, ann, REF, at) for _ in range(6)))
    assert {facts.card.safetensors["total"] for facts in found if facts.card.safetensors} == {6}
    assert all(facts.card.safetensors for facts in found)
    assert parsed == 1
