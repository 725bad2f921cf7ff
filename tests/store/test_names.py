"""Namespaces, users, organizations: names are held, kept and told apart."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from hubd.errors import Conflict, NotFound
from hubd.store import namespaces, orgs, users
from hubd.store.engine import Store
from hubd.store.namespaces import Namespace, NamespaceKind
from hubd.types import Role, Visibility
from tests.store.conftest import Make


async def who(make: Make, name: str) -> tuple[int, str, bool] | None:
    found = await make.ask(namespaces.by_name, name)
    return None if found is None else (found[0].id, found[0].name, found[1])


async def test_a_namespace_is_found_in_any_case(make: Make) -> None:
    new_id = await make.user("Alice-B")
    assert await who(make, "aLICE-b") == (new_id, "Alice-B", False)
    assert await who(make, "alice") is None
    found = await make.ask(namespaces.by_id, new_id)
    assert found == Namespace(
        new_id, NamespaceKind.USER, "Alice-B", "Alice-B", Visibility.PUBLIC, found.created_at
    )
    assert await make.ask(namespaces.by_id, new_id + 1) is None


@pytest.mark.parametrize("other", ["alice-b", "ALICE-B", "alice_b", "Alice.B", "a1ice-b"])
async def test_a_name_and_its_look_alikes_are_taken_once(make: Make, other: str) -> None:
    await make.user("Alice-B")
    with pytest.raises(Conflict, match="taken"):
        await make.user(other)
    with pytest.raises(Conflict, match="taken"):
        await make.org(other)


async def test_two_who_take_a_name_at_once_get_one(make: Make) -> None:
    outcomes = await asyncio.gather(
        *(make.user(name) for name in ("same", "SAME", "same") * 5), return_exceptions=True
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 14


async def test_a_renamed_namespace_is_found_by_both_names(make: Make) -> None:
    new_id = await make.user("old-name")
    await make.do(namespaces.rename, new_id, "new-name")
    await make.do(namespaces.rename, new_id, "newest")
    assert await who(make, "newest") == (new_id, "newest", False)
    assert await who(make, "New-Name") == (new_id, "newest", True)
    assert await who(make, "old-name") == (new_id, "newest", True)


async def test_a_former_name_stays_reserved(make: Make) -> None:
    first = await make.user("first")
    second = await make.user("second")
    await make.do(namespaces.rename, first, "renamed")
    for name in ("first", "FIRST", "f1rst".replace("1", "i"), "renamed"):
        with pytest.raises(Conflict):
            await make.user(name)
        with pytest.raises(Conflict):
            await make.do(namespaces.rename, second, name)
    other = await make.user("look.alike")
    await make.do(namespaces.rename, other, "something")
    with pytest.raises(Conflict):
        await make.org("look-alike")


async def test_a_namespace_may_take_its_own_name_back(make: Make) -> None:
    new_id = await make.user("mine")
    await make.do(namespaces.rename, new_id, "other")
    await make.do(namespaces.rename, new_id, "Mine")
    assert await who(make, "mine") == (new_id, "Mine", False)
    assert await who(make, "other") == (new_id, "Mine", True)
    await make.do(namespaces.rename, new_id, "other")
    assert await who(make, "mine") == (new_id, "other", True)


async def test_a_change_of_case_or_to_a_look_alike_of_oneself(make: Make) -> None:
    new_id = await make.user("some-name")
    await make.do(namespaces.rename, new_id, "Some-Name")
    assert await who(make, "some-name") == (new_id, "Some-Name", False)
    await make.do(namespaces.rename, new_id, "some_name")
    assert await who(make, "some_name") == (new_id, "some_name", False)
    assert await who(make, "some-name") == (new_id, "some_name", True)


async def test_renaming_and_taking_the_old_name_at_once(make: Make) -> None:
    """Whatever comes first, nobody gets a name that redirects to another."""
    for turn in range(8):
        new_id = await make.user(f"was-{turn}")
        outcomes: list[Any] = await asyncio.gather(
            make.do(namespaces.rename, new_id, f"is-{turn}"),
            *(make.user(f"was-{turn}") for _ in range(4)),
            return_exceptions=True,
        )
        assert outcomes[0] is None
        assert all(isinstance(outcome, Conflict) for outcome in outcomes[1:])
        assert await who(make, f"was-{turn}") == (new_id, f"is-{turn}", True)


async def test_what_is_not_there_cannot_be_changed(make: Make) -> None:
    with pytest.raises(NotFound):
        await make.do(namespaces.rename, 999, "name")
    with pytest.raises(NotFound):
        await make.do(namespaces.update, 999, full_name="x")
    with pytest.raises(NotFound):
        await make.do(users.set_admin, 999, is_admin=True)


async def test_namespaces_in_pages(make: Make) -> None:
    for name in ("beta", "alpha", "gamma-1", "Delta"):
        await make.user(name)
    await make.org("orga")

    async def names(**named: Any) -> list[str]:
        return [found.name for found in await make.ask(namespaces.page, **named)]

    assert await names() == ["alpha", "beta", "Delta", "gamma-1", "orga"]
    assert await names(limit=2) == ["alpha", "beta"]
    assert await names(after="beta", limit=2) == ["Delta", "gamma-1"]
    assert await names(kind=NamespaceKind.ORG) == ["orga"]
    assert await names(search="ET") == ["beta"]
    assert await names(search="%") == []
    assert await names(search="_") == []


async def test_the_profile_of_a_namespace(make: Make) -> None:
    new_id = await make.user("someone")
    hostile = "zero \0 and \ud800 and 🙂"
    await make.do(namespaces.update, new_id, full_name=hostile)
    await make.do(namespaces.update, new_id, default_visibility=Visibility.PRIVATE)
    await make.do(namespaces.update, new_id)
    found = await make.ask(namespaces.by_id, new_id)
    assert found.full_name == "zero \ufffd and \ufffd and 🙂"
    assert found.default_visibility is Visibility.PRIVATE


async def test_a_user(make: Make) -> None:
    new_id = await make.user(
        "Alice", email=" Alice@Example.ORG ", password_hash="$argon2", must_change_password=True
    )
    user = await make.ask(users.by_id, new_id)
    assert (user.name, user.full_name, user.email) == ("Alice", "Alice", "alice@example.org")
    assert (user.is_admin, user.must_change_password, user.disabled_at) == (False, True, None)
    assert user == await make.ask(users.by_name, "ALICE")
    assert user == await make.ask(users.by_email, "alice@EXAMPLE.org")
    assert await make.ask(users.by_email, "") is None
    assert await make.ask(users.password_hash, new_id) == "$argon2"
    assert await make.ask(users.password_hash, 999) is None


async def test_a_former_name_signs_nobody_in(make: Make) -> None:
    new_id = await make.user("before")
    await make.do(namespaces.rename, new_id, "after")
    assert await make.ask(users.by_name, "before") is None
    assert (await make.ask(users.by_name, "after")).id == new_id


async def test_changes_of_a_user(make: Make) -> None:
    new_id = await make.user("alice")
    await make.do(users.set_password, new_id, "hash", must_change=True)
    await make.do(users.set_admin, new_id, is_admin=True)
    await make.do(users.set_disabled, new_id, disabled=True)
    await make.do(users.update, new_id, email="a@b.c", language="zh_CN")
    user = await make.ask(users.by_id, new_id)
    assert (user.is_admin, user.must_change_password, user.email) == (True, True, "a@b.c")
    assert user.disabled_at > 0
    assert user.language == "zh_CN"
    await make.do(users.set_password, new_id, "new")
    await make.do(users.set_disabled, new_id, disabled=False)
    await make.do(users.update, new_id, email=None)
    await make.do(users.update, new_id)
    user = await make.ask(users.by_id, new_id)
    assert (user.must_change_password, user.disabled_at, user.email) == (False, None, None)
    assert user.language == "zh_CN"


async def test_an_email_address_belongs_to_one_account(make: Make) -> None:
    await make.user("one", email="same@x.org")
    two = await make.user("two")
    with pytest.raises(Conflict, match="e-mail"):
        await make.user("three", email="SAME@x.org")
    assert await who(make, "three") is None  # the namespace went with it
    with pytest.raises(Conflict, match="e-mail"):
        await make.do(users.update, two, email="Same@X.org")
    await make.user("four")  # no address at all is no conflict


async def test_users_in_pages(make: Make) -> None:
    ids = [await make.user(f"user-{n}") for n in range(5)]
    await make.org("org")
    first = await make.ask(users.page, limit=3)
    assert [user.id for user in first] == ids[:3]
    assert [user.id for user in await make.ask(users.page, first[-1].id)] == ids[3:]
    assert await make.ask(users.count) == 5


async def test_ids_are_never_used_twice(store: Store, make: Make) -> None:
    async def fail(conn: AsyncConnection) -> None:
        await namespaces.add(conn, kind="user", name="never")
        raise Conflict("no")

    first = await make.user("first")
    with pytest.raises(Conflict):
        await store.write(fail)
    assert await make.user("second") > first


async def test_members_of_an_organization(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("Bob")
    org = await make.org("org", alice=Role.ADMIN)
    await make.do(orgs.set_member, org, bob, Role.READ)
    await make.do(orgs.set_member, org, bob, Role.WRITE)
    members = await make.ask(orgs.members, org)
    assert [(m.user_id, m.name, m.role) for m in members] == [
        (alice, "alice", Role.ADMIN),
        (bob, "Bob", Role.WRITE),
    ]
    assert members[0].full_name == "Alice"
    assert await make.ask(orgs.role_of, org, bob) is Role.WRITE
    assert await make.ask(orgs.role_of, org, 999) is Role.NONE
    assert await make.ask(orgs.admin_count, org) == 1
    other = await make.org("another", bob=Role.ADMIN)
    mine = await make.ask(orgs.orgs_of, bob)
    assert [(ns.id, ns.name, role) for ns, role in mine] == [
        (other, "another", Role.ADMIN),
        (org, "org", Role.WRITE),
    ]
    assert await make.do(orgs.remove_member, org, bob) is True
    assert await make.do(orgs.remove_member, org, bob) is False


async def test_two_admins_who_remove_each_other_leave_one(make: Make, store: Store) -> None:
    for turn in range(6):
        names = [f"a{turn}", f"b{turn}"]
        ids = [await make.user(name) for name in names]
        org = await make.org(f"org-{turn}", **dict.fromkeys(names, Role.ADMIN))

        async def leave(conn: AsyncConnection, user: int, org: int = org) -> None:
            if await orgs.admin_count(conn, org) < 2:
                raise Conflict("An organization needs an administrator.")
            await orgs.remove_member(conn, org, user)

        outcomes = await asyncio.gather(
            *(store.write(lambda conn, user=user: leave(conn, user)) for user in ids),  # type: ignore[misc]
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
        assert await make.ask(orgs.admin_count, org) == 1
