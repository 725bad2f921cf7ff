"""Repositories: their addresses over renames and moves, the trash, who has a role."""

from __future__ import annotations

from typing import Any

import pytest

from hubd.errors import Conflict, NotFound
from hubd.store import namespaces, pushes, repos, rules
from hubd.store.pushes import RefMove
from hubd.store.repos import Repo
from hubd.types import Actor, RepoRef, RepoType, Role, Visibility
from tests.store.conftest import Make

MODEL, DATASET = RepoType.MODEL, RepoType.DATASET


def ref(address: str, kind: RepoType = MODEL) -> RepoRef:
    return RepoRef(kind, *address.split("/"))


async def where(make: Make, address: str, kind: RepoType = MODEL) -> tuple[int, str, bool] | None:
    found = await make.ask(repos.resolve, ref(address, kind))
    return None if found is None else (found[0].id, found[0].ref.repo_id, found[1])


async def test_a_repository(make: Make) -> None:
    alice = await make.user("Alice")
    new_id = await make.repo(
        alice, "Net", visibility=Visibility.INTERNAL, created_by=alice, description="A net"
    )
    repo = await make.ask(repos.by_id, new_id)
    assert repo == Repo(
        id=new_id, type=MODEL, namespace_id=alice, namespace="Alice", name="Net",
        visibility=Visibility.INTERNAL, default_branch="main", object_format="sha1",
        archived_at=None, deleted_at=None, created_at=repo.created_at, created_by=alice,
        pushed_at=None, size_bytes=0, description="A net", pushes_since_maintenance=0,
    )  # fmt: skip
    assert repo.ref == RepoRef(MODEL, "Alice", "Net")
    assert await make.ask(repos.by_id, new_id + 1) is None


async def test_an_address_is_taken_once_per_type(make: Make) -> None:
    alice = await make.user("alice")
    first = await make.repo(alice, "Net")
    with pytest.raises(Conflict, match="exists"):
        await make.repo(alice, "net")
    second = await make.repo(alice, "net", type=DATASET)
    assert await where(make, "ALICE/NET") == (first, "alice/Net", False)
    assert await where(make, "alice/net", DATASET) == (second, "alice/net", False)
    assert await where(make, "alice/net", RepoType.SPACE) is None
    assert await where(make, "nobody/net") is None


async def test_a_renamed_repository_is_found_at_every_address_it_had(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await make.repo(alice, "one")
    await make.do(repos.rename, new_id, alice, "two")
    await make.do(repos.rename, new_id, alice, "three")
    assert await where(make, "alice/three") == (new_id, "alice/three", False)
    assert await where(make, "alice/Two") == (new_id, "alice/three", True)
    assert await where(make, "alice/one") == (new_id, "alice/three", True)


async def test_renames_of_repository_and_namespace_combine(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await make.repo(alice, "one")
    await make.do(repos.rename, new_id, alice, "two")
    await make.do(namespaces.rename, alice, "alicia")
    for address in ("alice/one", "alice/two", "alicia/one"):
        assert await where(make, address) == (new_id, "alicia/two", True), address
    assert await where(make, "alicia/two") == (new_id, "alicia/two", False)


async def test_a_transferred_repository_is_found_at_both_places(make: Make) -> None:
    alice, org = await make.user("alice"), await make.org("org")
    new_id = await make.repo(alice, "net")
    await make.do(repos.rename, new_id, org, "net")
    await make.do(namespaces.rename, alice, "alicia")
    await make.do(namespaces.rename, org, "company")
    for address in ("alice/net", "alicia/net", "org/net"):
        assert await where(make, address) == (new_id, "company/net", True), address
    assert await where(make, "company/net") == (new_id, "company/net", False)


async def test_there_and_back_is_no_loop(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await make.repo(alice, "here")
    for name in ("there", "here", "there", "here"):
        await make.do(repos.rename, new_id, alice, name)
    assert await where(make, "alice/here") == (new_id, "alice/here", False)
    assert await where(make, "alice/there") == (new_id, "alice/here", True)


async def test_two_that_change_names_lead_to_whom_has_them_now(make: Make) -> None:
    alice = await make.user("alice")
    a, b = await make.repo(alice, "a"), await make.repo(alice, "b")
    await make.do(repos.rename, a, alice, "t")
    await make.do(repos.rename, b, alice, "a")
    await make.do(repos.rename, a, alice, "b")
    assert await where(make, "alice/a") == (b, "alice/a", False)
    assert await where(make, "alice/b") == (a, "alice/b", False)
    assert await where(make, "alice/t") == (a, "alice/b", True)


async def test_a_change_of_case_makes_no_redirect(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await make.repo(alice, "net")
    await make.do(repos.rename, new_id, alice, "Net")
    assert await where(make, "alice/net") == (new_id, "alice/Net", False)


async def test_a_new_repository_ends_the_redirect_from_its_address(make: Make) -> None:
    alice = await make.user("alice")
    old = await make.repo(alice, "net")
    await make.do(repos.rename, old, alice, "elsewhere")
    new = await make.repo(alice, "NET")
    assert await where(make, "alice/net") == (new, "alice/NET", False)
    await make.do(repos.rename, new, alice, "third")
    assert await where(make, "alice/net") == (new, "alice/third", True)


async def test_a_taken_address_is_refused(make: Make) -> None:
    alice = await make.user("alice")
    a = await make.repo(alice, "a")
    await make.repo(alice, "b")
    with pytest.raises(Conflict):
        await make.do(repos.rename, a, alice, "B")
    assert await where(make, "alice/a") == (a, "alice/a", False)


async def test_the_trash(make: Make) -> None:
    alice = await make.user("alice")
    old = await make.repo(alice, "net")
    await make.do(repos.rename, old, alice, "net2")
    await make.do(repos.trash, old)
    assert await where(make, "alice/net2") is None
    assert await where(make, "alice/net") is None  # nor by a redirect
    assert await make.ask(repos.by_id, old) is None
    assert (await make.ask(repos.by_id, old, trashed=True)).deleted_at > 0
    with pytest.raises(NotFound):
        await make.do(repos.trash, old)
    with pytest.raises(NotFound):
        await make.do(repos.set_description, old, "changed in the trash")
    await make.do(repos.restore, old)
    assert await where(make, "alice/net") == (old, "alice/net2", True)
    with pytest.raises(NotFound):
        await make.do(repos.restore, old)


async def test_an_address_in_the_trash_can_be_used_anew(make: Make) -> None:
    alice = await make.user("alice")
    old = await make.repo(alice, "net")
    await make.do(repos.trash, old)
    new = await make.repo(alice, "net")
    assert await where(make, "alice/net") == (new, "alice/net", False)
    with pytest.raises(Conflict):
        await make.do(repos.restore, old)
    await make.do(repos.rename, new, alice, "new")
    assert await where(make, "alice/net") == (new, "alice/new", True)
    await make.do(repos.restore, old)  # its own address wins over the redirect
    assert await where(make, "alice/net") == (old, "alice/net", False)


async def test_the_same_name_twice_in_the_trash(make: Make) -> None:
    alice = await make.user("alice")
    ids = []
    for _ in range(3):
        ids.append(await make.repo(alice, "net"))
        await make.do(repos.trash, ids[-1])
    found = await make.ask(repos.trashed, namespace_id=alice)
    assert [repo.id for repo in found] == ids
    assert await make.ask(repos.trashed, deleted_before=1.0) == []
    assert [r.id for r in await make.ask(repos.trashed, after=ids[0], limit=1)] == [ids[1]]


async def test_a_purge_takes_all_that_hangs_on_it(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    new_id = await make.repo(alice, "net")
    await make.do(repos.rename, new_id, alice, "net2")
    await make.do(repos.set_collaborator, new_id, bob, Role.READ)
    await make.do(rules.add, repo_id=new_id, pattern="main", kind="branch", push_role=Role.ADMIN)
    move = RefMove("refs/heads/main", "0" * 40, "1" * 40)
    push = await make.do(pushes.intent, repo_id=new_id, actor=Actor.system(), moves=[move])
    await make.do(pushes.finish, push, [move])
    with pytest.raises(NotFound):
        await make.do(repos.purge, new_id)  # only from the trash
    await make.do(repos.trash, new_id)
    await make.do(repos.purge, new_id)
    assert await make.ask(repos.by_id, new_id, trashed=True) is None
    assert await make.ask(repos.collaborators, new_id) == []
    assert await make.ask(pushes.page, new_id) == []
    assert len(await make.ask(pushes.events_after)) == 1  # what happened has happened
    assert await make.repo(alice, "net2") > new_id


async def test_settings_of_a_repository(make: Make) -> None:
    alice = await make.user("alice")
    new_id = await make.repo(alice, "net")
    await make.do(repos.set_visibility, new_id, Visibility.PUBLIC)
    await make.do(repos.set_archived, new_id, archived=True)
    await make.do(repos.set_default_branch, new_id, "trunk")
    await make.do(repos.set_description, new_id, "What it is")
    await make.do(repos.set_size, new_id, 5_000_000_000)
    repo: Any = await make.ask(repos.by_id, new_id)
    assert (repo.visibility, repo.default_branch) == (Visibility.PUBLIC, "trunk")
    assert (repo.description, repo.size_bytes) == ("What it is", 5_000_000_000)
    assert repo.archived_at > 0
    await make.do(repos.set_archived, new_id, archived=False)
    assert (await make.ask(repos.by_id, new_id)).archived_at is None


async def test_pushes_count_until_maintenance(make: Make) -> None:
    alice = await make.user("alice")
    a, b = await make.repo(alice, "a"), await make.repo(alice, "b")
    for _ in range(3):
        await make.do(repos.touch_pushed, a)
    await make.do(repos.touch_pushed, b, 12.5)
    assert (await make.ask(repos.by_id, b)).pushed_at == 12.5
    assert [r.id for r in await make.ask(repos.due_for_maintenance, 1)] == [a, b]
    assert [r.id for r in await make.ask(repos.due_for_maintenance, 2)] == [a]
    await make.do(repos.touch_pushed, a)  # while maintenance of three is under way
    await make.do(repos.set_maintained, a, 3)
    assert (await make.ask(repos.by_id, a)).pushes_since_maintenance == 1
    await make.do(repos.set_maintained, a, 3)
    assert (await make.ask(repos.by_id, a)).pushes_since_maintenance == 1


async def test_collaborators(make: Make) -> None:
    alice, bob = await make.user("alice"), await make.user("bob")
    new_id = await make.repo(alice, "net")
    await make.do(repos.set_collaborator, new_id, bob, Role.READ)
    await make.do(repos.set_collaborator, new_id, bob, Role.WRITE)
    found = await make.ask(repos.collaborators, new_id)
    assert [(m.user_id, m.name, m.role) for m in found] == [(bob, "bob", Role.WRITE)]
    assert await make.do(repos.remove_collaborator, new_id, bob) is True
    assert await make.do(repos.remove_collaborator, new_id, bob) is False


async def test_repositories_of_a_namespace_are_counted(make: Make) -> None:
    alice = await make.user("alice")
    await make.repo(alice, "a")
    await make.repo(alice, "a", type=DATASET)
    await make.do(repos.trash, await make.repo(alice, "b"))
    assert await make.ask(repos.count, alice) == 2
    assert await make.ask(repos.count, alice, DATASET) == 1


async def test_rules_belong_to_their_repository(make: Make) -> None:
    alice = await make.user("alice")
    a, b = await make.repo(alice, "a"), await make.repo(alice, "b")
    named: Any = {"pattern": "release/*", "kind": "branch", "push_role": Role.ADMIN}
    first = await make.do(rules.add, repo_id=a, **named)
    with pytest.raises(Conflict):
        await make.do(rules.add, repo_id=a, **named)
    tags = named | {"kind": "tag", "allow_delete": True}
    second = await make.do(rules.add, repo_id=a, **tags)
    await make.do(rules.add, repo_id=b, **named)
    found = await make.ask(rules.for_repo, a)
    assert [(r.id, r.kind, r.push_role, r.allow_force, r.allow_delete) for r in found] == [
        (first, rules.RuleKind.BRANCH, Role.ADMIN, False, False),
        (second, rules.RuleKind.TAG, Role.ADMIN, False, True),
    ]
    assert await make.do(rules.remove, b, first) is False
    assert await make.do(rules.remove, a, first) is True
    assert len(await make.ask(rules.for_repo, a)) == 1
