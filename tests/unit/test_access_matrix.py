"""The whole table of rights against an expectation written apart from it, and lists against it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hubd import access
from hubd.access import RepoFacts, Verdict
from hubd.store import gates, queries, repos, schema
from hubd.store.engine import Connection, Store
from hubd.types import (
    Actor,
    ActorKind,
    Channel,
    Gate,
    RepoAction,
    RepoRef,
    RepoType,
    RequestState,
    Role,
    Scope,
    TokenLimits,
    Visibility,
)

NS, REPO = 10, 100
WITH_ACCOUNT = {"discuss", "moderate", "ask_access", "answer_requests", "run_space", "upload"}

# Read off the text, not off the code: (least role, least scope, allowed when archived).
READ, WRITE, ADMIN = 1, 2, 3
WANTED = {
    "read": (READ, READ, True),
    "fetch": (READ, READ, True),
    "ask_access": (READ, WRITE, True),
    "answer_requests": (WRITE, WRITE, True),
    "push": (WRITE, WRITE, False),
    "upload": (READ, WRITE, False),
    "discuss": (READ, WRITE, False),
    "moderate": (WRITE, WRITE, True),
    "manage_settings": (ADMIN, WRITE, False),
    "change_visibility": (ADMIN, WRITE, True),
    "rename": (ADMIN, WRITE, True),
    "transfer": (ADMIN, WRITE, True),
    "archive": (ADMIN, WRITE, True),
    "delete": (ADMIN, WRITE, True),
    "manage_access": (ADMIN, ADMIN, True),
    "maintain": (ADMIN, ADMIN, True),
    "break_locks": (ADMIN, WRITE, False),
    "remove_objects": (ADMIN, WRITE, False),
    "run_space": (WRITE, WRITE, False),
}


def user(**facts: Any) -> Actor:
    return Actor(kind=ActorKind.USER, user_id=7, **facts)


ACTORS: dict[str, Actor] = {
    "anonymous": Actor(),
    "user": user(),
    "site admin": user(is_site_admin=True),
    "read token": user(scope=Scope.READ, token_id=1),
    "write token": user(scope=Scope.WRITE, token_id=1),
    "token of here": user(limits=TokenLimits(repo_ids=frozenset({REPO}))),
    "token of the namespace": user(limits=TokenLimits(frozenset({NS}))),
    "token of elsewhere": user(limits=TokenLimits(frozenset({11}), frozenset({101}))),
    "admin's token of elsewhere": user(
        is_site_admin=True,
        limits=TokenLimits(frozenset({11})),
    ),
    "deploy key": Actor(kind=ActorKind.DEPLOY_KEY, scope=Scope.READ, deploy_repo_id=REPO),
    "writing deploy key": Actor(
        kind=ActorKind.DEPLOY_KEY, scope=Scope.WRITE, deploy_repo_id=REPO, deploy_can_write=True
    ),
    "deploy key of elsewhere": Actor(
        kind=ActorKind.DEPLOY_KEY, scope=Scope.WRITE, deploy_repo_id=101, deploy_can_write=True
    ),
    "runner": Actor(kind=ActorKind.RUNNER),
    "system": Actor.system(),
}


def wanted_role(who: str, role: int, visibility: str) -> int:
    if who == "system":
        return ADMIN
    public = READ if visibility == "public" else 0
    if who in {"anonymous", "runner", "deploy key of elsewhere"} or who.endswith(
        "token of elsewhere"
    ):
        return public
    if who == "deploy key":
        return READ
    if who == "writing deploy key":
        return WRITE
    if who == "site admin":
        return ADMIN
    return max(role, READ if visibility in {"public", "internal"} else 0)


def wanted_scope(who: str) -> int:
    return {
        "read token": READ,
        "deploy key": READ,
        "write token": WRITE,
        "writing deploy key": WRITE,
        "deploy key of elsewhere": WRITE,
    }.get(who, ADMIN)


def wanted(
    who: str, role: int, visibility: str, action: str, *, archived: bool, deleted: bool
) -> str:
    least, scope, when_archived = WANTED[action]
    has = wanted_role(who, role, visibility)
    if deleted or has == 0:
        return "HIDE"
    no_account = who in {"anonymous", "runner"} or "deploy key" in who
    if has < least or (action in WITH_ACCOUNT and no_account):
        return "SIGN_IN" if who == "anonymous" else "DENY_ROLE"
    if wanted_scope(who) < scope:
        return "DENY_SCOPE"
    return "DENY_ARCHIVED" if archived and not when_archived else "ALLOW"


@pytest.mark.parametrize("who", ACTORS)
def test_every_cell_of_the_matrix(who: str) -> None:
    assert set(WANTED) == {action.value for action in RepoAction}
    for role, visibility, action, channel, archived, deleted in itertools.product(
        Role, Visibility, RepoAction, Channel, (False, True), (False, True)
    ):
        actor = ACTORS[who].at(channel, "192.0.2.1", "id")
        facts = RepoFacts(REPO, NS, visibility, role, archived, deleted)
        found = access.decide(actor, action, facts).name
        expected = wanted(
            who, role, visibility.value, action.value, archived=archived, deleted=deleted
        )
        assert found == expected, (who, role, visibility, action, channel, archived, deleted)


@pytest.mark.parametrize("who", ACTORS)
def test_a_gate_keeps_files_from_whom_nobody_let_in(who: str) -> None:
    """Only files: whatever else the rules allow stays allowed."""
    for role, visibility, gate, request, action in itertools.product(
        Role, Visibility, Gate, (None, *RequestState), RepoAction
    ):
        facts = RepoFacts(REPO, NS, visibility, role, gate=gate, request=request)
        found = access.decide(ACTORS[who], action, facts).name
        expected = wanted(who, role, visibility.value, action.value, archived=False, deleted=False)
        elsewhere = who.endswith("of elsewhere") or who in {"anonymous", "runner"}
        own = who in {"system", "site admin", "deploy key", "writing deploy key"}
        let_in = own or role is not Role.NONE or request is RequestState.ACCEPTED
        closed = gate is not Gate.OFF and (elsewhere or not let_in)
        if action in {RepoAction.FETCH, RepoAction.UPLOAD} and expected == "ALLOW" and closed:
            expected = "GATED_SIGN_IN" if who == "anonymous" else "GATED"
        assert found == expected, (who, role, visibility, gate, request, action)


NAMES = {7: "ada", 8: "bob", 10: "org", 11: "other"}


async def _fill(conn: Connection) -> list[RepoRef]:
    """Repositories of every visibility for everybody: plain, shared with ada, in the trash."""
    common = {"full_name": "", "default_visibility": "public", "created_at": 0.0}
    for number, name in NAMES.items():
        kind = "user" if number < 10 else "org"
        row = {"id": number, "kind": kind, "name": name, "name_fold": name, "skeleton": name}
        await conn.execute(sa.insert(schema.namespaces).values(**row, **common))
        if kind == "user":
            user = {"id": number, "is_admin": False, "must_change_password": False}
            await conn.execute(sa.insert(schema.users).values(**user, created_at=0.0))
    await conn.execute(sa.insert(schema.org_members).values(org_id=10, user_id=7, role=2))
    made = []
    for namespace, visibility, extra in itertools.product(
        NAMES, Visibility, ("plain", "shared", "trash", "gated", "asked", "accepted")
    ):
        ref = RepoRef(RepoType.MODEL, NAMES[namespace], f"{visibility.value}-{extra}")
        repo_id = await repos.add(
            conn,
            type=ref.type,
            namespace_id=namespace,
            name=ref.name,
            visibility=visibility,
            default_branch="main",
            object_format="sha1",
            created_by=None,
            description="",
        )
        await _shut(conn, repo_id, extra)
        if extra == "shared":
            await repos.set_collaborator(conn, repo_id, 7, Role.READ)
        if extra == "trash":
            await repos.trash(conn, repo_id)
        made.append(ref)
    return made


async def _shut(conn: Connection, repo_id: int, how: str) -> None:
    """A gate before some, where ada waits at or is let through some."""
    if how in {"gated", "asked", "accepted"}:
        await repos.set_gate(conn, repo_id, Gate.MANUAL)
    if how in {"asked", "accepted"}:
        state = RequestState.PENDING if how == "asked" else RequestState.ACCEPTED
        await gates.ask(conn, repo_id, 7, {}, state)


async def _allowed(
    conn: Connection, actor: Actor, refs: list[RepoRef], action: RepoAction
) -> set[int]:
    found = [await queries.repo_access(conn, ref, actor.user_id) for ref in refs]
    return {
        one.repo.id
        for one in found
        if one is not None and access.decide(actor, action, access.repo_facts(one)) is Verdict.ALLOW
    }


async def test_lists_agree_with_decisions(tmp_path: Path) -> None:
    """What is selected is exactly what ``decide`` lets see, and lets fetch, on a real database."""
    some = 5
    actors = {
        **ACTORS,
        "bob": Actor(kind=ActorKind.USER, user_id=8),
        "deploy key here": Actor(kind=ActorKind.DEPLOY_KEY, deploy_repo_id=some),
        "token of one": user(limits=TokenLimits(repo_ids=frozenset({some}))),
    }
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    try:
        await store.migrate()
        refs = await store.write(_fill)
        for who, actor in actors.items():
            for action, rule in (
                (RepoAction.READ, access.visible(actor)),
                (RepoAction.FETCH, access.fetchable(actor)),
            ):
                async with store.read() as conn:
                    rows = await conn.execute(sa.select(schema.repos.c.id).where(rule))
                    wanted = await _allowed(conn, actor, refs, action)
                assert {row.id for row in rows} == wanted, (who, action)
    finally:
        await store.close()
