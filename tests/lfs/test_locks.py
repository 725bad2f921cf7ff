"""Locks over HTTP, by hand, and the pushes they stop."""

from __future__ import annotations

import re
import threading
from typing import Any

import msgspec
import pytest

from hubd.types import Role
from tests.apiclient import Reply
from tests.gitkit import Work
from tests.hubkit import Repo, World
from tests.lfskit import LfsClient, client

# Rows, and no bytes.
pytestmark = pytest.mark.parametrize("backed", ["local"], indirect=True)


def body(reply: Reply) -> Any:
    return msgspec.json.decode(reply.body)


def lock(who: LfsClient, path: str, status: int = 201) -> dict[str, Any]:
    reply = who.call("locks", {"path": path, "ref": {"name": "refs/heads/main"}})
    assert reply.status == status, reply.body
    return dict(body(reply)["lock"])


@pytest.fixture
def shared(world: World) -> Repo:
    """Ada's, with bob as a writer."""
    repo = world.repo()
    world.grant(repo, "bob")
    return repo


def test_a_lock_is_made_listed_and_taken_away(shared: Repo) -> None:
    ada = client(shared)
    made = lock(ada, "art/one.psd")
    assert made["owner"] == {"name": "ada"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["locked_at"])
    assert body(ada.get("locks")) == {"locks": [made]}
    assert body(LfsClient(shared).get("locks")) == {"locks": [made]}
    assert body(ada.call(f"locks/{made['id']}/unlock", {})) == {"lock": made}
    assert body(ada.get("locks")) == {"locks": []}
    assert ada.call(f"locks/{made['id']}/unlock", {}).status == 404


def test_a_locked_path_is_not_locked_again(shared: Repo) -> None:
    ada, bob = client(shared), client(shared, "bob")
    made = lock(ada, "a.bin")
    for who in (ada, bob):
        reply = who.call("locks", {"path": "a.bin"})
        assert reply.status == 409
        assert body(reply) == {"lock": made, "message": "a.bin is locked by ada already."}


def test_one_of_eight_wins(world: World) -> None:
    ada = client(world.repo())
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(ada.call("locks", {"path": "x"}).status))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [201, *[409] * 7]


def test_T45_lists_are_narrowed_and_come_in_pages(shared: Repo) -> None:
    ada = client(shared)
    made = [lock(ada, f"{name}.bin") for name in "abcde"]
    assert body(ada.get("locks?path=c.bin"))["locks"] == [made[2]]
    assert body(ada.get(f"locks?id={made[3]['id']}&refspec=refs/heads/x"))["locks"] == [made[3]]
    seen, cursor = [], ""
    while True:
        page = body(ada.get(f"locks?limit=2&cursor={cursor}"))
        seen += page["locks"]
        cursor = page.get("next_cursor", "")
        if not cursor:
            break
        assert len(page["locks"]) == 2
    assert seen == made


def test_verify_says_whose(shared: Repo) -> None:
    ada, bob = client(shared), client(shared, "bob")
    first, second = lock(ada, "ada.bin"), lock(bob, "bob.bin")
    asked = {"ref": {"name": "refs/heads/main"}}
    assert body(ada.call("locks/verify", asked)) == {"ours": [first], "theirs": [second]}
    assert body(bob.call("locks/verify", asked)) == {"ours": [second], "theirs": [first]}
    page = body(ada.call("locks/verify", {"limit": 1}))
    assert (page["ours"], page["theirs"]) == ([first], [])
    rest = body(ada.call("locks/verify", {"cursor": page["next_cursor"]}))
    assert rest == {"ours": [], "theirs": [second]}


def test_T45_only_the_owner_unlocks_or_an_administrator_by_force(
    world: World, shared: Repo
) -> None:
    ada, bob = client(shared), client(shared, "bob")
    hers, his = lock(ada, "ada.bin"), lock(bob, "bob.bin")
    for wish in ({}, {"force": True}):
        assert bob.call(f"locks/{hers['id']}/unlock", wish).status == 403
    assert ada.call(f"locks/{his['id']}/unlock", {}).status == 403
    assert ada.call(f"locks/{his['id']}/unlock", {"force": True}).status == 200
    world.grant(shared, "bob", Role.ADMIN)
    assert bob.call(f"locks/{hers['id']}/unlock", {"force": True}).status == 200


def test_T45_a_lock_is_looked_up_in_its_own_repository(world: World, shared: Repo) -> None:
    made = lock(client(shared), "a.bin")
    elsewhere = client(world.repo(owner="bob"))
    assert elsewhere.call(f"locks/{made['id']}/unlock", {"force": True}).status == 404
    assert body(elsewhere.get(f"locks?id={made['id']}")) == {"locks": []}


def test_who_may_not_is_refused(world: World) -> None:
    private, public = world.repo("private"), world.repo()
    assert LfsClient(private).get("locks").status == 401
    assert client(private, "bob").get("locks").status == 404
    for path, asked in (("locks", {"path": "a"}), ("locks/verify", {}), ("locks/1/unlock", {})):
        assert LfsClient(public).call(path, asked).status == 401
        assert LfsClient(public, world.token("bob", "read")).call(path, asked).status == 403
        if path != "locks/verify":
            assert client(public, "bob").call(path, asked).status == 403


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("locks", {}),
        ("locks", {"path": ""}),
        ("locks", {"path": "../x"}),
        ("locks", {"path": "/x"}),
        ("locks", {"path": "a\0b"}),
        ("locks", {"path": "x", "ref": {"name": "refs/heads/.."}}),
        ("locks/verify", {"cursor": "x"}),
        ("locks/abc/unlock", {}),
        ("locks/99999999999999999999999/unlock", {}),
    ],
)
def test_a_malformed_request_is_refused(world: World, path: str, asked: Any) -> None:
    reply = client(world.repo()).call(path, asked)
    assert reply.status == 422
    assert body(reply)["message"]


def start(shared: Repo) -> tuple[Work, Work]:
    """Two clones, ada's and bob's, of a branch with three files."""
    ada = shared.world.work()
    ada.commit({"a.bin": "a", "b.bin": "b", "dir/c.bin": "c"})
    assert ada.push(shared.http).returncode == 0
    bob = shared.world.work("bob")
    bob.git("pull", "-q", shared.url("http", "bob"), "main")
    return ada, bob


def refusal(shared: Repo, work: Work, *refs: str) -> str:
    """What bob's push is told; empty if it passes."""
    done = work.push(shared.url("http", "bob"), *refs)
    return "" if done.returncode == 0 else done.stderr.decode()


@pytest.mark.parametrize("change", ["edit", "delete", "rename", "replace by a folder"])
def test_a_push_that_touches_anothers_lock_is_refused(shared: Repo, change: str) -> None:
    ada, bob = start(shared)
    lock(client(shared), "dir/c.bin")
    if change == "edit":
        bob.commit({"dir/c.bin": "other"})
    else:
        bob.git(*(("mv", "dir/c.bin", "d.bin") if change == "rename" else ("rm", "dir/c.bin")))
        bob.commit({"dir/c.bin/x": "x"} if change.startswith("replace") else {"x": "x"})
    told = refusal(shared, bob)
    assert "dir/c.bin (by ada): locked by somebody else. [locks]" in told
    # Its owner may.
    ada.commit({"dir/c.bin": "mine"})
    assert ada.push(shared.http).returncode == 0


def test_a_push_beside_anothers_lock_passes(shared: Repo) -> None:
    _, bob = start(shared)
    lock(client(shared), "a.bin")
    lock(client(shared, "bob"), "b.bin")
    bob.commit({"b.bin": "other", "dir/c.bin": "other"})
    assert refusal(shared, bob) == ""


def test_a_new_file_or_branch_does_not_get_around_a_lock(shared: Repo) -> None:
    _, bob = start(shared)
    lock(client(shared), "a.bin")
    lock(client(shared), "new.bin")
    old = bob.head()
    bob.commit({"new.bin": "x"})
    assert "new.bin (by ada)" in refusal(shared, bob)
    bob.git("reset", "-q", "--hard", old)
    bob.commit({"a.bin": "other"})
    assert "a.bin (by ada)" in refusal(shared, bob, "HEAD:refs/heads/side")
    assert "a.bin (by ada)" in refusal(shared, bob, "HEAD:refs/heads/main")


def test_a_branch_from_before_a_change_of_the_locked_file_passes(shared: Repo) -> None:
    ada, bob = start(shared)
    lock(client(shared), "a.bin")
    ada.commit({"a.bin": "newer"})
    assert ada.push(shared.http).returncode == 0
    bob.commit({"b.bin": "other"})
    assert refusal(shared, bob, "HEAD:refs/heads/side") == ""


def test_the_first_push_must_keep_off_locks_too(shared: Repo) -> None:
    lock(client(shared), "a.bin")
    bob = shared.world.work("bob")
    bob.commit({"a.bin": "a"})
    assert "a.bin (by ada)" in refusal(shared, bob)
