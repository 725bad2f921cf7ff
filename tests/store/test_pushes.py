"""Pushes: an intent before, a record after, each event exactly once and in order."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from hubd.errors import Bug, NotFound
from hubd.store import pushes
from hubd.store.engine import Store
from hubd.store.pushes import PushState, RefMove
from hubd.types import Actor, ActorKind, Channel
from tests.store.conftest import Make

ZERO, A, B = "0" * 40, "a" * 40, "b" * 40
MAIN = RefMove("refs/heads/main", ZERO, A)
SIDE = RefMove("refs/heads/side", A, B)
ACTOR = Actor(
    kind=ActorKind.USER, user_id=5, name="alice", token_id=6, key_id=7, channel=Channel.SSH,
    address="127.0.0.1", request_id="r1",
)  # fmt: skip


@pytest.fixture
async def repo(make: Make) -> int:
    return await make.repo(await make.user("alice"), "net")


async def intent(make: Make, repo: int, *moves: RefMove, **named: Any) -> int:
    return int(await make.do(pushes.intent, repo_id=repo, actor=ACTOR, moves=moves, **named))


async def events(make: Make) -> list[tuple[str, str, str]]:
    found = await make.ask(pushes.events_after)
    return [(event.ref, event.payload["old"], event.payload["new"]) for event in found]


async def test_an_intent_tells_all_that_recovery_needs(make: Make, repo: int) -> None:
    push = await intent(
        make, repo, SIDE, MAIN, options=["ci.skip", "bytes\udcff\0"], process_group=4321,
        process_started=17.25,
    )  # fmt: skip
    (found,) = await make.ask(pushes.open_intents, repo)
    assert (found.id, found.state, found.moves) == (push, PushState.INTENT, (MAIN, SIDE))
    assert (found.process_group, found.process_started) == (4321, 17.25)
    assert (found.actor_kind, found.actor_name, found.channel) == (
        ActorKind.USER, "alice", Channel.SSH,
    )  # fmt: skip
    assert (found.user_id, found.token_id, found.key_id) == (5, 6, 7)
    assert (found.address, found.request_id) == ("127.0.0.1", "r1")
    assert found.options == ("ci.skip", "bytes\\xff\0")
    assert await events(make) == []
    assert await make.ask(pushes.page, repo) == []


async def test_a_finished_push_is_recorded_with_its_events(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN, SIDE)
    assert await make.do(pushes.finish, push, [MAIN, SIDE]) is True
    (found,) = await make.ask(pushes.page, repo)
    assert (found.state, found.moves, found.move_count) == (PushState.DONE, (MAIN, SIDE), 2)
    assert found.finished_at >= found.created_at
    assert await make.ask(pushes.open_intents) == []
    (first, second) = await make.ask(pushes.events_after)
    assert (first.kind, first.repo_id, first.push_id) == ("ref.updated", repo, push)
    assert (first.ref, second.ref) == (MAIN.ref, SIDE.ref)
    assert await make.ask(pushes.events_after, first.id) == [second]


async def test_only_what_was_applied_is_told(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN, SIDE)
    await make.do(pushes.finish, push, [SIDE])
    (found,) = await make.ask(pushes.page, repo)
    assert (found.moves, found.move_count) == ((SIDE,), 1)
    assert await events(make) == [(SIDE.ref, A, B)]


async def test_a_push_of_which_git_applied_nothing(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN)
    assert await make.do(pushes.finish, push, []) is True
    (found,) = await make.ask(pushes.page, repo)
    assert (found.moves, found.move_count) == ((), 0)
    assert await events(make) == []


async def test_finishing_twice_changes_nothing(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN, SIDE)
    await make.do(pushes.finish, push, [MAIN])
    before = await make.ask(pushes.page, repo)
    assert await make.do(pushes.finish, push, [MAIN, SIDE]) is False
    assert await make.do(pushes.drop, push) is False
    assert await make.ask(pushes.page, repo) == before
    assert await events(make) == [(MAIN.ref, ZERO, A)]


async def test_many_who_finish_at_once_record_once(make: Make, repo: int) -> None:
    """The daemon's post-receive and a recovery may meet."""
    push = await intent(make, repo, MAIN, SIDE)
    done = await asyncio.gather(*(make.do(pushes.finish, push, [MAIN, SIDE]) for _ in range(10)))
    assert sorted(done) == [False] * 9 + [True]
    assert len(await events(make)) == 2


async def test_a_dropped_push_leaves_no_event(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN)
    assert await make.do(pushes.drop, push) is True
    assert await make.do(pushes.drop, push) is False
    assert await make.ask(pushes.open_intents) == []
    assert await make.ask(pushes.page, repo) == []
    with pytest.raises(Bug, match="dropped"):
        await make.do(pushes.finish, push, [MAIN])
    assert await events(make) == []


async def test_what_was_never_announced_is_a_bug(make: Make, repo: int) -> None:
    push = await intent(make, repo, MAIN)
    with pytest.raises(Bug):
        await make.do(pushes.finish, push, [MAIN, SIDE])
    assert len(await make.ask(pushes.open_intents, repo)) == 1
    for function in (pushes.drop, lambda conn, push: pushes.finish(conn, push, [])):
        with pytest.raises(NotFound):
            await make.do(function, 999)


async def test_the_events_of_a_ref_follow_their_ids(make: Make, repo: int) -> None:
    oids = [f"{number:040x}" for number in range(12)]
    moves = [RefMove(MAIN.ref, old, new) for old, new in itertools.pairwise(oids)]
    ids = [await intent(make, repo, move) for move in moves]
    for push, move in zip(ids, moves, strict=True):
        await make.do(pushes.finish, push, [move])
    found = await make.ask(pushes.events_after)
    assert [event.payload["new"] for event in found] == oids[1:]
    assert [event.push_id for event in found] == ids


async def test_no_event_appears_below_one_that_was_seen(
    make: Make, store: Store, repo: int
) -> None:
    """A reader who goes by ids must not miss an event whose transaction took longer."""
    first, second = await intent(make, repo, MAIN), await intent(make, repo, SIDE)
    recorded = asyncio.Event()

    async def slow(conn: AsyncConnection) -> None:
        await pushes.finish(conn, first, [MAIN])
        recorded.set()
        await asyncio.sleep(0.3)

    task = asyncio.create_task(store.write(slow))
    await recorded.wait()
    await make.do(pushes.finish, second, [SIDE])
    seen = [event.ref for event in await make.ask(pushes.events_after)]
    await task
    assert seen == [MAIN.ref, SIDE.ref]


async def test_pushes_in_pages_with_the_first_refs_of_each(make: Make, repo: int) -> None:
    many = [RefMove(f"refs/heads/b{number:04}", ZERO, A) for number in range(3000)]
    ids = []
    for moves in ([MAIN], many, [SIDE]):
        ids.append(await intent(make, repo, *moves))
        await make.do(pushes.finish, ids[-1], moves)
    found = await make.ask(pushes.page, repo, None, 2)
    assert [(push.id, push.move_count, len(push.moves)) for push in found] == [
        (ids[2], 1, 1),
        (ids[1], 3000, pushes.MOVES_SHOWN),
    ]
    assert found[1].moves == tuple(many[: pushes.MOVES_SHOWN])
    assert [push.id for push in await make.ask(pushes.page, repo, ids[1])] == [ids[0]]
    assert len(await make.ask(pushes.events_after, 0, 5000)) == 3002


async def test_the_partial_record_of_many_refs(make: Make, repo: int) -> None:
    many = [RefMove(f"refs/heads/b{number:04}", ZERO, A) for number in range(2000)]
    push = await intent(make, repo, *many)
    await make.do(pushes.finish, push, many[1:])
    (found,) = await make.ask(pushes.page, repo)
    assert (found.move_count, found.moves[0]) == (1999, many[1])


async def test_intents_of_one_repository_or_all(make: Make, repo: int) -> None:
    other = await make.repo(await make.user("bob"), "net")
    first, second = await intent(make, repo, MAIN), await intent(make, other, MAIN)
    assert [push.id for push in await make.ask(pushes.open_intents)] == [first, second]
    assert [push.id for push in await make.ask(pushes.open_intents, other)] == [second]
