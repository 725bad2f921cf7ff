"""What is kept of the database is true after every commit, whoever made it and however."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from hubd.store import (
    memory,
    queries,
    repos,
    schema,
    schema_social,
    tokens,
)
from hubd.store.engine import Connection, Store
from hubd.types import RepoRef, RepoType, Role, Scope, Visibility
from tests.store.kit import add_user

REF = RepoRef.parse("model", "ada/one")


@pytest.fixture
async def ada(store: Store) -> int:
    return await add_user(store, "ada")


@pytest.fixture
async def repo(store: Store, ada: int) -> int:
    return await store.write(
        lambda conn: repos.add(
            conn,
            type=RepoType.MODEL,
            namespace_id=ada,
            name="one",
            visibility=Visibility.PRIVATE,
            default_branch="main",
            object_format="sha1",
            created_by=ada,
        )
    )


def test_statements_tell_the_tables_they_read_and_change() -> None:
    every = frozenset({"*"})
    people = schema.users.alias("people")
    for statement, read, changed in (
        (sa.select(sa.func.count()).select_from(people), {"users"}, set()),
        (sa.select(people.c.id), {"users"}, set()),
        (
            sa.select(schema.repos.c.id).where(
                sa.exists().where(schema_social.likes.c.repo_id == schema.repos.c.id)
            ),
            {"repos", "likes"},
            set(),
        ),
        (
            sa.select(schema.users.c.id).union(sa.select(schema.tokens.c.user_id)),
            {"users", "tokens"},
            set(),
        ),
        (sa.update(schema.tokens).values(name="x"), {"tokens"}, {"tokens"}),
        (sa.insert(schema.tokens).values(name="x"), {"tokens"}, {"tokens"}),
        (sa.text("DROP TABLE users"), every, every),
        (sa.select(sa.text("(SELECT 1 FROM users)")), every, set()),
    ):
        found = memory.tables_of(statement)
        assert found == (read, changed), str(statement)
    _, gone = memory.tables_of(sa.delete(schema.namespaces))
    assert gone >= {"namespaces", "users", "tokens", "repos", "collaborators", "object_links"}
    removed = sa.delete(schema.tokens).returning(schema.tokens.c.id).cte("removed")
    assert memory.tables_of(sa.select(removed.c.id))[1] >= {"tokens"}


async def test_an_answer_is_read_once_and_again_after_a_change(store: Store, repo: int) -> None:
    reads = 0

    async def counted(conn: Connection, ref: RepoRef) -> queries.RepoAccess | None:
        nonlocal reads
        reads += 1
        return await queries.repo_access(conn, ref, None)

    async def asked() -> queries.RepoAccess:
        found = await store.remembered(counted, REF)
        assert found is not None
        return found

    for _ in range(3):
        assert (await asked()).repo.visibility is Visibility.PRIVATE
    assert reads == 1
    await store.write(lambda conn: tokens.revoke(conn, 1, 1))
    await asked()
    assert reads == 1, "tokens are nothing that it reads"
    await store.write(lambda conn: repos.set_visibility(conn, repo, Visibility.PUBLIC))
    assert (await asked()).repo.visibility is Visibility.PUBLIC
    assert reads == 2


async def test_what_is_absent_is_kept_and_seen_when_it_comes(store: Store, ada: int) -> None:
    reads = 0

    async def counted(conn: Connection, digest: str) -> object:
        nonlocal reads
        reads += 1
        return await queries.credential_by_token(conn, digest)

    for _ in range(3):
        assert await store.remembered(counted, "digest") is None
    assert reads == 1
    await _token(store, ada)
    assert await store.remembered(counted, "digest") is not None
    assert await store.remembered(queries.credential_by_token, "digest") is not None


async def _token(store: Store, user: int) -> int:
    return await store.write(
        lambda conn: tokens.add(
            conn,
            user_id=user,
            name="t",
            prefix="hubd_",
            secret_hash="digest",
            scope=Scope.READ,
            namespace_ids=[],
            repo_ids=[],
            expires_at=None,
        )
    )


async def test_rows_that_go_with_others_are_forgotten(store: Store, ada: int) -> None:
    await _token(store, ada)
    assert await store.remembered(queries.credential_by_token, "digest") is not None
    await store.write(
        lambda conn: conn.execute(sa.delete(schema.namespaces).where(schema.namespaces.c.id == ada))
    )
    assert await store.remembered(queries.credential_by_token, "digest") is None


async def test_a_reader_overtaken_by_a_commit_keeps_nothing(store: Store, repo: int) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(conn: Connection, ref: RepoRef) -> queries.RepoAccess | None:
        found = await queries.repo_access(conn, ref, None)
        began.set()
        await go_on.wait()
        return found

    reading = asyncio.create_task(store.remembered(slow, REF))
    await began.wait()
    await store.write(lambda conn: repos.set_visibility(conn, repo, Visibility.PUBLIC))
    go_on.set()
    old, new = await reading, await store.remembered(slow, REF)
    assert old is not None
    assert new is not None
    assert (old.repo.visibility, new.repo.visibility) == (Visibility.PRIVATE, Visibility.PUBLIC)


async def test_each_fact_of_a_right_is_seen_at_once(store: Store, ada: int, repo: int) -> None:
    async def role(user: int) -> Role:
        found = await store.remembered(queries.repo_access, REF, user)
        assert found is not None
        return found.role

    bob = await add_user(store, "bob")
    assert (await role(ada), await role(bob)) == (Role.ADMIN, Role.NONE)
    await store.write(lambda conn: repos.set_collaborator(conn, repo, bob, Role.WRITE))
    assert await role(bob) is Role.WRITE
    await store.write(lambda conn: repos.remove_collaborator(conn, repo, bob))
    assert await role(bob) is Role.NONE


async def test_a_failed_transaction_changes_no_answer(store: Store, repo: int) -> None:
    assert (await store.remembered(queries.repo_access, REF, None)) is not None

    async def work(conn: Connection) -> None:
        await repos.set_visibility(conn, repo, Visibility.PUBLIC)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await store.write(work)
    found = await store.remembered(queries.repo_access, REF, None)
    assert found is not None
    assert found.repo.visibility is Visibility.PRIVATE


async def test_what_another_process_changed_is_read_once_one_is_told(
    store: Store, store_url: str, repo: int
) -> None:
    assert (await store.remembered(queries.repo_access, REF, None)) is not None
    other = await Store.open(store_url)
    try:
        await other.write(lambda conn: repos.set_visibility(conn, repo, Visibility.PUBLIC))
    finally:
        await other.close()
    store.forget()
    found = await store.remembered(queries.repo_access, REF, None)
    assert found is not None
    assert found.repo.visibility is Visibility.PUBLIC


def test_it_is_bounded_and_drops_what_nobody_asked_for() -> None:
    kept = memory.Memory(most=2)
    for key in ("a", "b"):
        kept.keep(key, key, {"users"}, 0)
    assert kept.recall("a") == ("a",)
    kept.keep("c", "c", {"users"}, 0)
    assert [kept.recall(key) for key in ("a", "b", "c")] == [("a",), None, ("c",)]
    kept.changed({"*"})
    assert [kept.recall(key) for key in ("a", "c")] == [None, None]
    kept.keep("d", "d", {"*"}, 1)
    assert kept.recall("d") is None
