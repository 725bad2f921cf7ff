"""Gated repositories: no door gives the bytes of files to whom nobody let in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from hubd.blobs import xethash
from hubd.core import credentials
from hubd.types import RepoRef, Role, Scope
from tests.apiclient import Api, Reply, basic
from tests.caskit import Cas, Made, Packed, Part
from tests.gitkit import refs_of, ssh
from tests.hfwire import ask, file, header
from tests.hubkit import Repo, World
from tests.hubproc import Hub, git
from tests.lfskit import Big, LfsClient, client
from tests.webkit import Browser, hidden, signed_in

CARD = "---\nextra_gated_fields:\n  Why: text\n  Agreed: checkbox\n---\n# The card\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("gates")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@dataclass(frozen=True)
class Gated:
    """A gated repository with a small and a large file, as Git and as chunks have them."""

    repo: Repo
    big: Big
    made: Made
    first: str
    tip: str

    def api(self, user: str = "") -> Api:
        """Somebody, or nobody."""
        world = self.repo.world
        return Api(world.hub.http, world.tokens[user] if user else "")

    def ours(self, user: str, method: str, rest: str, body: object = None) -> Reply:
        """A call of our API about it."""
        return self.api(user).call(method, f"/repos/model/{self.repo.name}{rest}", body)


@pytest.fixture
def gated(world: World) -> Gated:
    return _gated(world)


def _gated(world: World) -> Gated:
    repo, work, big = world.repo(), world.work(), Big.random()
    xorb = Packed.of(Big.random(3000).data, Big.random(2000).data)
    made = Made.of(Part(xorb, 0, 2))
    Cas.of(repo).upload(made)
    client(repo).upload(big)
    first = work.commit({"README.md": CARD, "secret.txt": "the secret\n"})
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    files = {"big.bin": big.pointer, "made.bin": Big(made.content).pointer}
    tip = work.commit({".gitattributes": attributes, **files})
    assert work.push(repo.http).returncode == 0
    found = Gated(repo, big, made, first, tip)
    reply = ask(found.api("ada"), "PUT", f"/api/models/{repo.name}/settings", {"gated": "manual"})
    assert reply.json == {"private": False, "gated": "manual"}
    return found


def _bytes_are_out_of_reach(gated: Gated, user: str) -> None:
    """Every way to the bytes of a file, for somebody who may see the repository."""
    repo, api, status = gated.repo, gated.api(user), 403 if user else 401
    for path in ("secret.txt", "big.bin", "made.bin", "README.md"):
        for method in ("HEAD", "GET"):
            reply = ask(api, method, f"/{repo.name}/resolve/main/{path}")
            assert (reply.status, reply.headers["X-Error-Code"]) == (status, "GatedRepo")
            assert repo.name in reply.headers["X-Error-Message"]
        assert gated.ours(user, "GET", f"/raw?path={path}").status == status
        page = api.send("GET", f"/{repo.name}/raw/main/{path}")
        assert page.status in {401, 403, 303}
        assert b"secret" not in api.send("GET", f"/{repo.name}/blob/main/{path}").body
    for rest in (
        "/blob?path=secret.txt",
        f"/commits/{gated.tip}",
        f"/compare?base={gated.first}&head=main",
    ):
        assert gated.ours(user, "GET", rest).status == status, rest
    compare = f"/api/models/{repo.name}/compare/{gated.first}..main"
    assert ask(api, "GET", compare).status == status
    assert ask(api, "GET", f"/api/models/{repo.name}/xet-read-token/main").status == status
    assert ask(api, "GET", f"/api/models/{repo.name}/auth-check").status == status
    commit = api.send("GET", f"/{repo.name}/commit/{gated.first}")
    assert b"secret.txt" not in commit.body
    lfs = LfsClient(repo, repo.world.tokens[user] if user else "")
    batch = lfs.call("objects/batch", {"operation": "download", "objects": [gated.big.named]})
    assert batch.status == status, batch.body
    assert b"href" not in batch.body
    env = {"GIT_TERMINAL_PROMPT": "0"}
    done = git("ls-remote", repo.world.http(repo.path, user), env=env, check=False)
    assert done.returncode != 0
    assert not done.stdout
    for protocol in ("version=0", "version=2"):
        headers = {
            "Git-Protocol": protocol,
            "Content-Type": "application/x-git-upload-pack-request",
        }
        if user:
            headers |= basic("x", repo.world.tokens[user])
        body = f"0032want {gated.tip}\n00000009done\n".encode()
        pack = Api(api.url).send(
            "POST", f"/{repo.path}.git/git-upload-pack", data=body, headers=headers
        )
        assert pack.status == status
        assert b"PACK" not in pack.body


# Below each of the prefixes of CSGHub's clients the Hub's calls again, then its own.
_DOORS = [
    *(
        f"{mount}/{rest}"
        for mount in ("", "/hf", "/ms", "/csg")
        for rest in (
            "{repo}/resolve/main/{file}",
            "{repo}/resolve/{tip}/{file}",
            "api/models/{repo}/xet-read-token/main",
            "api/models/{repo}/compare/{first}..main",
            "api/models/{repo}/lfs-files",
            "api/models/{repo}/auth-check",
        )
    ),
    *(
        f"/api/v1/models/{{repo}}/{rest}"
        for rest in (
            "blob/{file}",
            "raw/{file}",
            "download/{file}",
            "resolve/{file}",
            "commit/{tip}",
            "diff?left_commit_id={first}",
        )
    ),
    # Pages, which send a stranger to sign in.
    "/{repo}/raw/main/{file}",
    "/{repo}/edit/main/{file}",
    "/{repo}/blob/main/{file}",
    "/{repo}/commit/{first}",
    "/{repo}/compare?base={first}&head=main",
    "/{repo}/discussions/1",
    "/{repo}/discussions/1/changes",
]
_SHOWN = re.compile(r"/[^/]+/[^/]+/(blob|commit|compare|discussions|edit)\b.*")


@pytest.mark.parametrize("door", _DOORS)
def test_no_door_of_a_dialect_or_page_gives_bytes(
    pulled: Gated, people: dict[str, Browser], door: str
) -> None:
    """Each gives them to the owner, so that none is shut for another reason."""
    for name in ("secret.txt", "big.bin"):
        path = door.format(repo=pulled.repo.name, file=name, tip=pulled.tip, first=pulled.first)
        is_page = _SHOWN.fullmatch(path) is not None

        def get(user: str, path: str = path, *, is_page: bool = is_page) -> Reply:
            by_browser = is_page and user in people
            return people[user].get(path) if by_browser else pulled.api(user).send("GET", path)

        assert get("ada").status in {200, 302}, path
        for user in ("", "bob"):
            kept = get(user)
            # Pages may show that there is a gate, and nothing behind it.
            assert is_page or kept.status in {401, 403, 303}, path
            assert b"the secret" not in kept.body
            assert pulled.big.data[:100] not in kept.body


@pytest.fixture(scope="module")
def people(world: World) -> dict[str, Browser]:
    return {name: signed_in(world, name) for name in ("ada", "bob")}


@pytest.fixture(scope="module")
def pulled(world: World) -> Gated:
    """With a pull request, whose changes are bytes too."""
    found = _gated(world)
    lines = header(), file("secret.txt", b"the secret, changed\n")
    path = f"/api/models/{found.repo.name}/commit/main"
    made = ask(found.api("ada"), "POST", f"{path}?create_pr=1", None, *lines)
    assert made.json["pullRequestUrl"].endswith("/discussions/1"), made.body
    return found


def _what_stays_open(gated: Gated, user: str) -> None:
    """Facts of a gated repository are for whoever may see it."""
    repo, api = gated.repo, gated.api(user)
    info = ask(api, "GET", f"/api/models/{repo.name}").json
    assert info["gated"] == "manual"
    assert "secret.txt" in [one["rfilename"] for one in info["siblings"]]
    tree = ask(api, "GET", f"/api/models/{repo.name}/tree/main").json
    assert "big.bin" in [one["path"] for one in tree]
    assert ask(api, "GET", f"/api/models/{repo.name}/refs").status == 200
    page = api.send("GET", f"/{repo.name}")
    assert b"The card" in page.body
    assert b"ask-access" in page.body


@pytest.mark.parametrize("user", ["", "bob"])
def test_a_gate_keeps_bytes_and_shows_facts(gated: Gated, user: str) -> None:
    # Caches hold all of it by now.
    for path in ("secret.txt", "big.bin"):
        assert ask(gated.api("ada"), "GET", f"/{gated.repo.name}/resolve/main/{path}").status == 200
    assert refs_of(gated.repo.world.hub, gated.repo.http)
    _bytes_are_out_of_reach(gated, user)
    _what_stays_open(gated, user)


def test_over_ssh_too(world: World, gated: Gated) -> None:
    env = world.keys["bob"].env
    done = git("clone", gated.repo.ssh, str(world.folder / "none"), env=env, check=False)
    assert done.returncode != 0
    assert b"Visit" in done.stderr
    assert git("ls-remote", gated.repo.ssh, env=world.keys["ada"].env).stdout
    for command in ("git-lfs-authenticate", "git-lfs-transfer"):
        told = ssh(world.hub, world.keys["bob"], f"{command} {gated.repo.path}.git download")
        assert told.returncode != 0
        assert b"href" not in told.stdout


def test_a_gated_object_is_not_taken_along(world: World, gated: Gated) -> None:
    """Neither by a pointer in one's own repository, nor by the chunks that it is made of."""
    own = world.repo(owner="bob")
    api = gated.api("bob")
    large = {"path": "x.bin", "algo": "sha256", "oid": gated.big.oid, "size": len(gated.big.data)}
    lines = (header(), {"key": "lfsFile", "value": large})
    reply = ask(api, "POST", f"/api/models/{own.name}/commit/main", None, *lines)
    assert reply.status == 400, reply.body
    batch = client(own, "bob").batch("upload", gated.big)
    assert "upload" in batch[gated.big.oid]["actions"], "the bytes are the proof"
    cas = Cas.of(own)
    again = Made.of(Part(gated.made.parts[0].xorb, 0, 2))
    assert cas.shard(again).status >= 400
    for chunk in gated.made.parts[0].xorb.hashes:
        asked = cas.send("GET", f"/v1/chunks/default-merkledb/{xethash.to_text(chunk)}")
        assert asked.status == 404


def test_a_copy_takes_no_more_than_its_maker_may_have(world: World, gated: Gated) -> None:
    """Nobody copies past a gate; what pull requests and deleted branches held stays behind."""
    refused = gated.ours("bob", "POST", "/copies", {})
    assert refused.status == 403
    work = world.work()
    work.git("fetch", "-q", gated.repo.http, "main")
    work.git("reset", "-q", "--hard", "FETCH_HEAD")
    hidden = work.commit({"deleted.txt": "deleted\n"})
    assert work.push(gated.repo.http, "HEAD:refs/heads/gone").returncode == 0
    assert work.push(gated.repo.http, ":refs/heads/gone").returncode == 0
    made = gated.ours("ada", "POST", "/copies", {"name": f"{gated.repo.name[4:]}-copy"})
    assert made.status == 201, made.body
    assert made.json["gate"] == "manual"
    path = f"ada/{made.json['name']}"
    assert refs_of(world.hub, world.http(path))["refs/heads/main"] == gated.tip
    clone = world.work()
    clone.git("fetch", "-q", world.http(path), "main")
    missing = clone.git("fetch", "-q", world.http(path), hidden, check=False)
    assert missing.returncode != 0
    assert ask(gated.api("ada"), "GET", f"/{path}/resolve/main/big.bin").body == gated.big.data
    assert ask(gated.api("bob"), "GET", f"/{path}/resolve/main/big.bin").status == 403
    assert gated.ours("ada", "POST", "/copies", {"name": made.json["name"]}).status == 409


def test_a_copy_is_made_from_a_page(world: World, gated: Gated) -> None:
    ada, home = signed_in(world), f"/{gated.repo.name}"
    form = {"owner": "ada", "name": f"{gated.repo.name[4:]}-paper", "visibility": "private"}
    done = _form(ada, f"{home}/duplicate", **form)
    assert (done.status, done.headers["Location"]) == (303, f"/ada/{form['name']}")
    assert _form(ada, f"{home}/duplicate", **form).status == 409


def test_a_reader_behind_the_gate_proposes_nothing(gated: Gated) -> None:
    lines = (header(), file("x.txt", b"x"))
    path = f"/api/models/{gated.repo.name}/commit/main?create_pr=1"
    reply = gated.api("bob").send(
        "POST",
        path,
        data=b"\n".join(msgspec.json.encode(line) for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert (reply.status, reply.headers["X-Error-Code"]) == (403, "GatedRepo")


def test_who_answers_and_what_it_does_at_once(world: World, gated: Gated) -> None:
    repo = gated.repo
    asked = gated.ours("bob", "POST", "/access-form", {"fields": {"Why": "", "Agreed": "on"}})
    assert asked.error["message"] == "'Why' must be filled in."
    fields = {"Why": "for <b>science</b>", "Agreed": "on"}
    assert gated.ours("bob", "POST", "/access-form", {"fields": fields}).json["state"] == "pending"
    assert gated.ours("bob", "POST", "/access-form", {"fields": fields}).status == 409
    _bytes_are_out_of_reach(gated, "bob")
    (request,) = gated.ours("ada", "GET", "/access-requests").json
    assert request["fields"] == fields
    where = f"/access-requests/{request['id']}"
    for method, rest, body in (
        ("GET", "/access-requests", None),
        ("PUT", where, {"state": "accepted"}),
        ("POST", "/access-grants", {"user": "bob"}),
        ("PUT", "/gate", {"gate": "off"}),
    ):
        assert gated.ours("bob", method, rest, body).status == 403
        assert gated.ours("", method, rest, body).status == 401
    other = world.repo()
    ask(gated.api("ada"), "PUT", f"/api/models/{other.name}/settings", {"gated": "manual"})
    swapped = f"/repos/model/{other.name}{where}"
    assert gated.api("ada").call("PUT", swapped, {"state": "accepted"}).status == 404
    path = f"/{repo.name}/resolve/main/secret.txt"
    for state, status in (
        ("accepted", 200),
        ("rejected", 403),
        ("accepted", 200),
        ("pending", 403),
    ):
        assert gated.ours("ada", "PUT", where, {"state": state}).status == 204
        assert ask(gated.api("bob"), "GET", path).status == status
    assert ask(gated.api(""), "GET", path).status == 401
    elsewhere = world.inside(
        lambda core, actor: credentials.add_token(
            core, actor, "bob", scope=Scope.READ, repo_refs=[RepoRef.parse("model", other.name)]
        )
    )
    gated.ours("ada", "PUT", where, {"state": "accepted"})
    assert refs_of(world.hub, world.http(repo.path, "bob"))
    assert client(repo, "bob").download(gated.big) == gated.big.data
    assert ask(Api(world.hub.http, elsewhere.secret), "GET", path).status == 403


def test_a_role_opens_the_gate_and_a_gate_may_open_by_itself(world: World, gated: Gated) -> None:
    path = f"/{gated.repo.name}/resolve/main/secret.txt"
    world.add_user("carol")
    world.grant(gated.repo, "carol", Role.READ)
    assert ask(gated.api("carol"), "GET", path).body == b"the secret\n"
    world.add_user("dave")
    assert gated.ours("ada", "PUT", "/gate", {"gate": "auto"}).status == 204
    fields = {"Why": "so", "Agreed": "on"}
    assert ask(gated.api("dave"), "GET", path).status == 403
    assert (
        gated.ours("dave", "POST", "/access-form", {"fields": fields}).json["state"] == "accepted"
    )
    assert ask(gated.api("dave"), "GET", path).status == 200
    assert gated.ours("ada", "PUT", "/gate", {"gate": "off"}).status == 204
    assert ask(gated.api(""), "GET", path).status == 200


def _form(browser: Browser, path: str, **fields: str) -> Reply:
    csrf = hidden(browser.get(path.partition("/settings/")[0]))["csrf"]
    return browser.post(path, {"csrf": csrf, **fields})


def test_the_pages_ask_and_answer_without_scripts(world: World, gated: Gated) -> None:
    ada, bob, home = signed_in(world), signed_in(world, "bob"), f"/{gated.repo.name}"
    assert b'name="field.Why"' in bob.get(f"{home}/ask-access").body
    answers = {"field.Why": "<script>alert(1)</script>", "field.Agreed": "on"}
    assert _form(bob, f"{home}/ask-access", **answers).status == 303
    assert b"Your request is pending" in bob.get(home).body
    page = ada.get(f"{home}/settings").body.decode()
    assert "<script>alert(1)" not in page
    (request,) = gated.ours("ada", "GET", "/access-requests").json
    asked = {"request": str(request["id"]), "state": "accepted"}
    assert _form(bob, f"{home}/settings/access", **asked).status == 403
    csrf = hidden(ada.get(f"{home}/settings"))["csrf"]
    assert ada.post(f"{home}/settings/access", {"csrf": csrf, **asked}).status == 303
    assert b"the secret" in bob.get(f"{home}/blob/main/secret.txt").body
    assert _form(ada, f"{home}/settings/access", gate="sometimes").status == 400
