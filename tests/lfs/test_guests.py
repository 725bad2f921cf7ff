"""Decision 8: a reader uploads the objects of a pull request, out of his own quota."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hubd.types import Role
from tests.apiclient import Api, Reply, basic
from tests.hubkit import Repo, World
from tests.lfs.conftest import PART
from tests.lfskit import Big, client


def used(world: World, repo: Repo, user: str) -> tuple[int, int]:
    """The bytes that a repository, and an account's namespace, pays for."""

    async def look(core: Any, _actor: Any) -> tuple[int, int]:
        from hubd.store import namespaces, objects

        async with core.store.read() as conn:
            found = await namespaces.by_name(conn, user)
            assert found is not None
            of_repo = await objects.usage_of_repo(conn, repo.id)
            return of_repo.bytes, (await objects.usage_of_namespace(conn, found[0].id)).bytes

    return world.inside(look)


def limited(world: World, repo: Repo, size: int) -> None:
    """Give the repository this quota."""

    async def limit(core: Any, _actor: Any) -> None:
        from hubd.store import quotas

        await core.store.write(lambda conn: quotas.put(conn, repo_id=repo.id, bytes=size))

    world.inside(limit)


def asked(world: World, repo: Repo, user: str, what: str, **body: Any) -> Reply:
    """A request about discussions, as the Hub's client sends it."""
    path = f"/hf/api/models/{repo.name}/discussions{what}"
    headers = {"Authorization": f"Bearer {world.tokens[user]}", "Content-Type": "application/json"}
    return Api(world.hub.http).send("POST", path, data=msgspec.json.encode(body), headers=headers)


def opened(world: World, repo: Repo, user: str) -> None:
    """This person's empty pull request 1."""
    work = world.work(repo.owner)
    work.commit({"a.txt": "a"})
    assert work.push(repo.http).returncode == 0
    assert asked(world, repo, user, "", title="Large", pullRequest=True).status == 200


def pushed(world: World, repo: Repo, user: str, big: Big, ref: str) -> bool:
    """Whether a commit with a pointer is taken."""
    work = world.work(user)
    work.git("pull", "-q", world.http(repo.path, user), ref)
    work.commit({"big.bin": big.pointer})
    return work.push(world.http(repo.path, user), f"HEAD:{ref}").returncode == 0


def merge(world: World, repo: Repo) -> Reply:
    """The owner merges pull request 1."""
    return asked(world, repo, repo.owner, "/1/merge")


def answered(reply: Reply) -> Any:
    """The body of what succeeded."""
    assert reply.status == 200, reply.body
    return msgspec.json.decode(reply.body)


@pytest.fixture
def repo(world: World) -> Repo:
    """A public repository of ada's."""
    return world.repo()


def test_what_a_reader_brings_is_on_his_account_until_it_is_merged(
    world: World, repo: Repo
) -> None:
    bob, big = client(repo, "bob"), Big.random(3000)
    before = used(world, repo, "bob")[1]
    opened(world, repo, "bob")
    bob.upload(big)
    assert used(world, repo, "bob") == (0, before + 3000)
    assert pushed(world, repo, "bob", big, "refs/pr/1")
    # Whoever sees the pull request sees its files, also nobody in particular.
    assert client(repo).download(big) == big.data
    assert merge(world, repo).status == 200
    assert used(world, repo, "bob") == (3000, before)
    assert client(repo, "bob").download(big) == big.data


def test_an_upload_is_no_right_to_a_branch(world: World, repo: Repo) -> None:
    big = Big.random()
    opened(world, repo, "bob")
    client(repo, "bob").upload(big)
    assert not pushed(world, repo, "bob", big, "refs/heads/main")
    assert pushed(world, repo, "bob", big, "refs/pr/1")


def test_in_parts(world: World, repo: Repo) -> None:
    bob, big = client(repo, "bob"), Big.random(PART + 1)
    before = used(world, repo, "bob")[1]
    body = {"operation": "upload", "transfers": ["multipart-basic"], "objects": [big.named]}
    todo = answered(bob.call("objects/batch", body))["objects"][0]["actions"]
    for part in todo["parts"]:
        data = big.data[part["pos"] : part["pos"] + part["size"]]
        assert bob.send("PUT", part["href"], data).status == 200
    assert bob.send("POST", todo["commit"]["href"]).status == 200
    assert used(world, repo, "bob") == (0, before + len(big.data))


def test_the_readers_own_quota_holds(world: World, repo: Repo) -> None:
    world.add_user("carol")
    (found,) = world.sql("SELECT id FROM namespaces WHERE name = ?", "carol")

    async def limit(core: Any, _actor: Any) -> None:
        from hubd.store import quotas

        await core.store.write(lambda conn: quotas.put(conn, namespace_id=found[0], bytes=5000))

    world.inside(limit)
    client(repo, "carol").upload(Big.random(3000))
    for place in (world.repo(owner="carol"), repo):
        (answer,) = client(place, "carol").batch("upload", Big.random(3000)).values()
        assert answer["error"]["code"] == 507
    # It is not the limit of whom it is for.
    client(repo, "ada").upload(Big.random(3000))


def test_what_does_not_fit_is_not_merged(world: World, repo: Repo) -> None:
    big = Big.random(3000)
    limited(world, repo, 2000)
    opened(world, repo, "bob")
    client(repo, "bob").upload(big)
    assert pushed(world, repo, "bob", big, "refs/pr/1")
    refusal = merge(world, repo)
    assert refusal.status == 413, refusal.body
    assert b"do not fit" in refusal.body
    limited(world, repo, 4000)
    assert merge(world, repo).status == 200


def test_what_a_refused_merge_leaves_is_on_his_account_still(world: World, repo: Repo) -> None:
    big = Big.random(3000)
    before = used(world, repo, "bob")[1]
    opened(world, repo, "bob")
    client(repo, "bob").upload(big)
    assert pushed(world, repo, "bob", big, "refs/pr/1")
    rule = {"pattern": "main", "approvals": 1}
    ada = Api(world.hub.http, world.tokens["ada"])
    assert ada.post(f"/repos/model/{repo.name}/rules", rule).status == 201
    assert b"waits for approvals" in merge(world, repo).body
    assert used(world, repo, "bob") == (0, before + 3000)


def refused(repo: Repo, token: str) -> Reply:
    """The answer to a batch for an upload."""
    path = f"/{repo.path}.git/info/lfs/objects/batch"
    data = msgspec.json.encode({"operation": "upload", "objects": [Big.random().named]})
    headers = {"Content-Type": "application/vnd.git-lfs+json"} | (
        basic("x", token) if token else {}
    )
    return Api(repo.world.hub.http).send("POST", path, data=data, headers=headers)


def test_who_may_not(world: World, repo: Repo) -> None:
    private = world.repo("private")
    assert refused(private, world.tokens["bob"]).status == 404
    assert refused(repo, "").status == 401
    assert refused(repo, world.token("bob", "read")).status == 403
    world.grant(private, "bob", Role.READ)
    assert refused(private, world.tokens["bob"]).status == 200


def test_locks_are_shown_to_who_is_about_to_push(repo: Repo) -> None:
    assert client(repo).call("locks", {"path": "a.bin"}).status == 201
    seen = answered(client(repo, "bob").call("locks/verify", {}))
    assert [lock["path"] for lock in seen["theirs"]] == ["a.bin"]
    assert client(repo, "bob").call("locks", {"path": "b.bin"}).status == 403
