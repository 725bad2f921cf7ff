"""Discussions and pull requests, through the API and by git."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.apiclient import Api, Reply
from tests.hubkit import Repo, World
from tests.hubproc import Hub


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A hub with ada, who owns things, and bob, who reads."""
    folder = tmp_path_factory.mktemp("discussions")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


def api(world: World, user: str) -> Api:
    return Api(world.hub.http, world.tokens[user] if user else "")


def here(repo: Repo, rest: str = "") -> str:
    return f"/repos/model/{repo.name}{rest}"


def ok(reply: Reply, status: int = 200) -> Any:
    assert reply.status == status, reply.body
    return reply.json


def filled(world: World, visibility: str = "public") -> Repo:
    repo, work = world.repo(visibility), world.work()
    work.commit({"README.md": "# One\n", "b.txt": "b\n"})
    assert work.push(repo.http).returncode == 0
    return repo


def test_people_talk(world: World) -> None:
    repo = filled(world)
    ada, bob, nobody = api(world, "ada"), api(world, "bob"), api(world, "")
    made = ok(bob.post(here(repo, "/discussions"), {"title": "It  breaks", "body": "*Why?*"}), 201)
    assert (made["num"], made["title"], made["is_pull"], made["author"]) == (
        1,
        "It breaks",
        False,
        "bob",
    )
    ok(ada.post(here(repo, "/discussions/1/comments"), {"body": "Because."}), 201)
    assert nobody.post(here(repo, "/discussions/1/comments"), {"body": "x"}).status == 401
    story = ok(nobody.get(here(repo, "/discussions/1")))
    assert [(e["author"], e["body"]) for e in story["events"]] == [
        ("bob", "*Why?*"),
        ("ada", "Because."),
    ]
    assert ok(bob.patch(here(repo, "/discussions/1"), {"title": "It broke"}))["title"] == "It broke"
    assert bob.patch(here(repo, "/discussions/1"), {"pinned": True}).status == 403
    ok(ada.patch(here(repo, "/discussions/1"), {"pinned": True, "locked": True}))
    assert bob.post(here(repo, "/discussions/1/comments"), {"body": "x"}).status == 403
    ok(ada.patch(here(repo, "/discussions/1"), {"status": "closed"}))
    assert ok(nobody.get(here(repo, "/discussions"))) == []
    assert len(ok(nobody.get(here(repo, "/discussions"), status="closed"))) == 1
    kinds = [e["kind"] for e in ok(nobody.get(here(repo, "/discussions/1")))["events"]]
    assert kinds == ["comment", "comment", "title", "pin", "lock", "status"]


def test_what_is_said_in_private_stays_there(world: World) -> None:
    repo = filled(world, "private")
    ok(api(world, "ada").post(here(repo, "/discussions"), {"title": "Secret"}), 201)
    bob = api(world, "bob")
    for path in ("/discussions", "/discussions/1", "/discussions/1/changes"):
        assert bob.get(here(repo, path)).status == 404
    assert bob.post(here(repo, "/discussions"), {"title": "x"}).status == 404
    assert bob.post(here(repo, "/pulls"), {"title": "x"}).status == 404


def test_numbers_are_given_once(world: World) -> None:
    repo = filled(world)
    nums: list[int] = []

    def open_one() -> None:
        reply = api(world, "bob").post(here(repo, "/discussions"), {"title": "Me too"})
        nums.append(ok(reply, 201)["num"])

    threads = [threading.Thread(target=open_one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(nums) == list(range(1, 13))


def pull(world: World, repo: Repo, user: str = "bob", **body: Any) -> int:
    made = ok(api(world, user).post(here(repo, "/pulls"), {"title": "Better", **body}), 201)
    assert (made["is_pull"], made["status"], made["ref"]) == (
        True,
        "open",
        f"refs/pr/{made['num']}",
    )
    return int(made["num"])


def proposal(world: World, repo: Repo, num: int, user: str, files: dict[str, str]) -> Any:
    """Commits on top of a pull request, pushed to its ref by git."""
    work = world.work(user)
    url = world.http(repo.path, user)
    work.git("fetch", "-q", url, f"refs/pr/{num}")
    work.git("checkout", "-q", "-B", "mine", "FETCH_HEAD")
    work.commit(files)
    return work.git("push", url, f"HEAD:refs/pr/{num}", check=False)


def test_a_reader_proposes_and_the_owner_merges(world: World) -> None:
    repo = filled(world)
    num = pull(world, repo)
    done = proposal(world, repo, num, "bob", {"README.md": "# Two\n"})
    assert done.returncode == 0, done.stderr
    bob, ada = api(world, "bob"), api(world, "ada")
    changes = ok(bob.get(here(repo, f"/discussions/{num}/changes")))
    assert len(changes["commits"]) == 1
    assert changes["conflicts"] == []
    assert [file["new_path"] for file in changes["diff"]["files"]] == ["README.md"]
    merge = here(repo, f"/discussions/{num}/merge")
    assert bob.post(merge, {}).status == 403
    oid = ok(ada.post(merge, {}))["commit"]
    commit = ok(ada.get(here(repo, f"/commits/{oid}")))["commit"]
    assert len(commit["parents"]) == 2
    assert commit["subject"] == f"Merge pull request #{num}: Better"
    assert ok(ada.get(here(repo, "/blob"), path="README.md"))["text"] == "# Two\n"
    story = ok(ada.get(here(repo, f"/discussions/{num}")))
    assert story["discussion"]["status"] == "merged"
    assert [e["kind"] for e in story["events"]] == ["comment", "push", "push", "status"]
    # What it brought is shown as it was.
    assert len(ok(bob.get(here(repo, f"/discussions/{num}/changes")))["commits"]) == 1
    assert ada.post(merge, {}).status == 409
    late = proposal(world, repo, num, "ada", {"c": "1"})
    assert b"this pull request is merged" in late.stderr


def test_a_squash_has_one_parent(world: World) -> None:
    repo = filled(world)
    num = pull(world, repo, "ada")
    assert proposal(world, repo, num, "ada", {"x": "1"}).returncode == 0
    assert proposal(world, repo, num, "ada", {"x": "2"}).returncode == 0
    ada = api(world, "ada")
    body = {"how": "squash", "message": "X at once"}
    oid = ok(ada.post(here(repo, f"/discussions/{num}/merge"), body))["commit"]
    commit = ok(ada.get(here(repo, f"/commits/{oid}")))["commit"]
    assert (len(commit["parents"]), commit["subject"]) == (1, "X at once")


def test_a_conflict_is_named_and_nothing_moves(world: World) -> None:
    repo = filled(world)
    num = pull(world, repo)
    assert proposal(world, repo, num, "bob", {"README.md": "# Two\n"}).returncode == 0
    work = world.work()
    work.git("fetch", "-q", repo.http, "main")
    work.git("checkout", "-q", "-B", "main", "FETCH_HEAD")
    work.commit({"README.md": "# Three\n"})
    assert work.push(repo.http).returncode == 0
    ada = api(world, "ada")
    assert ok(ada.get(here(repo, f"/discussions/{num}/changes")))["conflicts"] == ["README.md"]
    before = ok(ada.get(here(repo, "/commits")))[0]["oid"]
    refused = ada.post(here(repo, f"/discussions/{num}/merge"), {})
    assert refused.status == 409
    assert "README.md" in refused.error["message"]
    assert ok(ada.get(here(repo, "/commits")))[0]["oid"] == before


def test_a_merge_passes_the_same_checks_as_a_push(world: World) -> None:
    repo = filled(world)
    num = pull(world, repo)
    assert proposal(world, repo, num, "bob", {"x": "1"}).returncode == 0
    api(world, "ada").patch(here(repo), {"archived": True})
    assert api(world, "ada").post(here(repo, f"/discussions/{num}/merge"), {}).status == 403


def test_who_may_push_to_a_pull_request(world: World) -> None:
    repo = filled(world)
    num = pull(world, repo, "ada")
    other = pull(world, repo, "bob")
    refused = proposal(world, repo, num, "bob", {"x": "1"})
    assert b"only ada and those who may push here" in refused.stderr
    # The owner may help with what others propose.
    assert proposal(world, repo, other, "ada", {"y": "1"}).returncode == 0
    work = world.work("bob")
    work.commit({"z": "1"})
    url = world.http(repo.path, "bob")
    to_main = work.git("push", url, "HEAD:refs/heads/stray", check=False)
    assert to_main.returncode != 0
    assert b"You may not push here" in to_main.stderr
    unknown = work.git("push", url, "HEAD:refs/pr/99", check=False)
    assert b"there is no such pull request" in unknown.stderr
    gone = work.git("push", url, f":refs/pr/{other}", check=False)
    assert b"cannot be deleted" in gone.stderr
    ok(api(world, "bob").patch(here(repo, f"/discussions/{other}"), {"status": "closed"}))
    closed = proposal(world, repo, other, "ada", {"x": "1"})
    assert b"this pull request is closed" in closed.stderr


def test_a_pull_request_from_a_branch(world: World) -> None:
    repo, work = filled(world), world.work()
    work.git("fetch", "-q", repo.http, "main")
    work.git("checkout", "-q", "-B", "feature", "FETCH_HEAD")
    work.commit({"new.txt": "1\n"})
    work.git("push", "-q", repo.http, "feature")
    num = pull(world, repo, "ada", head="feature")
    changes = ok(api(world, "ada").get(here(repo, f"/discussions/{num}/changes")))
    assert [file["new_path"] for file in changes["diff"]["files"]] == ["new.txt"]
    empty = pull(world, repo, "ada")
    refused = api(world, "ada").post(here(repo, f"/discussions/{empty}/merge"), {})
    assert "no commits" in refused.error["message"]
