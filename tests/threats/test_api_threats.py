"""Attacks on the JSON API; each test carries the row of the threat table that it answers."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest

from hubd.http.api.endpoint import REPO, Endpoint
from hubd.http.api.table import ENDPOINTS
from tests.apiclient import PREFIX, Api, Reply, basic
from tests.apiworld import FULL, World, public_key
from tests.formkit import Browser, hidden

SECRET = "/repos/model/ada/secret"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.started(tmp_path_factory.mktemp("api")) as made:
        yield made


def _name(stem: str) -> str:
    return f"{stem}{next(_numbers)}"


# T02: one verdict for every form of a credential.

FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda token: {"Authorization": f"Bearer {token}"},
    "token": lambda token: {"Authorization": f"token {token}"},
    "basic password": lambda token: basic("ada", token),
    "basic any name": lambda token: basic("somebody", token),
    "basic user": lambda token: basic(token, ""),
}
NO_FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "x-auth-token": lambda token: {"X-Auth-Token": token},
    "cookie": lambda token: {"Cookie": f"token={token}; session={token}; hubd_session={token}"},
}
ACTIONS: dict[str, tuple[str, str, bytes | None]] = {
    "read": ("GET", SECRET, None),
    "write": ("PATCH", SECRET, b'{"description":"x"}'),
    "account": ("GET", "/me/tokens", None),
    "hub": ("GET", "/users", None),
}


def _act(hub: World, action: str, headers: dict[str, str]) -> int:
    method, path, data = ACTIONS[action]
    sent = headers | ({"Content-Type": "application/json"} if data else {})
    return hub.nobody.send(method, PREFIX + path, data=data, headers=sent).status


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_T02_every_form_of_a_token_gets_one_verdict(hub: World, scope: str, action: str) -> None:
    token = hub.token("ada", scope).token
    verdicts = {form: _act(hub, action, make(token)) for form, make in FORMS.items()}
    assert len(set(verdicts.values())) == 1, verdicts
    allowed = {"read": True, "write": scope != "read", "account": scope == "admin", "hub": False}
    assert (verdicts["bearer"] == 200) is allowed[action]


@pytest.mark.parametrize("form", NO_FORMS)
@pytest.mark.parametrize("action", ACTIONS)
def test_T02_other_forms_are_no_credential(hub: World, form: str, action: str) -> None:
    assert _act(hub, action, NO_FORMS[form](hub.root.token)) in {401, 404}


def test_T02_a_token_in_the_address_is_refused(hub: World) -> None:
    for name in ("token", "access_token", "private_token"):
        reply = hub.nobody.send("GET", PREFIX + SECRET, query={name: hub.ada.token})
        assert reply.status == 400
        assert hub.ada.token.encode() not in reply.body


def test_T02_a_browser_session_is_no_credential(hub: World) -> None:
    session = _sign_in(hub, "ada", "correct horse ada")
    assert hub.nobody.send("GET", "/-/account/tokens", headers=session).status == 200
    for path in ("/me", "/me/tokens"):
        assert hub.nobody.send("GET", PREFIX + path, headers=session).status == 401


# T03: tokens that are too small, too old or ended.

WRITES = [e for e in ENDPOINTS if e.method != "GET"]


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: e.name)
def test_T03_a_read_only_token_writes_nothing(hub: World, endpoint: Endpoint) -> None:
    reply = _call(hub.token("ada", "read"), endpoint)
    assert reply.status in {403, 404}, reply.body


BODIES: dict[str, object] = {
    "update_me": {"full_name": "evil"},
    "rename_me": {"name": "evil"},
    "change_password": {"old": "correct horse ada", "new": "correct horse eve"},
    "add_user": {"name": "eve"},
    "restore_repo": {},
    "update_user": {"full_name": "evil"},
    "rename_user": {"name": "evil"},
    "set_password": {"password": "correct horse eve"},
    "set_admin": {"is_admin": True},
    "add_key": {"key": "ssh-ed25519 x"},
    "add_token": {"scope": "admin"},
    "add_app": {"name": "evil"},
    "add_user_key": {"key": "ssh-ed25519 x"},
    "add_user_token": {"scope": "admin"},
    "create_org": {"name": "evil"},
    "update_org": {"full_name": "evil"},
    "rename_org": {"name": "evil"},
    "set_member": {"role": "admin"},
    "create_repo": {"name": "evil"},
    "update_repo": {"description": "evil"},
    "move_repo": {"name": "evil"},
    "set_collaborator": {"role": "admin"},
    "add_deploy_key": {"key": "ssh-ed25519 x"},
    "add_rule": {"pattern": "*"},
    "create_commit": {"message": "x", "changes": [{"op": "add", "path": "x", "content": "x"}]},
    "open_discussion": {"title": "evil"},
    "open_pull": {"title": "evil"},
    "change_discussion": {"title": "evil"},
    "add_comment": {"body": "evil"},
    "add_line_comment": {"head_commit": "main", "path": "README.md", "line": 1, "body": "evil"},
    "add_review": {"head_commit": "main", "verdict": "approve"},
    "merge_pull": {"how": "squash"},
    "set_repo_quota": {"bytes": None, "objects": None},
    "set_namespace_quota": {"bytes": None, "objects": None},
    "create_ref": {"kind": "branch", "name": "evil", "oid": "0" * 40},
    "duplicate_repo": {"name": "evil"},
    "set_gate": {"gate": "off"},
    "ask_access": {},
    "answer_access_request": {"state": "accepted"},
    "grant_access": {"user": "bob"},
    "create_webhook": {
        "url": "https://evil.example/",
        "watched": [{"type": "user", "name": "ada"}],
    },
    "update_webhook": {"disabled": True},
    "redeliver": {"delivery": 1},
    "create_collection": {"title": "evil"},
    "update_collection": {"title": "evil"},
    "add_collection_item": {"type": "model", "name": "ada/full"},
    "update_collection_item": {"note": "evil"},
    "remove_objects": {"oids": ["0" * 64]},
    "set_space_runtime": {"paused": True},
    "set_space_variable": {"key": "EVIL", "value": "evil"},
    "forget_space_variable": {"key": "EVIL"},
    "set_space_secret": {"key": "EVIL", "value": "evil"},
    "forget_space_secret": {"key": "EVIL"},
}
QUERIES: dict[str, dict[str, object]] = {
    "get_blob": {"path": "README.md"},
    "get_raw": {"path": "README.md"},
    "compare": {"base": "main", "head": "main"},
    "delete_ref": {"kind": "branch", "name": "work"},
}
NAMES = {
    "type": "model",
    "namespace": "ada",
    "name": "full",
    "user": "bob",
    "org": "lab",
    "id": "1",
    "num": "1",
    "mark": "0" * 24,
    "oid": "0" * 40,
}


def _call(api: Api, endpoint: Endpoint, **names: str) -> Reply:
    """The endpoint with what it takes, aimed at ada's things."""
    path = endpoint.path.format_map(NAMES | names)
    body = BODIES[endpoint.name] if endpoint.body else None
    return api.call(endpoint.method, path, body, **QUERIES.get(endpoint.name, {}))


def test_T03_every_endpoint_with_a_body_is_tried() -> None:
    assert {e.name for e in ENDPOINTS if e.body} == set(BODIES)


def test_T03_ended_tokens_are_refused_at_once(hub: World) -> None:
    name = _name("mallory")
    api = hub.user(name)
    expired = hub.token(name, expires_in=0.05)
    made = hub.root.post(f"/users/{name}/tokens", {"scope": "admin"}).json
    revoked = Api(hub.hub.http, made["secret"])
    assert revoked.get("/me").status == 200
    hub.root.delete(f"/users/{name}/tokens/{made['token']['id']}")
    assert revoked.get("/me").status == 401
    time.sleep(0.1)
    assert expired.get("/me").status == 401
    assert api.get("/me").status == 200
    hub.root.put(f"/users/{name}/disabled")
    for ended in (expired, revoked, api):
        for path in ("/me", FULL, "/repos"):
            reply = ended.get(path)
            assert (reply.status, reply.error["code"]) == (401, "sign_in_needed")


@pytest.mark.parametrize(
    "endpoint", [e for e in ENDPOINTS if e.path.startswith(REPO)], ids=lambda e: e.name
)
def test_T03_a_token_limited_elsewhere_is_a_strangers(hub: World, endpoint: Endpoint) -> None:
    limited = hub.token("ada", "admin", namespaces=["lab"])
    assert _call(limited, endpoint, name="secret").status == 404
    assert hub.ada.get(SECRET).status == 200


# T05: an id of somebody else's.


def _request(hub: World, api: Api, repo: str) -> int:
    """Bob asks for the files of a repository."""
    assert api.put(repo + "/gate", {"gate": "manual"}).status == 204
    assert hub.bob.post(repo + "/access-form", {}).status == 201
    return int(api.get(repo + "/access-requests").json[0]["id"])


MAKERS: dict[str, Callable[[World, Api, str], int]] = {
    "/namespaces/{namespace}/apps/{id}": lambda hub, api, repo: _id(
        api, f"/namespaces/{repo.split('/')[3]}/apps", {"name": "x"}, "app"
    ),
    "/me/grants/{id}": lambda hub, api, repo: _grant(hub, api),
    "/me/keys/{id}": lambda _h, api, _r: _id(api, "/me/keys", {"key": public_key()}, "key"),
    "/me/tokens/{id}": lambda _h, api, _r: _id(api, "/me/tokens", {}, "token"),
    "/me/sessions/{id}": lambda hub, api, _r: _session(hub, api),
    "/users/{user}/keys/{id}": lambda _h, api, _r: _id(
        api, "/me/keys", {"key": public_key()}, "key"
    ),
    "/users/{user}/tokens/{id}": lambda _h, api, _r: _id(api, "/me/tokens", {}, "token"),
    REPO + "/keys/{id}": lambda _h, api, repo: _id(
        api, repo + "/keys", {"key": public_key()}, "key"
    ),
    REPO + "/rules/{id}": lambda _h, api, repo: _id(
        api, repo + "/rules", {"pattern": _name("p")}, None
    ),
    "/namespaces/{namespace}/trash/{id}/restore": lambda _h, api, repo: _deleted(api, repo),
    REPO + "/access-requests/{id}": _request,
    "/webhooks/{id}": lambda _h, api, _r: _webhook(api),
    "/webhooks/{id}/deliveries": lambda _h, api, _r: _webhook(api),
    "/collections/{mark}/items/{id}": lambda _h, api, repo: _item(api, repo),
}
WITH_IDS = [e for e in ENDPOINTS if "{id}" in e.path]


def _id(api: Api, path: str, body: object, part: str | None) -> int:
    made = api.post(path, body)
    assert made.status == 201, made.body
    return int((made.json[part] if part else made.json)["id"])


def _deleted(api: Api, repo: str) -> int:
    """Put another repository of the same owner into the trash; its number there."""
    _, _, kind, namespace, _ = repo.split("/")
    name = _name("gone")
    assert api.post("/repos", {"type": kind, "namespace": namespace, "name": name}).status == 201
    assert api.delete(f"/repos/{kind}/{namespace}/{name}").status == 204
    return int(api.get(f"/namespaces/{namespace}/trash").json[0]["id"])


def _grant(hub: World, api: Api) -> int:
    """Let a device in as the account; the id of what it may."""
    name = api.get("/me").json["user"]["name"]
    given = {"password": "correct horse", "must_change": False}
    assert hub.root.put(f"/users/{name}/password", given).status == 204
    form = urlencode({"client_id": "26be6b09-91c5-47da-9861-d2d2bb7a7e36"}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    waiting = hub.nobody.send("POST", "/oauth/device", data=form, headers=headers).json
    browser = Browser.signed_in(hub.hub.http, name, "correct horse")
    page = browser.get(f"/-/device?user_code={waiting['user_code']}")
    assert browser.post("/-/device", {**hidden(page), "answer": "allow"}).status == 303
    return int(api.get("/me/grants").json[0]["id"])


def _webhook(api: Api) -> int:
    name = api.get("/me").json["user"]["name"]
    watched = [{"type": "user", "name": name}]
    return _id(api, "/webhooks", {"url": "https://example.org/", "watched": watched}, None)


def _item(api: Api, repo: str) -> int:
    """The account's only collection lists its repository."""
    mark = api.post("/collections", {"title": "List"}).json["mark"]
    listed = {"type": "model", "name": repo.removeprefix("/repos/model/")}
    return int(api.post(f"/collections/{mark}/items", listed).json["items"][0]["id"])


def _session(hub: World, api: Api) -> int:
    """Sign a browser in as the account; the id of its session."""
    name = api.get("/me").json["user"]["name"]
    given = {"password": "correct horse", "must_change": False}
    assert hub.root.put(f"/users/{name}/password", given).status == 204
    _sign_in(hub, name, "correct horse")
    return int(api.get("/me/sessions").json[0]["id"])


def _sign_in(hub: World, name: str, password: str) -> dict[str, str]:
    """As the sign-in page does it: its cookie and its hidden fields come back; the session."""
    page = hub.nobody.send("GET", "/-/login")
    fields = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', page.body.decode())
    form = urlencode({**dict(fields), "name": name, "password": password}).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": _cookies(page),
        "Origin": hub.hub.http,
    }
    done = hub.nobody.send("POST", "/-/login", data=form, headers=headers)
    assert done.status in {302, 303}, done.body
    return {"Cookie": _cookies(done)}


def _cookies(reply: Reply) -> str:
    return "; ".join(c.partition(";")[0] for c in reply.headers.get_all("Set-Cookie", []))


def test_T05_every_route_with_an_id_is_tried() -> None:
    assert {endpoint.path for endpoint in WITH_IDS} == set(MAKERS)


@pytest.mark.parametrize("endpoint", WITH_IDS, ids=lambda e: e.name)
def test_T05_an_id_of_another_owner_is_not_found(hub: World, endpoint: Endpoint) -> None:
    victims, attackers = _name("victim"), _name("attacker")
    victim, attacker = hub.user(victims), hub.user(attackers)
    theirs, mine = hub.repo(_name("theirs"), victim), hub.repo(_name("mine"), attacker)
    number = MAKERS[endpoint.path](hub, victim, theirs)
    own = MAKERS[endpoint.path](hub, attacker, mine)

    def address(user: str, repo: str, key: int) -> str:
        _, _, kind, namespace, name = repo.split("/")
        names = {"user": user, "type": kind, "namespace": namespace, "name": name, "id": str(key)}
        if "{mark}" in endpoint.path:
            names["mark"] = hub.nobody.get("/collections", namespace=user).json[0]["mark"]
        return endpoint.path.format_map(names)

    def act(api: Api, path: str) -> Reply:
        return api.call(endpoint.method, path, BODIES.get(endpoint.name))

    # An administrator of the hub asks, where only one may: rights must not hide the mix-up.
    asker = hub.root if "{user}" in endpoint.path else attacker
    swapped = act(asker, address(attackers, mine, number))
    assert (swapped.status, swapped.error["code"]) == (404, "not_found")
    # It is there still, and found under its own owner.
    owner = hub.root if "{user}" in endpoint.path else victim
    # A webhook of one's own has no first delivery yet.
    success = 404 if endpoint.name == "redeliver" else endpoint.success
    assert act(owner, address(victims, theirs, number)).status == success
    owner = hub.root if "{user}" in endpoint.path else attacker
    assert act(owner, address(attackers, mine, own)).status == success


@pytest.mark.parametrize("number", ["0", "-1", "9" * 18, "9" * 30, "1x", "%31%00", "1.0"])
def test_T05_what_is_no_id_is_not_found(hub: World, number: str) -> None:
    assert hub.ada.delete(f"/me/tokens/{number}").status == 404
    assert hub.ada.delete(f"{FULL}/rules/{number}").status == 404


# T07: nobody rises above himself, and somebody always holds the keys.


@pytest.mark.parametrize("role", ["read", "write"])
def test_T07_a_collaborator_below_admin_grants_nothing(hub: World, role: str) -> None:
    repo, guest = hub.repo(_name("shared"), visibility="private"), _name("guest")
    api = hub.user(guest)
    people = f"{repo}/collaborators"
    assert hub.ada.put(f"{people}/{guest}", {"role": role}).status == 204
    for target in (guest, "bob", "ada"):
        for given in ("read", "write", "admin"):
            assert api.put(f"{people}/{target}", {"role": given}).status == 403
    assert api.delete(f"{people}/{guest}").status == 403
    assert api.post(f"{repo}/keys", {"key": public_key()}).status == 403
    assert [(p["name"], p["role"]) for p in hub.ada.get(people).json] == [(guest, role)]


def test_T07_an_admin_collaborator_cannot_remove_the_owner(hub: World) -> None:
    repo, guest = hub.repo(_name("shared")), _name("guest")
    api = hub.user(guest)
    hub.ada.put(f"{repo}/collaborators/{guest}", {"role": "admin"})
    assert api.put(f"{repo}/collaborators/ada", {"role": "read"}).status == 409
    assert api.delete(f"{repo}/collaborators/ada").status == 409
    assert hub.ada.delete(f"{repo}/collaborators/{guest}").status == 204
    assert api.get(f"{repo}/collaborators").status == 403


@pytest.mark.parametrize("role", ["read", "write"])
def test_T07_a_member_below_admin_changes_no_member(hub: World, role: str) -> None:
    org, name = _name("org"), _name("member")
    owner, api = hub.user(_name("owner")), hub.user(name)
    owner.post("/orgs", {"name": org})
    owner.put(f"/orgs/{org}/members/{name}", {"role": role})
    assert api.put(f"/orgs/{org}/members/{name}", {"role": "admin"}).status == 403
    assert api.put(f"/orgs/{org}/members/bob", {"role": "read"}).status == 403
    assert api.put(f"/orgs/{org}/name", {"name": _name("mine")}).status == 403


def test_T07_the_last_administrator_of_an_organization_stays(hub: World) -> None:
    org, first, second = _name("org"), _name("first"), _name("second")
    one, two = hub.user(first), hub.user(second)
    one.post("/orgs", {"name": org})
    assert one.delete(f"/me/orgs/{org}").status == 409
    one.put(f"/orgs/{org}/members/{second}", {"role": "admin"})
    assert one.delete(f"/me/orgs/{org}").status == 204
    assert two.delete(f"/me/orgs/{org}").status == 409
    assert two.put(f"/orgs/{org}/members/{second}", {"role": "read"}).status == 409


def test_T07_a_user_makes_nobody_administrator_of_the_hub(hub: World) -> None:
    assert hub.ada.put("/users/ada/admin", {"is_admin": True}).status == 403
    refused = hub.ada.patch("/me", {"is_admin": True})
    assert refused.status == 400
    assert hub.ada.get("/me").json["user"]["is_admin"] is False
