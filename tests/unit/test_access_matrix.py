"""The whole table of rights against an expectation written apart from it, and lists against it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from hubd import access
from hubd.access import RepoFacts, Verdict
from hubd.store import repos, schema
from hubd.store.engine import Store
from hubd.types import (
    Actor,
    ActorKind,
    Channel,
    RepoAction,
    RepoRef,
    RepoType,
    Role,
    Scope,
    TokenLimits,
    Visibility,
)

NS, REPO = 10, 100

# Read off the text, not off the code: (least role, least scope, allowed when archived).
READ, WRITE, ADMIN = 1, 2, 3
WANTED = {
    "read": (READ, READ, True),
    "push": (WRITE, WRITE, False),
    "manage_settings": (ADMIN, WRITE, False),
    "change_visibility": (ADMIN, WRITE, True),
    "rename": (ADMIN, WRITE, True),
    "transfer": (ADMIN, WRITE, True),
    "archive": (ADMIN, WRITE, True),
    "delete": (ADMIN, WRITE, True),
    "manage_access": (ADMIN, ADMIN, True),
    "maintain": (ADMIN, ADMIN, True),
}
USER = {"kind": ActorKind.USER, "user_id": 7}
ACTORS: dict[str, Actor] = {
    "anonymous": Actor(),
    "user": Actor(**USER),  # type: ignore[arg-type]
    "site admin": Actor(**USER, is_site_admin=True),  # type: ignore[arg-type]
    "read token": Actor(**USER, scope=Scope.READ, token_id=1),  # type: ignore[arg-type]
    "write token": Actor(**USER, scope=Scope.WRITE, token_id=1),  # type: ignore[arg-type]
    "token of here": Actor(**USER, limits=TokenLimits(repo_ids=frozenset({REPO}))),  # type: ignore[arg-type]
    "token of the namespace": Actor(**USER, limits=TokenLimits(frozenset({NS}))),  # type: ignore[arg-type]
    "token of elsewhere": Actor(**USER, limits=TokenLimits(frozenset({11}), frozenset({101}))),  # type: ignore[arg-type]
    "admin's token of elsewhere": Actor(
        **USER,
        is_site_admin=True,
        limits=TokenLimits(frozenset({11})),  # type: ignore[arg-type]
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
    if has < least:
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


async def test_lists_agree_with_decisions(tmp_path: Path) -> None:
    """What ``visible`` selects is exactly what ``decide`` lets read, on a real database."""
    store = await Store.open(f"sqlite+aiosqlite:///{tmp_path / 'hub.db'}")
    try:
        await store.migrate()

        async def fill(conn):  # type: ignore[no-untyped-def]
            import sqlalchemy as sa

            for number, (name, kind) in {
                7: ("ada", "user"),
                8: ("bob", "user"),
                10: ("org", "org"),
                11: ("other", "org"),
            }.items():
                await conn.execute(
                    sa.insert(schema.namespaces).values(
                        id=number,
                        kind=kind,
                        name=name,
                        name_fold=name,
                        skeleton=name,
                        full_name="",
                        default_visibility="public",
                        created_at=0.0,
                    )
                )
                if kind == "user":
                    await conn.execute(
                        sa.insert(schema.users).values(
                            id=number, is_admin=False, must_change_password=False, created_at=0.0
                        )
                    )
            await conn.execute(sa.insert(schema.org_members).values(org_id=10, user_id=7, role=2))
            ids = {}
            for namespace, visibility in itertools.product((7, 8, 10, 11), Visibility):
                for extra in ("plain", "shared", "trash"):
                    repo_id = await repos.add(
                        conn,
                        type=RepoType.MODEL,
                        namespace_id=namespace,
                        name=f"{visibility.value}-{extra}",
                        visibility=visibility,
                        default_branch="main",
                        object_format="sha1",
                        created_by=None,
                        description="",
                    )
                    ids[repo_id] = (namespace, visibility, extra)
                    if extra == "shared":
                        await repos.set_collaborator(conn, repo_id, 7, Role.READ)
                    if extra == "trash":
                        await repos.trash(conn, repo_id)
            return ids

        ids = await store.write(fill)
        some = sorted(ids)[4]
        actors = {
            **ACTORS,
            "bob": Actor(kind=ActorKind.USER, user_id=8),
            "deploy key here": Actor(kind=ActorKind.DEPLOY_KEY, deploy_repo_id=some),
            "token of one": Actor(**USER, limits=TokenLimits(repo_ids=frozenset({some}))),
        }  # type: ignore[arg-type]
        import sqlalchemy as sa

        from hubd.store import queries

        for who, actor in actors.items():
            async with store.read() as conn:
                rows = await conn.execute(sa.select(schema.repos.c.id).where(access.visible(actor)))
                listed = {row.id for row in rows}
                readable = set()
                names = {7: "ada", 8: "bob", 10: "org", 11: "other"}
                for repo_id, (namespace, visibility, extra) in ids.items():
                    ref = RepoRef(RepoType.MODEL, names[namespace], f"{visibility.value}-{extra}")
                    found = await queries.repo_access(conn, ref, actor.user_id)
                    if found is None:
                        continue
                    if (
                        access.decide(actor, RepoAction.READ, access.repo_facts(found))
                        is Verdict.ALLOW
                    ):
                        readable.add(repo_id)
            assert listed == readable, who
    finally:
        await store.close()
