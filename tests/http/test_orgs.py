from __future__ import annotations

from collections.abc import Callable

from tests.apiclient import Api
from tests.apiworld import World

Fresh = Callable[[str], str]


def test_an_organization_is_made_changed_and_renamed(world: World, fresh: Fresh) -> None:
    api, name, new = world.user(fresh("olga")), fresh("guild"), fresh("league")
    made = api.post("/orgs", {"name": name, "full_name": "The Guild"})
    assert made.status == 201
    assert made.json["default_visibility"] == "public"
    assert api.post("/orgs", {"name": name}).status == 409
    assert api.post("/orgs", {"name": "api"}).status in {400, 409}
    changed = api.patch(f"/orgs/{name}", {"default_visibility": "private"})
    assert changed.json["default_visibility"] == "private"
    assert world.bob.patch(f"/orgs/{name}", {"full_name": "x"}).status == 403
    assert world.nobody.patch(f"/orgs/{name}", {"full_name": "x"}).status == 401
    assert api.put(f"/orgs/{name}/name", {"name": new}).json["name"] == new
    assert world.nobody.get(f"/namespaces/{name}").status == 308
    assert world.nobody.get(f"/orgs/{new}").json["full_name"] == "The Guild"
    assert world.nobody.get("/orgs/absent").status == 404
    assert world.nobody.get("/orgs/ada").status == 404
    assert world.nobody.get("/namespaces/absent").status == 404


def test_members_come_change_and_leave(world: World, fresh: Fresh) -> None:
    owner, name = world.user(fresh("otto")), fresh("team")
    member = fresh("mira")
    other = world.user(member)
    owner.post("/orgs", {"name": name})
    assert owner.put(f"/orgs/{name}/members/{member}", {"role": "write"}).status == 204
    listed = {m["name"]: m["role"] for m in other.get(f"/orgs/{name}/members").json}
    assert listed[member] == "write"
    assert world.nobody.get(f"/orgs/{name}/members").status == 401
    assert other.put(f"/orgs/{name}/members/{member}", {"role": "admin"}).status == 403
    assert {"name": name, "role": "write"} in other.get("/me/orgs").json
    assert other.post("/repos", {"namespace": name, "name": "ours"}).status == 201
    assert owner.put(f"/orgs/{name}/members/{member}", {"role": "read"}).status == 204
    assert other.post("/repos", {"namespace": name, "name": "more"}).status == 403
    assert other.delete(f"/me/orgs/{name}").status == 204
    assert other.delete(f"/me/orgs/{name}").status == 404
    assert owner.delete(f"/orgs/{name}/members/{member}").status == 404
    assert owner.put(f"/orgs/{name}/members/absent", {"role": "read"}).status == 404
    assert owner.put(f"/orgs/{name}/members/{member}", {"role": "king"}).status == 400


def test_the_last_administrator_stays(world: World, ada: Api) -> None:
    assert ada.delete("/me/orgs/lab").status == 409
    assert ada.delete("/orgs/lab/members/ada").status == 409
    assert ada.put("/orgs/lab/members/ada", {"role": "write"}).status == 409
    # Nor does an administrator of the hub take it away.
    assert world.root.delete("/orgs/lab/members/ada").status == 409
