"""Attacks by the dialects of the Hub and of CSGHub, over every call that they answer.

Each test carries the row of the threat table that it answers, and takes its calls from the tables
of the dialects: a new one is attacked without a line here.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import pytest

from hubd.http.csg import ENDPOINTS as CSG
from hubd.http.hf import ENDPOINTS as HF
from hubd.http.hf import Endpoint
from tests.apiclient import Api, Reply, basic
from tests.apiworld import World
from tests.csgwire import good
from tests.hfwire import ask, commit, file, header, upload

OID = "0" * 64
_FILE = {"path": "x", "size": 1, "sample": "", "content": "eA==", "sha256": OID}
# What any of them takes: each reads what it knows.
BODY: dict[str, object] = {
    "name": "full",
    "namespace": "ada",
    "organization": "ada",
    "fromRepo": "ada/full",
    "toRepo": "ada/evil",
    "repository": "ada/evil",
    "new_namespace": "lab",
    "private": True,
    "gated": "manual",
    "paths": ["README.md"],
    "files": [_FILE],
    "summary": "evil",
    "message": "evil",
    "content": "eA==",
    "title": "evil",
    "comment": "evil",
    "status": "closed",
    "tag": "evil",
    "user": "bob",
    "users": "bob",
    "role": "admin",
    "new_role": "admin",
    "key": "EVIL",
    "flavor": "cpu-basic",
    "seconds": 60,
    "deletions": {"sha": [OID]},
    "target": {"type": "model", "name": "ada/full"},
    "item": {"type": "model", "id": "ada/full"},
    "note": "evil",
    "url": "https://evil.example/",
    "watched": [{"type": "user", "name": "ada"}],
    "nickname": "evil",
    "permission": "admin",
    "description": "evil",
}
NAMES = {
    "namespace": "ada",
    "name": "full",
    "prefix": "",
    "rev": "main",
    "ref": "main",
    "branch": "main",
    "sha": "main",
    "range": "main..work",
    "path": "README.md",
    "num": "1",
    "id": "1",
    "comment": "1",
    "state": "pending",
    "right": "read",
    "kind": "variables",
    "what": "hardware",
    "user": "ada",
    "owner": "ada",
    "who": "bob",
    "org": "lab",
    "app": "git",
    "key": "none",
    "slug": "none-" + "0" * 24,
    "item": "0" * 24,
    "webhook": "0" * 24,
    "how": "disable",
}
_PART = re.compile(r"\{(\w+)(?::((?:[^{}]|\{[^{}]*\})*))?\}")
_numbers = itertools.count()


@dataclass(frozen=True)
class Door:
    """A call of a dialect below its prefix."""

    prefix: str
    endpoint: Endpoint

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.prefix}{self.endpoint.shown_path}"

    @property
    def is_of_a_repo(self) -> bool:
        path = self.endpoint.path
        return "{namespace}" in path and "{name}" in path

    @property
    def reads(self) -> bool:
        return self.endpoint.method in {"GET", "HEAD"}

    def path(self, **names: str) -> str:
        """Its address with these names in it; for the rest what ada has."""

        def part(found: re.Match[str]) -> str:
            name, rule = found[1], found[2] or ""
            if name == "types":
                return names.get(name) or rule.partition("|")[0]
            if name == "path" and rule.startswith("(?:"):
                return ""
            if name == "kind" and rule.startswith("users"):
                return "users"
            return names.get(name, NAMES.get(name, "x"))

        return self.prefix + _PART.sub(part, self.endpoint.path)

    def knock(self, api: Api, **names: str) -> Reply:
        """The call with all that it could want."""
        body: object = None if self.reads else BODY
        if self.endpoint.path.endswith("/tags/{category}"):
            body = ["evil"]
        if self.endpoint.path.endswith("/user-access-request/handle"):
            body = {**BODY, "status": "accepted"}
        if self.endpoint.path.endswith("/upload_file"):
            data = b'--B\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--B--\r\n'
            kind = {"Content-Type": "multipart/form-data; boundary=B"}
            return api.send(self.endpoint.method, self.path(**names), data=data, headers=kind)
        if self.endpoint.path.endswith("/commit/{rev}"):
            lines = header("evil"), file("evil.txt", b"evil")
            return ask(api, self.endpoint.method, self.path(**names), None, *lines)
        return ask(api, self.endpoint.method, self.path(**names), body)


# CSGHub's clients find the Hub's calls below prefixes of their own.
DOORS = [
    *(Door(prefix, one) for prefix in ("", "/csg") for one in HF if one.built),
    *(Door("/api/v1", one) for one in CSG if one.built),
]
OF_REPOS = [door for door in DOORS if door.is_of_a_repo]
# Without an account, by design: signing in, keys, what is told of the hub itself.
OPEN = re.compile(r".*/(oauth/(token|device|revoke|jwks)|\.well-known/.*|api/telemetry/.*)")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World.started(tmp_path_factory.mktemp("dialects")) as made:
        for kind in ("dataset", "space"):
            body = {"name": "secret", "visibility": "private", "type": kind}
            assert made.ada.post("/repos", body).status == 201
        yield made


def _name(stem: str) -> str:
    return f"{stem}{next(_numbers)}"


def _code(reply: Reply) -> str:
    """What a client is told a refusal is."""
    shown = msgspec.json.decode(reply.body) if reply.body else {}
    return str(reply.headers.get("X-Error-Code") or shown.get("code", ""))


# T02: one verdict for every form of a credential.

FORMS: dict[str, Callable[[str], dict[str, str]]] = {
    "bearer": lambda token: {"Authorization": f"Bearer {token}"},
    "token": lambda token: {"Authorization": f"token {token}"},
    "basic password": lambda token: basic("ada", token),
    "basic user": lambda token: basic(token, ""),
}
ACTIONS = {
    "hf read": ("GET", "/api/models/ada/secret"),
    "hf write": ("PUT", "/api/models/ada/secret/settings"),
    "csg read": ("GET", "/api/v1/models/ada/secret"),
    "csg write": ("PUT", "/api/v1/models/ada/secret"),
    "csg account": ("GET", "/api/v1/user/ada/tokens"),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_T02_every_form_of_a_token_gets_one_verdict(hub: World, scope: str, action: str) -> None:
    token, (method, path) = hub.token("ada", scope).token, ACTIONS[action]

    def status(headers: dict[str, str]) -> int:
        data = b'{"private":true}' if method == "PUT" else None
        return hub.nobody.send(method, path, data=data, headers=headers).status

    verdicts = {form: status(make(token)) for form, make in FORMS.items()}
    assert len(set(verdicts.values())) == 1, verdicts
    allowed = {"read": True, "write": scope != "read", "account": scope == "admin"}
    assert (verdicts["bearer"] == 200) is allowed[action.split()[1]]
    for cookie in (f"token={token}", f"hubd={token}", f"hubd_session={token}"):
        assert status({"Cookie": cookie}) == 401
    assert status({"X-Auth-Token": token}) == 401
    for name in ("token", "access_token", "private_token"):
        assert hub.nobody.send(method, f"{path}?{name}={token}").status in {400, 401}


# T03: tokens that are too small, ended, or for somewhere else.

# They change nothing, or what nobody owns.
HARMLESS = re.compile(r".*/(paths-info/.*|validate-yaml|oauth/.*)")
WRITES = [door for door in DOORS if not door.reads and not HARMLESS.fullmatch(door.path())]


@pytest.mark.parametrize("door", WRITES, ids=str)
def test_T03_a_read_only_token_writes_nothing(hub: World, door: Door) -> None:
    reply = door.knock(hub.token("ada", "read"))
    assert reply.status in {403, 404}, reply.body


def test_T03_nothing_was_written(hub: World) -> None:
    """After all of the calls above: ada's things are as they were."""
    before = _state(hub)
    reader = hub.token("ada", "read")
    for door in WRITES:
        for api in (reader, hub.nobody):
            door.knock(api)
    assert _state(hub) == before


def _state(hub: World) -> list[object]:
    paths = (
        "/api/models/ada/full?blobs=1",
        "/api/models/ada/full/refs",
        "/api/models/ada/full/discussions",
        "/api/v1/models/ada/full",
        "/api/v1/user/ada",
        "/api/v1/user/ada/tokens",
        "/api/v1/user/ada/ssh_keys",
        "/api/v1/organization/lab/members",
        "/api/settings/webhooks",
        "/api/collections?owner=ada",
        "/api/models?author=ada",
    )
    # The tokens of these tests come and go.
    shown = [ask(hub.ada, "GET", path) for path in paths]
    assert {reply.status for reply in shown} == {200}
    return [
        [one["token_name"] for one in reply.json["data"] if one["permission"] != "read"]
        if path.endswith("/tokens")
        else reply.json
        for path, reply in zip(paths, shown, strict=True)
    ]


@pytest.mark.parametrize("door", [d for d in DOORS if not OPEN.fullmatch(d.path())], ids=str)
def test_T03_ended_tokens_are_refused(hub: World, door: Door, ended: list[Api]) -> None:
    """Also where a stranger would be let in."""
    for api in ended:
        assert door.knock(api).status == 401


@pytest.fixture(scope="module")
def ended(hub: World) -> list[Api]:
    """Tokens that are expired, revoked, of a disabled account, and never were."""
    name = _name("mallory")
    api, expired = hub.user(name), hub.token(name, expires_in=0.05)
    made = hub.root.post(f"/users/{name}/tokens", {"scope": "admin"}).json
    hub.root.delete(f"/users/{name}/tokens/{made['token']['id']}")
    hub.root.put(f"/users/{name}/disabled")
    time.sleep(0.1)
    return [expired, Api(hub.hub.http, made["secret"]), api, Api(hub.hub.http, "hubd_" + "x" * 43)]


# T03 and T04: private and absent are the same, for strangers and for tokens of elsewhere.


@pytest.mark.parametrize("door", OF_REPOS, ids=str)
def test_T03_T04_a_private_repository_is_as_one_that_is_not_there(hub: World, door: Door) -> None:
    limited = hub.token("ada", "admin", namespaces=["lab"])
    for api, status in ((hub.nobody, 401), (hub.bob, 404), (limited, 404)):
        private, absent = (door.knock(api, name=name) for name in ("secret", "absent"))
        assert (private.status, _code(private)) == (absent.status, _code(absent))
        assert private.status == status, private.body
        assert _told(private, "secret") == _told(absent, "absent")


def _told(reply: Reply, name: str) -> tuple[object, ...]:
    """All of an answer but what differs each time, and the name that was asked for."""
    changing = {"Date", "X-Request-Id", "RateLimit", "RateLimit-Remaining", "RateLimit-Reset"}
    headers = sorted((k, v) for k, v in reply.headers.items() if k not in changing)
    body = reply.body.decode().replace(reply.headers["X-Request-Id"], "").replace(name, "")
    return body, headers


# T05: an id of another repository.


def test_T05_an_id_of_another_repository_is_not_found(hub: World) -> None:
    owner = _name("victim")
    victim, attacker = hub.user(owner), hub.user(_name("attacker"))
    repos = {
        api: hub.repo(_name("r"), api).removeprefix("/repos/model/") for api in (victim, attacker)
    }
    mine, theirs = repos[attacker], repos[victim]
    said = []
    for api, repo in ((victim, theirs), (attacker, mine)):
        start = {"title": "A thing", "description": "Words"}
        assert ask(api, "POST", f"/api/models/{repo}/discussions", start).status == 200
        path = f"/api/models/{repo}/discussions/1/comment"
        said.append(ask(api, "POST", path, {"comment": "x"}).json["newMessage"]["id"])
        assert ask(api, "PUT", f"/api/models/{repo}/settings", {"gated": "manual"}).status == 200
        asked = f"/repos/model/{repo}/access-form"
        assert hub.bob.post(asked, {}).status == 201
    for verb, body in (("edit", {"content": "mine"}), ("hide", {})):
        path = f"/api/models/{mine}/discussions/1/comment/{said[0]}/{verb}"
        assert ask(attacker, "POST", path, body).status == 404
    pending = f"/api/models/{theirs}/user-access-request/pending"
    number = ask(victim, "GET", pending).json[0]["requestId"]
    answer = {"requestId": number, "status": "accepted"}
    handle = f"/api/models/{mine}/user-access-request/handle"
    assert ask(attacker, "POST", handle, answer).status == 404
    assert len(ask(victim, "GET", pending).json) == 1
    made = ask(victim, "POST", "/api/collections", {"title": "L", "namespace": owner}).json
    slug = made["slug"]
    for method, rest in (("PATCH", ""), ("DELETE", ""), ("POST", "/items")):
        assert ask(attacker, method, f"/api/collections/{slug}{rest}", BODY).status == 403
    hook = ask(
        victim,
        "POST",
        "/api/settings/webhooks",
        {**BODY, "watched": [{"type": "user", "name": owner}]},
    ).json["webhook"]["id"]
    for method, rest in (("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/disable")):
        path = f"/api/settings/webhooks/{hook}{rest}"
        assert ask(attacker, method, path, None if method == "GET" else BODY).status == 404


# T07: nobody rises above himself.


@pytest.mark.parametrize("role", ["read", "write"])
def test_T07_a_member_below_admin_changes_no_member(hub: World, role: str) -> None:
    org, name = _name("org"), _name("member")
    owner, member = hub.user(_name("owner")), hub.user(name)
    good(owner, "POST", "/organizations", {"name": org})
    people = f"/organization/{org}/members"
    good(owner, "POST", people, {"users": name, "role": role})
    for method, path, body in (
        ("POST", people, {"users": name, "role": "admin"}),
        ("POST", people, {"users": "bob", "role": "read"}),
        ("PUT", f"{people}/{name}", {"new_role": "admin"}),
        ("DELETE", f"{people}/{name}", None),
        ("PUT", f"/organization/{org}", {"nickname": "mine"}),
    ):
        assert ask(member, method, f"/api/v1{path}", body).status == 403, (method, path)
    assert {one["username"]: one["role"] for one in good(owner, "GET", people)}[name] == role


# T13: what changes is seen by the next request, whatever caches hold.


def test_T13_what_becomes_private_is_gone_at_once(hub: World) -> None:
    name = _name("flip")
    repo = f"ada/{name}"
    hub.repo(name)
    lines = header(), file("README.md", b"# Hello"), file("model.safetensors", b"x")
    assert commit(hub, repo, *lines).status == 200
    doors = [d for d in OF_REPOS if d.reads and "{types:spaces}" not in d.endpoint.path]
    status = {d: d.knock(hub.bob, name=name, range="main..main").status for d in doors}
    seen = [door for door, found in status.items() if found == 200]
    assert len(seen) > len(doors) * 3 / 4, status
    for private, found in ((True, 404), (False, 200), (True, 404)):
        settings = {"private": private}
        assert ask(hub.ada, "PUT", f"/api/models/{repo}/settings", settings).status == 200
        for door in seen:
            assert door.knock(hub.bob, name=name, range="main..main").status == found, str(door)


# T38: an object of another repository by its hash alone.


def test_T38_a_hash_is_no_right_to_the_bytes(hub: World) -> None:
    oid, size = upload(hub, "ada/secret", b"secret" * 100), 600
    mine = f"bob/{_name('mine')}"
    assert ask(hub.bob, "POST", "/api/repos/create", {"name": mine}).status == 200
    large = {"key": "lfsFile", "value": {"path": "x.bin", "oid": oid, "size": size}}
    assert commit(hub, mine, header(), large, api=hub.bob).status == 400
    # By CSGHub's calls too; base64 of the pointer is how its client names a large file.
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n"
    content = file("x.bin", pointer.encode())["value"]
    commit_of = {"message": "x", "files": [content]}
    assert ask(hub.bob, "POST", f"/api/v1/models/{mine}/commit/main", commit_of).status == 400
    edit = {"message": "x", "content": content["content"]}  # type: ignore[index]
    for method in ("POST", "PUT"):
        assert ask(hub.bob, method, f"/api/v1/models/{mine}/raw/x.bin", edit).status == 400
    target = {"target": {"type": "model", "name": mine}, "files": [{"sha256": oid}]}
    for source, status in ((mine, 200), ("ada/secret", 404)):
        path = f"/api/models/{source}/lfs-files/duplicate"
        reply = ask(hub.bob, "POST", path, target)
        assert reply.status == status
        assert status == 404 or [one["sha256"] for one in reply.json["failed"]] == [oid]
    assert ask(hub.bob, "GET", f"/api/models/{mine}/lfs-files").json == []
