"""Tokens, keys, sessions, the audit log: found by hash, taken away by their owner alone."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hubd.errors import Bug, Conflict
from hubd.store import audit, keys, queries, sessions, tokens
from hubd.store.audit import AuditFilters
from hubd.types import Actor, ActorKind, Channel, Scope, TokenLimits
from tests.store.conftest import Make


async def token(make: Make, user: int, secret_hash: str, **named: Any) -> int:
    named.setdefault("scope", Scope.WRITE)
    return int(
        await make.do(
            tokens.add, user_id=user, name="ci", prefix="hub_ab", secret_hash=secret_hash, **named
        )
    )


async def test_a_token_is_found_by_its_hash(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await token(make, alice, "h1", namespace_ids={7, 3}, repo_ids=[9], expires_at=50.5)
    found = await make.ask(tokens.by_hash, "h1")
    assert (found.id, found.user_id, found.name, found.prefix) == (new_id, alice, "ci", "hub_ab")
    assert found.scope is Scope.WRITE
    assert found.limits == TokenLimits(frozenset({3, 7}), frozenset({9}))
    assert (found.is_live(50.4), found.is_live(50.5)) == (True, False)
    assert await make.ask(tokens.by_hash, "h2") is None
    with pytest.raises(Conflict):
        await token(make, alice, "h1")


async def test_a_token_is_revoked_by_its_owner_alone(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    new_id = await token(make, alice, "h1")
    assert await make.do(tokens.revoke, bob, new_id) is False
    assert (await make.ask(tokens.by_hash, "h1")).is_live(time.time())
    assert await make.do(tokens.revoke, alice, new_id) is True
    assert await make.do(tokens.revoke, alice, new_id) is False
    assert not (await make.ask(tokens.by_hash, "h1")).is_live(time.time())
    assert await make.ask(tokens.for_user, alice) == []


async def test_the_last_use_only_goes_forward(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await token(make, alice, "h1")
    for at, kept in ((5.0, 5.0), (9.0, 9.0), (7.0, 9.0)):
        await make.do(tokens.touch, new_id, at)
        assert (await make.ask(tokens.for_user, alice))[0].last_used_at == kept


async def test_a_token_with_its_user_in_one_statement(make: Make) -> None:
    alice = await make.user("alice", is_admin=True)
    await token(make, alice, "h1")
    found, user = await make.ask(queries.credential_by_token, "h1")
    assert (found.name, user.name, user.is_admin) == ("ci", "alice", True)
    assert await make.ask(queries.credential_by_token, "h2") is None


async def key(make: Make, fingerprint: str, **named: Any) -> int:
    kind, text = "ssh-ed25519", "ssh-ed25519 AAAA"
    return int(
        await make.do(
            keys.add, name="laptop", kind=kind, fingerprint=fingerprint, public_key=text, **named
        )
    )


async def test_a_key_belongs_to_one_account_or_repository(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    repo = await make.repo(alice, "net")
    first = await key(make, "SHA256:a", user_id=alice)
    deploy = await key(make, "SHA256:b", repo_id=repo, can_write=False)
    for owner in ({"user_id": bob}, {"user_id": alice}, {"repo_id": repo}):
        with pytest.raises(Conflict):
            await key(make, "SHA256:a", **owner)
    found, user = await make.ask(queries.account_by_key, "SHA256:a")
    assert (found.id, found.repo_id, user.name) == (first, None, "alice")
    found, user = await make.ask(queries.account_by_key, "SHA256:b")
    assert (found.id, found.repo_id, found.can_write, user) == (deploy, repo, False, None)
    assert found == await make.ask(keys.by_fingerprint, "SHA256:b")
    assert await make.ask(queries.account_by_key, "SHA256:c") is None
    assert [k.id for k in await make.ask(keys.for_user, alice)] == [first]
    assert [k.id for k in await make.ask(keys.for_repo, repo)] == [deploy]


async def test_a_key_is_removed_by_its_owner_alone(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    repo, other = await make.repo(alice, "net"), await make.repo(alice, "other")
    mine = await key(make, "SHA256:a", user_id=alice)
    deploy = await key(make, "SHA256:b", repo_id=repo)
    assert await make.do(keys.remove, mine, user_id=bob) is False
    assert await make.do(keys.remove, mine, repo_id=repo) is False
    assert await make.do(keys.remove, deploy, repo_id=other) is False
    assert await make.do(keys.remove, deploy, user_id=alice) is False
    with pytest.raises(Bug):
        await make.do(keys.remove, mine)
    assert await make.do(keys.remove, mine, user_id=alice) is True
    assert await make.do(keys.remove, deploy, repo_id=repo) is True
    again = await key(make, "SHA256:a", user_id=bob)
    assert again > deploy  # free again, with another id
    await make.do(keys.touch, again, 5.0)
    assert (await make.ask(keys.for_user, bob))[0].last_used_at == 5.0


async def session(make: Make, user: int, secret_hash: str, expires_at: float = 4e9) -> int:
    return int(
        await make.do(
            sessions.add, user_id=user, secret_hash=secret_hash, csrf="c", expires_at=expires_at,
            address="127.0.0.1", user_agent="curl\0",
        )
    )  # fmt: skip


async def test_sessions(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    first, second = await session(make, alice, "s1"), await session(make, alice, "s2")
    third = await session(make, bob, "s3")
    found, user = await make.ask(queries.session_user, "s1")
    assert (found.id, found.csrf, user.name, found.user_agent) == (
        first,
        "c",
        "alice",
        "curl\ufffd",
    )
    assert found == await make.ask(sessions.by_hash, "s1")
    assert await make.ask(queries.session_user, "s9") is None
    await make.do(sessions.touch, first, 4e9)
    assert [s.id for s in await make.ask(sessions.for_user, alice)] == [first, second]
    assert await make.do(sessions.remove, alice, third) is False
    assert await make.do(sessions.remove, alice, second) is True
    await session(make, alice, "s4")
    assert await make.do(sessions.remove_for_user, alice, but=first) == 1
    assert await make.do(sessions.remove_for_user, alice) == 1
    assert [s.id for s in await make.ask(sessions.for_user, bob)] == [third]


async def test_expired_sessions_are_swept(make: Make) -> None:
    alice = await make.user("alice")
    for number, expires in enumerate((10.0, 20.0, 4e9)):
        await session(make, alice, f"s{number}", expires)
    assert await make.do(sessions.sweep, 10.0) == 1
    assert await make.do(sessions.sweep) == 1
    assert len(await make.ask(sessions.for_user, alice)) == 1


async def test_the_audit_log_is_read_backwards_and_filtered(make: Make) -> None:
    alice = Actor(
        kind=ActorKind.USER, user_id=4, name="alice", channel=Channel.WEB, address="::1",
        request_id="r1",
    )  # fmt: skip
    await make.do(audit.add, alice, "repo.add", "alice/net", {"visibility": "private", "n": [1]})
    await make.do(audit.add, alice, "repo.rename", "alice/net")
    await make.do(audit.add, Actor.system(), "repo.add", "x" * 9000)
    entries = await make.ask(audit.page)
    assert [entry.action for entry in entries] == ["repo.add", "repo.rename", "repo.add"]
    assert (entries[0].actor_kind, entries[0].user_id) == (ActorKind.SYSTEM, None)
    last = entries[2]
    assert (last.actor_name, last.channel, last.address) == ("alice", Channel.WEB, "::1")
    assert (last.request_id, last.details) == ("r1", {"visibility": "private", "n": [1]})

    async def ids(**filters: Any) -> list[int]:
        found = await make.ask(audit.page, filters=AuditFilters(**filters))
        return [entry.id for entry in found]

    assert await ids(user_id=4) == [entries[1].id, entries[2].id]
    assert await ids(action="repo.add") == [entries[0].id, entries[2].id]
    assert await ids(action="repo.add", target="alice/net") == [entries[2].id]
    assert await ids(target="x" * 9000) == [entries[0].id]
    assert await ids(request_id="r1", address="::1", since=last.at, until=entries[1].at) == [
        last.id
    ]
    older = await make.ask(audit.page, before=entries[0].id, limit=1)
    assert older == [entries[1]]
