"""Attacks on the JSON API; each test carries the row of the threat table that it answers."""

from __future__ import annotations

import gzip
import itertools
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubd.http.api.endpoint import REPO, Endpoint
from hubd.http.api.table import ENDPOINTS
from tests.apiclient import PREFIX, Api, Reply, basic
from tests.apiworld import FULL, World, public_key

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
    form = b"name=ada&password=correct+horse+ada"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = hub.nobody.send("POST", "/-/sign-in", data=form, headers=kind)
    cookies = [value.partition(";")[0] for value in reply.headers.get_all("Set-Cookie", [])]
    for path in ("/me", "/me/tokens"):
        seen = hub.nobody.send("GET", PREFIX + path, headers={"Cookie": "; ".join(cookies)})
        assert seen.status == 401


# T03: tokens that are too small, too old or ended.

WRITES = [e for e in ENDPOINTS if e.method != "GET"]


@pytest.mark.parametrize("endpoint", WRITES, ids=lambda e: e.name)
def test_T03_a_read_only_token_writes_nothing(hub: World, endpoint: Endpoint) -> None:
    reply = _call(hub.token("ada", "read"), endpoint)
    assert reply.status in {403, 404}, reply.body


BODIES: dict[str, object] = {
    "change_password": {"old": "correct horse ada", "new": "correct horse eve"},
    "add_user": {"name": "eve"},
    "set_password": {"password": "correct horse eve"},
    "set_admin": {"is_admin": True},
    "add_key": {"key": "ssh-ed25519 x"},
    "add_user_key": {"key": "ssh-ed25519 x"},
    "add_deploy_key": {"key": "ssh-ed25519 x"},
    "create_org": {"name": "evil"},
    "create_repo": {"name": "evil"},
    "add_rule": {"pattern": "*"},
    "set_member": {"role": "admin"},
    "set_collaborator": {"role": "admin"},
    "update_repo": {"description": "evil"},
    "move_repo": {"name": "evil"},
}
NAMES = {
    "type": "model",
    "namespace": "ada",
    "name": "full",
    "user": "bob",
    "org": "lab",
    "id": "1",
    "oid": "0" * 40,
}


def _call(api: Api, endpoint: Endpoint) -> Reply:
    """The endpoint with a body that it takes, aimed at ada's things."""
    path = endpoint.path.format_map(NAMES)
    body = BODIES.get(endpoint.name, {"name": "evil"} if _takes_name(endpoint) else {})
    if endpoint.name in {"create_commit", "create_branch", "create_tag"}:
        body = _sample(endpoint)
    return api.call(endpoint.method, path, body if endpoint.body else None)


def _takes_name(endpoint: Endpoint) -> bool:
    return endpoint.body is not None and endpoint.body.__struct_fields__ == ("name",)


def _sample(endpoint: Endpoint) -> object:
    samples: dict[str, object] = {
        "create_commit": {"branch": "main", "message": "evil", "operations": []},
        "create_branch": {"name": "evil", "revision": "main"},
        "create_tag": {"name": "evil", "revision": "main"},
    }
    return samples[endpoint.name]


def test_T03_ended_tokens_are_refused_at_once(hub: World) -> None:
    name = _name("mallory")
    api = hub.user(name)
    expired = hub.token(name, expires_in=0.05)
    made = hub.root.post(f"/users/{name}/tokens", {"scope": "admin"}).json
    revoked = Api(hub.hub.http, made["secret"])
    assert revoked.get("/me").status == 200
    hub.root.delete(f"/users/{name}/tokens/{made['token']['id']}")
    assert revoked.get("/me").status == 401
    assert expired.get("/me").status == 401
    assert api.get("/me").status == 200
    hub.root.put(f"/users/{name}/disabled")
    for ended in (expired, revoked, api):
        for path in ("/me", FULL, "/repos"):
            reply = ended.get(path)
            assert (reply.status, reply.error["code"]) == (401, "sign_in_needed")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: e.name)
def test_T03_a_token_limited_elsewhere_is_a_strangers(hub: World, endpoint: Endpoint) -> None:
    if not endpoint.path.startswith(REPO):
        pytest.skip("not in a repository")
    limited = hub.token("ada", "admin", namespaces=["lab"])
    path = endpoint.path.format_map(NAMES | {"name": "secret"})
    body = None
    if endpoint.body:
        body = BODIES.get(endpoint.name) or {"name": "evil"}
    query = {"path": "README.md"} if endpoint.name in {"get_raw", "get_blob"} else {}
    query = {"base": "main", "head": "main"} if endpoint.name == "compare" else query
    reply = limited.call(endpoint.method, path, body, **query)
    # A body that is not this endpoint's is refused before anything is looked up.
    assert reply.status == 404 or (reply.status == 400 and endpoint.body is not None)
    assert hub.ada.get(SECRET).status == 200


# T05: an id of somebody else's.

MAKERS: dict[str, Callable[[World, Api, str], int]] = {
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
}
WITH_IDS = [e for e in ENDPOINTS if "{id}" in e.path]


def _id(api: Api, path: str, body: object, part: str | None) -> int:
    made = api.post(path, body)
    assert made.status == 201, made.body
    return int((made.json[part] if part else made.json)["id"])


def _session(hub: World, api: Api) -> int:
    """Sign a browser in as the account; the id of its session."""
    name = api.get("/me").json["user"]["name"]
    hub.root.put(f"/users/{name}/password", {"password": "correct horse", "must_change": False})
    page = hub.nobody.send("GET", "/-/sign-in")
    if page.status != 200:
        pytest.skip("no pages")
    _sign_in(hub, name, "correct horse")
    sessions = api.get("/me/sessions").json
    assert sessions, "the browser is signed in"
    return int(sessions[0]["id"])


def _sign_in(hub: World, name: str, password: str) -> None:
    """As the sign-in page does it: its cookie and its hidden field come back."""
    import re
    from urllib.parse import urlencode

    page = hub.nobody.send("GET", "/-/sign-in")
    cookie = "; ".join(c.partition(";")[0] for c in page.headers.get_all("Set-Cookie", []))
    fields = dict(
        re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.body.decode())
    )
    form = urlencode({**fields, "name": name, "password": password}).encode()
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": cookie,
        "Origin": hub.hub.http,
    }
    done = hub.nobody.send("POST", "/-/sign-in", data=form, headers=headers)
    assert done.status in {302, 303}, (done.status, done.body[:2000])


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
        return endpoint.path.format_map(names)

    # An administrator of the hub asks, where only one may: rights must not hide the mix-up.
    asker = hub.root if "{user}" in endpoint.path else attacker
    swapped = asker.call(endpoint.method, address(attackers, mine, number))
    assert (swapped.status, swapped.error["code"]) == (404, "not_found")
    # It is there still, and found under its own owner.
    owner = hub.root if "{user}" in endpoint.path else victim
    assert owner.call(endpoint.method, address(victims, theirs, number)).status == 204
    owner = hub.root if "{user}" in endpoint.path else attacker
    assert owner.call(endpoint.method, address(attackers, mine, own)).status == 204


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


# T34: requests of a shape that no client sends.


def _raw(hub: World, data: bytes) -> bytes:
    split = urlsplit(hub.hub.http)
    with socket.create_connection((split.hostname or "", split.port or 0), timeout=20) as peer:
        peer.settimeout(20)
        got = b""
        try:
            peer.sendall(data)
            while piece := peer.recv(65536):
                got += piece
        except (ConnectionError, TimeoutError):
            pass
    return got


HEAD = b"GET /api/hub/v1/repos HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
POST = b"POST /api/hub/v1/orgs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SHAPES = {
    "a header of 100 kB": HEAD + b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    "ten thousand headers": HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(10_000)) + b"\r\n",
    "an address of 100 kB": b"GET /api/hub/v1/" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "length and chunks": POST
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a line end in a header": HEAD + b"X-A: a\rb\r\n\r\n",
    "a NUL in a header": HEAD + b"X-A: a\0b\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_T34_malformed_requests_are_refused_and_hurt_nobody(hub: World, shape: str) -> None:
    answer = _raw(hub, SHAPES[shape])
    status = answer.split(b"\r\n", 1)[0]
    assert not answer or b" 400 " in status or b" 413 " in status or b" 431 " in status, status
    assert answer.count(b"HTTP/1.") <= 1, "one request, one answer"
    assert hub.ada.get("/me").status == 200


def test_T34_an_unpacked_body_is_limited(hub: World) -> None:
    bomb = gzip.compress(b" " * 200_000_000)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    before = _memory(hub)
    assert hub.ada.send("POST", PREFIX + "/orgs", data=bomb, headers=headers).status == 413
    assert _memory(hub) - before < 64 * 1024 * 1024


def _memory(hub: World) -> int:
    """The most that the daemon ever held, in bytes."""
    status = Path(f"/proc/{hub.hub.process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


# T69: links come from the settings, never from what a client says of the host.

HOSTS = ["evil.example", "evil.example:80", "a b", "127.0.0.1@evil.example", "\u00e9"]
FORWARDED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "203.0.113.9",
    "Forwarded": "host=evil.example;proto=https",
}


def _links(world: World, headers: dict[str, str]) -> list[str]:
    old = world.repo(_name("old"))
    world.ada.put(f"{old}/address", {"name": _name("new")})
    auth = {"Authorization": f"Bearer {world.ada.token}"}
    sent = auth | headers
    listed = world.nobody.send("GET", f"{PREFIX}/repos", query={"limit": 1}, headers=sent)
    moved = world.nobody.send("GET", PREFIX + old, headers=sent)
    shown = world.nobody.send("GET", PREFIX + FULL, headers=sent)
    assert (listed.status, moved.status, shown.status) == (200, 308, 200)
    link = listed.headers["Link"]
    return [link, moved.headers["Location"], shown.json["http_url"], shown.json["ssh_url"]]


@pytest.mark.parametrize("headers", [*({"Host": h} for h in HOSTS[:2]), FORWARDED])
def test_T69_links_do_not_follow_the_host_header(hub: World, headers: dict[str, str]) -> None:
    for link in _links(hub, headers):
        assert "evil" not in link
        assert "127.0.0.1" in link


def test_T69_links_are_of_the_settings_where_there_are_some(tmp_path: Path) -> None:
    urls = ["https://hub.example", "http://hub.internal:8080"]
    with World.started(tmp_path, public_urls=urls) as world:
        for host, url in (("evil.example", urls[0]), ("hub.internal:8080", urls[1])):
            links = _links(world, {"Host": host})
            assert links[0].startswith(f"<{url}/api/hub/v1/")
            assert links[1].startswith(f"{url}/api/hub/v1/")
            assert links[2].startswith(f"{url}/ada/")


def test_T69_a_stranger_cannot_choose_the_address_that_is_recorded(hub: World) -> None:
    name = _name("recorded")
    headers = {"Authorization": f"Bearer {hub.root.token}", "Content-Type": "application/json"}
    body = b'{"name":"' + name.encode() + b'"}'
    made = hub.nobody.send("POST", PREFIX + "/users", data=body, headers=headers | FORWARDED)
    assert made.status == 201
    assert hub.root.get("/audit", target=name).json[0]["address"] == "127.0.0.1"


def test_T69_no_name_breaks_a_header(hub: World) -> None:
    for path in ("/repos?search=a%0d%0aX-Evil:%201&limit=1", "/namespaces/a%0d%0aX-Evil:%201"):
        assert "X-Evil" not in hub.ada.get(path).headers
    raw = hub.ada.get(FULL + "/raw", path='a"\r\nX-Evil: 1')
    assert raw.status in {400, 404}
    assert "X-Evil" not in raw.headers
