"""Commits, branches and tags by API."""

from __future__ import annotations

from collections.abc import Callable

from tests.apiworld import World

Fresh = Callable[[str], str]


def _repo(world: World, name: str) -> str:
    body = {"type": "model", "namespace": "ada", "name": name, "visibility": "private"}
    made = world.ada.post("/repos", body)
    assert made.status == 201, made.json
    return f"/repos/model/ada/{name}"


def _commit(path: str, content: str) -> dict[str, object]:
    return {"message": "By API", "changes": [{"op": "add", "path": path, "content": content}]}


def test_a_commit_by_api_can_be_read_back(world: World, fresh: Fresh) -> None:
    repo = _repo(world, fresh("changes"))
    done = world.ada.post(repo + "/commits", _commit("a.txt", "hello\n"))
    assert done.status == 201, done.json
    text = world.ada.get(repo + "/blob", path="a.txt").json
    assert text["text"] == "hello\n"
    parent = done.json["oid"]
    later = world.ada.post(repo + "/commits", {**_commit("b.txt", "b"), "parent": parent})
    assert later.json["parent"] == parent
    stale = world.ada.post(repo + "/commits", {**_commit("c.txt", "c"), "parent": parent})
    assert stale.status == 409


def test_a_refused_commit_shows_its_findings(world: World, fresh: Fresh) -> None:
    repo = _repo(world, fresh("refused"))
    changes = [
        {"op": "add", "path": "Readme.md", "content": "a"},
        {"op": "add", "path": "README.md", "content": "b"},
    ]
    refused = world.ada.post(repo + "/commits", {"message": "Twins", "changes": changes})
    assert refused.status == 422
    findings = refused.json["error"]["findings"]
    assert "README.md and Readme.md" in findings[0]["message"]


def test_branches_and_tags_come_and_go(world: World, fresh: Fresh) -> None:
    repo = _repo(world, fresh("refs"))
    oid = world.ada.post(repo + "/commits", _commit("a", "a")).json["oid"]
    for kind in ("branch", "tag"):
        made = world.ada.post(repo + "/refs", {"kind": kind, "name": "v2", "oid": oid})
        assert made.status == 201, made.json
        assert world.ada.call("DELETE", repo + "/refs", kind=kind, name="v2").status == 204
    kept = world.ada.call("DELETE", repo + "/refs", kind="branch", name="main")
    assert kept.status == 422
    assert "protected" in kept.json["error"]["findings"][0]["message"]


def test_a_stranger_commits_nothing(world: World, fresh: Fresh) -> None:
    repo = _repo(world, fresh("closed"))
    assert world.nobody.post(repo + "/commits", _commit("a", "a")).status in {401, 404}
