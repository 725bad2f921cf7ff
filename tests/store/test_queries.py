"""Reads over several tables: roles, and lists of what may be seen."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, or_, true

from hubd.store import namespaces, queries, repos, schema
from hubd.store.queries import RepoSort, role_column
from hubd.types import RepoRef, RepoType, Role, Visibility
from tests.store.conftest import Make

R = schema.repos.c


@pytest.fixture
async def people(make: Make) -> dict[str, int]:
    return {name: await make.user(name) for name in ("alice", "bob", "carol")}


async def test_the_role_is_the_highest_of_owner_organization_and_grant(
    make: Make, people: dict[str, int]
) -> None:
    org = await make.org("org", alice=Role.ADMIN, bob=Role.READ)
    own, shared = await make.repo(people["alice"], "own"), await make.repo(org, "shared")
    await make.do(repos.set_collaborator, own, people["bob"], Role.WRITE)
    await make.do(repos.set_collaborator, shared, people["bob"], Role.WRITE)
    await make.do(repos.set_collaborator, shared, people["alice"], Role.READ)
    await make.do(repos.set_collaborator, own, people["alice"], Role.READ)
    wanted = {
        ("alice/own", "alice"): Role.ADMIN,
        ("alice/own", "bob"): Role.WRITE,
        ("alice/own", "carol"): Role.NONE,
        ("org/shared", "alice"): Role.ADMIN,
        ("org/shared", "bob"): Role.WRITE,
        ("org/shared", "carol"): Role.NONE,
    }
    for (address, name), role in wanted.items():
        ref = RepoRef.parse("model", address)
        access = await make.ask(queries.repo_access, ref, people[name])
        assert (access.role, access.moved, access.repo.ref) == (role, False, ref), (address, name)
        assert await make.ask(queries.role_in, access.repo.id, people[name]) is role
        nobody = await make.ask(queries.repo_access, ref, None)
        assert (nobody.role, nobody.repo) == (Role.NONE, access.repo)
    assert await make.ask(queries.role_in, 999, people["alice"]) is Role.NONE


async def test_a_namespaces_id_is_no_role_in_another_of_the_same_number(
    make: Make, people: dict[str, int]
) -> None:
    """The owner's rule compares ids of namespaces, which users and organizations share."""
    org = await make.org("org")
    await make.repo(org, "net")
    ref = RepoRef.parse("model", "org/net")
    for user in people.values():
        assert (await make.ask(queries.repo_access, ref, user)).role is Role.NONE


async def test_access_follows_old_addresses_with_the_role_at_the_new(
    make: Make, people: dict[str, int]
) -> None:
    org = await make.org("org", bob=Role.WRITE)
    repo = await make.repo(people["alice"], "net")
    await make.do(repos.rename, repo, org, "net2")
    await make.do(namespaces.rename, people["alice"], "alicia")
    old = RepoRef.parse("model", "alice/net")
    for name, role in (("alice", Role.NONE), ("bob", Role.WRITE)):
        access = await make.ask(queries.repo_access, old, people[name])
        assert (access.moved, access.role, access.repo.ref.repo_id) == (True, role, "org/net2")
    assert await make.ask(queries.repo_access, RepoRef.parse("model", "org/x"), None) is None


async def test_access_is_one_statement(make: Make, people: dict[str, int]) -> None:
    await make.repo(people["alice"], "net")
    said: list[str] = []
    engine = make.store._reader.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: said.append(args[2]))
    for user in (None, people["alice"]):
        said.clear()
        await make.ask(queries.repo_access, RepoRef.parse("model", "alice/net"), user)
        assert len([line for line in said if line.strip(" ;")]) == 1


@pytest.fixture
async def shelf(make: Make, people: dict[str, int]) -> dict[str, int]:
    org = await make.org("Org", bob=Role.READ)
    alice = people["alice"]
    ids = {
        "own": await make.repo(alice, "own"),
        "Zebra": await make.repo(alice, "Zebra", visibility=Visibility.PUBLIC),
        "data_1": await make.repo(alice, "data_1", type=RepoType.DATASET),
        "shared": await make.repo(org, "shared"),
        "open": await make.repo(org, "open", visibility=Visibility.INTERNAL),
    }
    await make.do(repos.trash, await make.repo(alice, "gone", visibility=Visibility.PUBLIC))
    return ids


async def names(make: Make, where: Any = None, **named: Any) -> list[str]:
    clause = true() if where is None else where
    return [repo.name for repo in await make.ask(queries.visible_repos, clause, **named)]


async def test_a_list_holds_what_the_predicate_admits(
    make: Make, people: dict[str, int], shelf: dict[str, int]
) -> None:
    def seen(user: int | None) -> Any:
        return or_(R.visibility == "public", role_column(user) >= int(Role.READ))

    order = {"sort": "name"}
    assert await names(make, seen(None), **order) == ["Zebra"]
    assert await names(make, seen(people["bob"]), **order) == ["open", "shared", "Zebra"]
    assert await names(make, seen(people["alice"]), **order) == ["data_1", "own", "Zebra"]
    assert await names(make, seen(people["carol"]), **order) == ["Zebra"]
    assert await make.ask(queries.repo_count, seen(people["bob"])) == 3
    assert await make.ask(queries.repo_count, seen(None), namespace_id=people["bob"]) == 0


async def test_a_list_by_type_namespace_and_words(
    make: Make, people: dict[str, int], shelf: dict[str, int]
) -> None:
    order = {"sort": RepoSort.NAME}
    assert await names(make, type=RepoType.DATASET) == ["data_1"]
    assert await names(make, namespace_id=people["alice"], **order) == ["data_1", "own", "Zebra"]
    assert await names(make, search="ZEB") == ["Zebra"]
    assert await names(make, search="org", **order) == ["open", "shared"]
    assert await names(make, search="Org/sh") == ["shared"]
    assert await names(make, search="a_1") == ["data_1"]
    for nothing in ("%", "own_", "'", "\\", "x/y"):
        assert await names(make, search=nothing) == [], nothing
    assert await make.ask(queries.repo_count, true(), search="org") == 2


@pytest.mark.parametrize("sort", list(RepoSort))
async def test_pages_of_a_list_hold_each_once(
    make: Make, shelf: dict[str, int], sort: RepoSort
) -> None:
    await make.do(repos.touch_pushed, shelf["own"], 4e9)
    await make.do(repos.touch_pushed, shelf["shared"], 4e9)  # the same moment
    whole = await make.ask(queries.visible_repos, true(), sort=sort)
    assert {repo.id for repo in whole} == set(shelf.values())
    paged: list[int] = []
    while True:
        after = paged[-1] if paged else None
        page = await make.ask(queries.visible_repos, true(), sort=sort, after=after, limit=2)
        if not page:
            break
        paged += [repo.id for repo in page]
    assert paged == [repo.id for repo in whole]
    if sort is RepoSort.UPDATED:
        assert {repo.name for repo in whole[:2]} == {"own", "shared"}
    if sort is RepoSort.CREATED:
        assert paged == sorted(shelf.values(), reverse=True)
