from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.apiclient import Api
from tests.apiworld import FULL, World, public_key
from tests.hubproc import git

Fresh = Callable[[str], str]
SECRET = "/repos/model/ada/secret"


def test_a_repository_is_made_seen_changed_and_deleted(
    world: World, ada: Api, fresh: Fresh
) -> None:
    name = fresh("thing")
    made = ada.post("/repos", {"name": name, "type": "space", "description": "One"})
    assert made.status == 201
    assert made.json["visibility"] == "public"
    assert made.json["path"] == f"spaces/ada/{name}"
    assert made.json["http_url"] == f"{world.hub.http}/spaces/ada/{name}"
    assert made.json["ssh_url"] == f"{world.hub.ssh}/spaces/ada/{name}"
    assert ada.post("/repos", {"name": name, "type": "space"}).status == 409
    address = f"/repos/space/ada/{name}"
    changed = ada.patch(address, {"description": "Two", "visibility": "private"})
    assert (changed.json["description"], changed.json["visibility"]) == ("Two", "private")
    assert world.nobody.get(address).status == 404
    assert ada.patch(address, {"archived": True}).json["archived"] is True
    assert ada.patch(address, {"description": "Three"}).status == 403
    back = ada.patch(address, {"archived": False, "description": "Three"})
    assert (back.json["archived"], back.json["description"]) == (False, "Three")
    assert ada.delete(address).status == 204
    assert ada.get(address).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x", "type": "zoo"}, "type"),
        ({"name": "x", "visibility": "hidden"}, "visibility"),
        ({"name": "x", "object_format": "md5"}, "object_format"),
        ({"name": "x", "colour": "red"}, "colour"),
        ({"name": 7}, "name"),
        ({"name": "x", "default_branch": ""}, "default_branch"),
    ],
)
def test_a_wrong_field_is_named(ada: Api, body: dict[str, object], field: str) -> None:
    reply = ada.post("/repos", body)
    assert reply.status == 400
    assert f"`{field}`" in reply.error["message"]


def test_repositories_are_made_where_one_may(world: World, fresh: Fresh) -> None:
    name = fresh("where")
    assert world.nobody.post("/repos", {"namespace": "ada", "name": name}).status == 401
    assert world.nobody.post("/repos", {"name": name}).status == 401
    assert world.bob.post("/repos", {"namespace": "ada", "name": name}).status == 403
    assert world.bob.post("/repos", {"namespace": "absent", "name": name}).status == 404
    assert world.token("ada", "read").post("/repos", {"name": name}).status == 403
    assert world.token("ada", "write").post("/repos", {"name": name}).status == 201


@pytest.mark.parametrize(
    "path",
    ["", "/refs", "/tree", "/raw?path=README.md", "/blob?path=README.md", "/commits", "/pushes"],
)
def test_what_one_may_not_see_is_as_what_is_not_there(world: World, path: str) -> None:
    for api in (world.bob, world.nobody):
        hidden, absent = api.get(SECRET + path), api.get("/repos/model/ada/absent" + path)
        assert hidden.status == absent.status == 404
        mine, theirs = hidden.error, absent.error
        mine.pop("request_id"), theirs.pop("request_id")
        assert mine == theirs
    assert world.ada.get(SECRET + path).status == 200


def test_internal_is_for_those_who_are_signed_in(world: World) -> None:
    inner = "/repos/dataset/ada/inner"
    assert world.nobody.get(inner).status == 404
    assert world.bob.get(inner).status == 200
    assert world.bob.patch(inner, {"description": "x"}).status == 403


def test_the_list_shows_what_one_may_see(world: World, ada: Api) -> None:
    def seen(api: Api, **query: object) -> set[str]:
        return {r["path"] for r in api.get("/repos", namespace="ada", limit=200, **query).json}

    assert {"ada/full", "ada/secret", "datasets/ada/inner"} <= seen(ada)
    assert not {"ada/secret"} & seen(world.bob)
    assert not {"ada/secret", "datasets/ada/inner"} & seen(world.nobody)
    assert seen(ada, type="dataset") >= {"datasets/ada/inner"}
    assert "ada/full" not in seen(ada, type="dataset")
    assert "ada/full" in seen(ada, search="full one")
    assert seen(ada, search="no such words") == set()
    assert ada.get("/repos", namespace="absent").status == 404


def test_the_list_comes_in_parts(world: World, fresh: Fresh) -> None:
    owner = fresh("pages")
    api = world.user(owner)
    for number in range(5):
        world.repo(f"r{number}", api)
    names: list[str] = []
    path: str | None = f"/repos?namespace={owner}&sort=name&limit=2"
    pages = 0
    while path is not None:
        reply = api.get(path)
        names += [repo["name"] for repo in reply.json]
        path, pages = reply.next, pages + 1
    assert names == [f"r{number}" for number in range(5)]
    assert pages == 3


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1e9", ""])
def test_the_size_of_a_part_is_bounded(ada: Api, limit: str) -> None:
    reply = ada.get("/repos", limit=limit)
    assert reply.status == 400
    assert "`limit`" in reply.error["message"]


def test_a_renamed_repository_redirects_and_goes_on(world: World, ada: Api, fresh: Fresh) -> None:
    old, name = world.repo(fresh("old")), fresh("new")
    url = f"/repos/model/ada/{name}"
    assert ada.put(f"{old}/address", {"name": name}).json["name"] == name
    for api, method, path in (
        (world.nobody, "GET", ""),
        (ada, "GET", "/refs?limit=5"),
        (ada, "DELETE", ""),
    ):
        reply = api.call(method, old + path)
        assert reply.status == 308
        assert reply.headers["Location"] == f"{world.hub.http}/api/hub/v1{url}{path}"
    patched = ada.patch(old, {"visibility": "private"})
    assert patched.status == 308
    assert ada.patch(url, {"visibility": "private"}).status == 200
    # The redirect tells a stranger nothing of a private repository.
    assert world.bob.get(old).status == 404


def test_a_repository_is_transferred_where_one_may_create(
    world: World, ada: Api, fresh: Fresh
) -> None:
    name = fresh("moving")
    url = world.repo(name)
    assert ada.put(f"{url}/address", {"namespace": "bob"}).status == 403
    moved = ada.put(f"{url}/address", {"namespace": "lab"})
    assert moved.json["path"] == f"lab/{name}"
    assert ada.get(url).status == 308


def test_a_default_branch_must_exist(ada: Api) -> None:
    assert ada.patch(FULL, {"default_branch": "absent"}).status == 404
    assert ada.patch(FULL, {"default_branch": "work"}).json["default_branch"] == "work"
    assert ada.get(FULL + "/refs").json[0]["name"] == "work"
    assert ada.patch(FULL, {"default_branch": "main"}).status == 200


def test_collaborators_get_and_lose_a_role(world: World, ada: Api, fresh: Fresh) -> None:
    url = world.repo(fresh("shared"), visibility="private")
    guest = fresh("gast")
    api = world.user(guest)
    people = f"{url}/collaborators"
    assert api.get(url).status == 404
    assert ada.put(f"{people}/{guest}", {"role": "read"}).status == 204
    assert api.get(url).status == 200
    assert api.get(people).status == 403
    assert [(p["name"], p["role"]) for p in ada.get(people).json] == [(guest, "read")]
    assert ada.put(f"{people}/ada", {"role": "read"}).status == 409
    assert ada.put(f"{people}/absent", {"role": "read"}).status == 404
    assert world.token("ada", "write").get(people).status == 403
    assert ada.delete(f"{people}/{guest}").status == 204
    assert ada.delete(f"{people}/{guest}").status == 404
    assert api.get(url).status == 404


def test_deploy_keys_belong_to_one_repository(world: World, ada: Api, fresh: Fresh) -> None:
    url = world.repo(fresh("deployed"))
    text = public_key()
    made = ada.post(f"{url}/keys", {"key": text, "name": "ci", "can_write": True})
    assert made.status == 201
    key = made.json["key"]
    assert (key["name"], key["can_write"]) == ("ci", True)
    assert ada.post(f"{url}/keys", {"key": text}).status == 409
    assert [k["id"] for k in ada.get(f"{url}/keys").json] == [key["id"]]
    assert world.bob.get(f"{url}/keys").status == 403
    assert ada.delete(f"{url}/keys/{key['id']}").status == 204
    assert ada.get(f"{url}/keys").json == []


def test_rules_protect_branches(world: World, ada: Api, fresh: Fresh) -> None:
    url = world.repo(fresh("ruled"))
    own = ada.get(f"{url}/rules").json
    assert [(r["id"], r["pattern"]) for r in own] == [(None, "main")]
    made = ada.post(f"{url}/rules", {"pattern": "release/*", "push_role": "admin"})
    assert made.status == 201
    assert ada.post(f"{url}/rules", {"pattern": "release/*"}).status == 409
    assert world.bob.post(f"{url}/rules", {"pattern": "x"}).status == 403
    assert [r["pattern"] for r in world.bob.get(f"{url}/rules").json] == ["main", "release/*"]
    assert ada.delete(f"{url}/rules/{made.json['id']}").status == 204
    assert ada.delete(f"{url}/rules/{made.json['id']}").status == 404


def test_pushes_are_recorded(world: World, ada: Api, fresh: Fresh) -> None:
    name = fresh("pushed")
    url = world.repo(name)
    remote = world.hub.git_url(f"ada/{name}", ada.token)
    for branch in ("one", "two", "three"):
        git("push", "-q", remote, f"main:refs/heads/{branch}", cwd=world.work)
    first = ada.get(f"{url}/pushes", limit=2)
    assert [p["refs"][0]["ref"] for p in first.json] == ["refs/heads/three", "refs/heads/two"]
    push = first.json[0]
    assert (push["actor"], push["channel"]) == ("ada", "http")
    assert push["refs"][0]["old"] == "0" * 40
    assert push["refs"][0]["new"] == world.git("rev-parse", "main")
    assert first.next is not None
    assert [p["refs"][0]["ref"] for p in ada.get(first.next).json] == ["refs/heads/one"]


def test_what_was_deleted_is_listed_and_restored_by_its_owner(
    world: World, ada: Api, fresh: Fresh
) -> None:
    name, trash = fresh("gone"), "/namespaces/ada/trash"
    ada.post("/repos", {"name": name, "visibility": "private"})
    ada.delete(f"/repos/model/ada/{name}")
    (found,) = [repo for repo in ada.get(trash).json if repo["name"] == name]
    assert found["type"] == "model"
    assert found["purged_at"] > found["deleted_at"]
    back = f"{trash}/{found['id']}/restore"
    for other, status in ((world.nobody, 401), (world.bob, 403)):
        assert other.get(trash).status == status
        assert other.post(back, {}).status == status
    # Not by way of another namespace.
    assert world.bob.post(f"/namespaces/bob/trash/{found['id']}/restore", {}).status == 404
    ada.post("/repos", {"name": name})
    assert ada.post(back, {}).status == 409
    assert ada.post(back, {"name": "../x"}).status == 400
    assert ada.post(back, {"name": f"{name}-2"}).json["visibility"] == "private"
    assert ada.get(f"/repos/model/ada/{name}-2").json["visibility"] == "private"
    assert ada.post(back, {}).status == 404
    ada.delete(f"/repos/model/ada/{name}")
    assert found["id"] not in [repo["id"] for repo in ada.get(trash).json]
