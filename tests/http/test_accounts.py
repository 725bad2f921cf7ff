from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.apiclient import Api
from tests.apiworld import World, public_key

Fresh = Callable[[str], str]


def test_whoami_tells_account_and_token(world: World) -> None:
    me = world.token("ada", "read").get("/me").json
    assert me["user"]["name"] == "ada"
    assert me["user"]["email"] == "ada@example.org"
    assert me["user"]["created_at"].endswith("Z")
    assert {"name": "lab", "role": "admin"} in me["orgs"]
    assert (me["scope"], me["limited"]) == ("read", False)


def test_whoami_without_a_token_is_401_with_a_challenge(world: World) -> None:
    reply = world.nobody.get("/me")
    assert reply.status == 401
    assert reply.error["code"] == "sign_in_needed"
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_one_changes_and_renames_ones_own_account(world: World, fresh: Fresh) -> None:
    name, other = fresh("carl"), fresh("karl")
    api = world.user(name)
    changed = api.patch("/me", {"full_name": "Carl C.", "email": f"{name}@example.org"})
    assert changed.json["full_name"] == "Carl C."
    assert changed.json["email"] == f"{name}@example.org"
    assert api.put("/me/name", {"name": other}).json["name"] == other
    moved = world.nobody.get(f"/namespaces/{name}")
    assert moved.status == 308
    assert moved.headers["Location"].endswith(f"/api/hub/v1/namespaces/{other}")
    assert world.nobody.get(f"/namespaces/{other}").json["kind"] == "user"


def test_the_password_changes_with_the_old_one_shown(world: World, fresh: Fresh) -> None:
    name = fresh("pass")
    api = world.user(name, "correct horse old")
    wrong = api.put("/me/password", {"old": "no such thing", "new": "correct horse new"})
    assert wrong.status == 401
    short = api.put("/me/password", {"old": "correct horse old", "new": "short"})
    assert (short.status, short.error["code"]) == (400, "invalid")
    done = api.put("/me/password", {"old": "correct horse old", "new": "correct horse new"})
    assert (done.status, done.body) == (204, b"")
    again = api.put("/me/password", {"old": "correct horse old", "new": "correct horse new2"})
    assert again.status == 401


def test_a_token_of_small_scope_cannot_guess_the_password(world: World, fresh: Fresh) -> None:
    name = fresh("guess")
    world.user(name, "correct horse old")
    api = world.token(name, "write")
    reply = api.put("/me/password", {"old": "correct horse old", "new": "correct horse new"})
    assert (reply.status, reply.error["code"]) == (403, "denied")


def test_administrators_manage_accounts(world: World, root: Api, fresh: Fresh) -> None:
    name = fresh("dora")
    made = root.post("/users", {"name": name, "password": "correct horse d", "full_name": "D"})
    assert made.status == 201
    assert made.json["is_admin"] is False
    assert root.post("/users", {"name": name}).status == 409
    assert root.get(f"/users/{name}").json["full_name"] == "D"
    assert root.patch(f"/users/{name}", {"full_name": "Dora"}).json["full_name"] == "Dora"
    assert root.put(f"/users/{name}/admin", {"is_admin": True}).json["is_admin"] is True
    assert root.put(f"/users/{name}/password", {"password": "correct horse e"}).status == 204
    assert root.get(f"/users/{name}").json["must_change_password"] is True
    api = world.token(name)
    assert api.get("/me").status == 200
    assert root.put(f"/users/{name}/disabled").json["disabled_at"] is not None
    assert api.get("/me").status == 401
    assert root.delete(f"/users/{name}/disabled").json["disabled_at"] is None
    assert api.get("/me").status == 200
    new = fresh("dorothea")
    assert root.put(f"/users/{name}/name", {"name": new}).json["name"] == new


def test_administrators_cannot_lock_themselves_out(root: Api) -> None:
    assert root.put("/users/root/disabled").status == 403
    assert root.put("/users/root/admin", {"is_admin": False}).status == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/users", None),
        ("POST", "/users", {"name": "intruder"}),
        ("GET", "/users/bob", None),
        ("PATCH", "/users/bob", {"full_name": "x"}),
        ("PUT", "/users/bob/name", {"name": "bobby"}),
        ("PUT", "/users/bob/password", {"password": "correct horse x"}),
        ("PUT", "/users/ada/admin", {"is_admin": True}),
        ("PUT", "/users/bob/disabled", None),
        ("GET", "/users/bob/keys", None),
        ("GET", "/users/bob/tokens", None),
        ("POST", "/users/bob/tokens", {"scope": "admin"}),
        ("GET", "/audit", None),
    ],
)
def test_others_accounts_are_closed(world: World, method: str, path: str, body: object) -> None:
    assert world.ada.call(method, path, body).status == 403
    assert world.nobody.call(method, path, body).status == 401
    weak = world.token("root", "write").call(method, path, body)
    assert (weak.status, weak.error["code"]) == (403, "denied")


def test_the_list_of_accounts_comes_in_parts(root: Api) -> None:
    names: list[str] = []
    path: str | None = "/users?limit=1"
    while path is not None:
        reply = root.get(path)
        assert len(reply.json) == 1
        names += [user["name"] for user in reply.json]
        path = reply.next
    assert len(names) == len(set(names))
    assert {"root", "ada", "bob"} <= set(names)
    assert names == sorted(names, key=str.lower)


def test_keys_are_added_listed_and_removed(world: World, fresh: Fresh) -> None:
    api, text = world.user(fresh("keys")), public_key()
    added = api.post("/me/keys", {"key": text, "name": "laptop"})
    assert added.status == 201
    key = added.json["key"]
    assert key["name"] == "laptop"
    assert key["fingerprint"].startswith("SHA256:")
    assert added.json["warning"] == ""
    assert [k["id"] for k in api.get("/me/keys").json] == [key["id"]]
    assert api.post("/me/keys", {"key": text}).status == 409
    assert world.bob.post("/me/keys", {"key": text}).status == 409
    assert api.post("/me/keys", {"key": "ssh-ed25519 nonsense"}).status == 400
    assert api.delete(f"/me/keys/{key['id']}").status == 204
    assert api.delete(f"/me/keys/{key['id']}").status == 404


def test_a_tokens_secret_is_shown_once(world: World, fresh: Fresh) -> None:
    api = world.user(fresh("toks"))
    made = api.post("/me/tokens", {"name": "ci", "scope": "write", "expires_in": 3600})
    assert made.status == 201
    secret, token = made.json["secret"], made.json["token"]
    assert secret.startswith("hubd_")
    assert token["expires_at"] is not None
    assert "secret" not in token
    listed = api.get("/me/tokens")
    assert secret.encode() not in listed.body
    assert token["id"] in [t["id"] for t in listed.json]
    used = Api(world.hub.http, secret)
    assert used.get("/me").json["scope"] == "write"
    assert api.delete(f"/me/tokens/{token['id']}").status == 204
    assert used.get("/me").status == 401
    assert api.delete(f"/me/tokens/{token['id']}").status == 404


def test_a_token_is_limited_to_places(world: World, ada: Api) -> None:
    made = ada.post(
        "/me/tokens",
        {"scope": "admin", "namespaces": ["lab"], "repos": [{"namespace": "ada", "name": "full"}]},
    )
    assert made.json["token"]["namespaces"] == ["lab"]
    assert made.json["token"]["repos"] == ["ada/full"]
    limited = Api(world.hub.http, made.json["secret"])
    assert limited.get("/me").json["limited"] is True
    assert limited.get("/repos/model/ada/full").status == 200
    assert limited.get("/repos/model/ada/secret").status == 404
    assert limited.patch("/repos/model/ada/full", {"description": "A full one"}).status == 200
    # Not even with scope admin does a limited token reach the account itself.
    assert limited.post("/me/tokens", {"scope": "admin"}).status == 403
    assert limited.get("/me/keys").status == 403


def test_a_token_cannot_be_limited_to_what_one_does_not_see(world: World) -> None:
    body = {"repos": [{"namespace": "ada", "name": "secret"}]}
    assert world.bob.post("/me/tokens", body).status == 404


def test_small_tokens_make_no_tokens(world: World) -> None:
    for scope in ("read", "write"):
        api = world.token("bob", scope)
        assert api.post("/me/tokens", {"scope": "admin"}).status == 403
        assert api.get("/me/tokens").status == 403


def test_administrators_make_and_end_tokens_of_others(world: World, root: Api) -> None:
    made = root.post("/users/bob/tokens", {"scope": "read", "name": "by root"})
    assert made.status == 201
    assert Api(world.hub.http, made.json["secret"]).get("/me").json["user"]["name"] == "bob"
    token_id = made.json["token"]["id"]
    assert token_id in [t["id"] for t in root.get("/users/bob/tokens").json]
    assert root.delete(f"/users/bob/tokens/{token_id}").status == 204
    key = root.post("/users/bob/keys", {"key": public_key()}).json["key"]
    assert root.delete(f"/users/bob/keys/{key['id']}").status == 204


def test_sessions_are_listed_and_absent_ones_not_found(world: World, ada: Api) -> None:
    assert isinstance(ada.get("/me/sessions").json, list)
    assert ada.delete("/me/sessions/999999").status == 404
    assert world.token("ada", "write").get("/me/sessions").status == 403


def test_the_audit_log_tells_who_did_what(world: World, root: Api, fresh: Fresh) -> None:
    name = fresh("audited")
    root.post("/users", {"name": name})
    lines = root.get("/audit", target=name, action="user.add").json
    assert len(lines) == 1
    assert lines[0]["actor"] == "root"
    assert lines[0]["channel"] == "api"
    assert lines[0]["address"] == "127.0.0.1"
    first = root.get("/audit", limit=2)
    assert len(first.json) == 2
    assert first.next is not None
    second = root.get(first.next)
    assert second.json[0]["id"] < first.json[-1]["id"]
