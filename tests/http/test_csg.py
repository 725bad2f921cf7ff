"""CSGHub's dialect by hand: the envelope, what its calls do, and what nobody may make of it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable

import pytest

from hubd.http import csg
from tests.apiclient import Api, Reply
from tests.apiworld import World
from tests.csgwire import b64, good, made, refused
from tests.hfwire import ask, upload

Fresh = Callable[[str], str]


def test_a_repository_comes_changes_and_goes(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"), private=True, license="mit", description="A thing")
    shown = good(world.ada, "GET", repo)
    assert shown["private"] is True
    assert (shown["license"], shown["description"]) == ("mit", "A thing")
    assert {"name": "mit", "category": "license", "group": "", "built_in": False} in shown["tags"]
    assert shown["repository"]["http_clone_url"] == f"{world.ada.url}{repo}.git"
    assert shown["default_branch"] == "main"
    again = {"namespace": "ada", "name": shown["name"]}
    refused(ask(world.ada, "POST", "/api/v1/models", again), 409, "CONFLICT")
    changed = good(world.ada, "PUT", repo, {"private": False, "description": "Another"})
    assert (changed["private"], changed["description"]) == (False, "Another")
    assert good(world.nobody, "GET", repo)["id"] == shown["id"]
    good(world.ada, "DELETE", repo)
    refused(ask(world.ada, "GET", f"/api/v1{repo}"), 404, "NOT-FOUND")


def test_lists_have_pages_words_and_tags(world: World, fresh: Fresh) -> None:
    word = fresh("zebra")
    for index in range(5):
        made(world, f"{word}-{index}", license="mit" if index % 2 else "apache-2.0")
    made(world, f"{word}-private", private=True)
    for api, total in ((world.nobody, 5), (world.bob, 5), (world.ada, 6)):
        reply = ask(api, "GET", "/api/v1/models", search=word, per=2, page=3)
        assert reply.json["total"] == total
        assert len(reply.json["data"]) == total - 4
    pages = [
        one["path"]
        for page in (1, 2, 3)
        for one in good(world.bob, "GET", "/models", search=word, per=2, page=page)
    ]
    assert sorted(pages) == [f"ada/{word}-{index}" for index in range(5)]
    tagged = good(
        world.bob, "GET", "/user/ada/models", search=word, tag_category="license", tag_name="mit"
    )
    assert {one["name"] for one in tagged} == {f"{word}-1", f"{word}-3"}
    assert good(world.bob, "GET", "/organization/lab/models", search=word) == []
    wrong = ask(world.bob, "GET", "/api/v1/models", sort="colour")
    refused(wrong, 400, "INVALID")
    refused(ask(world.bob, "GET", "/api/v1/user/nemo/models"), 404, "NOT-FOUND")


def test_files_go_in_and_are_shown(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    large = os.urandom(5000)
    oid = upload(world, repo.removeprefix("/"), large)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 5000\n"
    files = [
        {"path": "d/a ä.txt", "action": "create", "content": b64(b"one\n" * 100)},
        {"path": "empty", "action": "create", "content": ""},
        {"path": "big.dat", "action": "create", "content": b64(pointer.encode())},
    ]
    good(world.ada, "POST", f"{repo}/commit/main", {"message": "Three", "files": files})
    again = [
        {"path": "d/a ä.txt", "action": "create", "content": b64(b"two\n")},
        {"path": "empty", "action": "delete"},
    ]
    good(world.ada, "POST", f"{repo}/commit/main", {"message": "Two", "files": again})
    entries = good(world.nobody, "GET", f"{repo}/tree")
    assert [(one["path"], one["type"], one["size"], one["lfs"]) for one in entries] == [
        (".gitattributes", "file", entries[0]["size"], False),
        ("big.dat", "file", 5000, True),
        ("d", "dir", 0, False),
    ]
    assert [one["commit"]["message"] for one in entries] == ["Three", "Three", "Two"]
    # Named in the attributes, so that git fetches it.
    assert "big.dat" in good(world.nobody, "GET", f"{repo}/raw/.gitattributes", ref="main")
    part = good(world.nobody, "GET", f"{repo}/refs/main/tree/", limit=2)
    assert [one["path"] for one in part["Files"]] == [".gitattributes", "big.dat"]
    rest = good(world.nobody, "GET", f"{repo}/refs/main/tree/", cursor=part["Cursor"])
    assert ([one["path"] for one in rest["Files"]], rest["Cursor"]) == (["d"], "")
    inside = good(world.nobody, "GET", f"{repo}/tree", path="d", ref="main")
    assert [one["path"] for one in inside] == ["d/a ä.txt"]
    every = good(world.nobody, "GET", f"{repo}/all_files")
    assert [one["path"] for one in every] == [".gitattributes", "big.dat", "d/a ä.txt"]
    blob = good(world.nobody, "GET", f"{repo}/blob/d/a%20%C3%A4.txt")
    assert base64.b64decode(blob["content"]) == b"two\n"
    assert blob["sha"] == hashlib.sha1(b"blob 4\0two\n").hexdigest()
    for way in ("download", "resolve"):
        sent = ask(world.nobody, "GET", f"/api/v1{repo}/{way}/big.dat", ref="main")
        assert sent.body == large
        assert sent.headers["Accept-Ranges"] == "bytes"
    history = ask(world.nobody, "GET", f"/api/v1{repo}/commits", per=2).json
    assert history["total"] == 3
    assert [one["message"] for one in history["data"]] == ["Two", "Three"]
    assert history["data"][0] == good(world.nobody, "GET", f"{repo}/last_commit")
    detailed = good(world.nobody, "GET", f"{repo}/commit/{history['data'][0]['id']}")
    assert sorted(detailed["files"]) == ["d/a ä.txt", "empty"]
    assert detailed["parents"] == [history["data"][1]["id"]]
    assert detailed["stats"] == {"total": 101, "additions": 1, "deletions": 100}


def test_one_file_at_a_time(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    main = good(world.ada, "GET", f"{repo}/branches")[0]
    assert main["name"] == "main"
    # As the client makes a branch, even with nothing new in it.
    same = {"message": "Branch", "new_branch": "dev", "content": ""}
    attributes = good(world.ada, "GET", f"{repo}/raw/.gitattributes")
    same["content"] = b64(attributes.encode())
    good(world.ada, "POST", f"{repo}/raw/.gitattributes", same)
    branches = good(world.ada, "GET", f"{repo}/branches")
    assert [(one["name"], one["commit"]) for one in branches] == [
        ("main", main["commit"]),
        ("dev", main["commit"]),
    ]
    on_dev = {"message": "Write", "branch": "dev"}
    good(world.ada, "POST", f"{repo}/raw/a.txt", {**on_dev, "content": b64(b"a")})
    moved = {**on_dev, "content": b64(b"b"), "origin_path": "a.txt"}
    good(world.ada, "PUT", f"{repo}/raw/b.txt", moved)
    assert good(world.ada, "GET", f"{repo}/raw/b.txt", ref="dev") == "b"
    gone = ask(world.ada, "GET", f"/api/v1{repo}/raw/a.txt", ref="dev")
    refused(gone, 404, "NOT-FOUND")
    good(world.ada, "DELETE", f"{repo}/raw/b.txt", on_dev)
    names = [one["path"] for one in good(world.ada, "GET", f"{repo}/all_files", ref="dev")]
    assert "b.txt" not in names
    absent = {"message": "x", "branch": "none", "content": ""}
    refused(ask(world.ada, "POST", f"/api/v1{repo}/raw/x", absent), 404, "NOT-FOUND")
    clash = {**on_dev, "content": b64(b"x")}
    refused(ask(world.ada, "POST", f"/api/v1{repo}/raw/.gitattributes/x", clash), 400, "INVALID")
    bad = {"message": "x", "files": [{"path": "x", "content": "no base64!"}]}
    refused(ask(world.ada, "POST", f"/api/v1{repo}/commit/main", bad), 400, "INVALID")
    for data in (b"", b"[]", b"{", b'{"files":[{"path":"x","content":3}]}'):
        reply = world.ada.send("POST", f"/api/v1{repo}/commit/main", data=data)
        refused(reply, 400, "INVALID")


def test_preupload_says_what_is_there(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    text = good(world.ada, "GET", f"{repo}/raw/.gitattributes")
    asked = [
        {"path": ".gitattributes", "size": len(text)},
        {"path": "m.safetensors", "size": 10},
        {"path": "big", "size": 50_000_000},
        {"path": "small", "size": 10},
    ]
    files = good(world.ada, "POST", f"{repo}/preupload/main", {"files": asked})["files"]
    there = hashlib.sha1(f"blob {len(text)}\0{text}".encode()).hexdigest()
    assert [(one["path"], one["uploadMode"], one["oid"]) for one in files] == [
        (".gitattributes", "regular", there),
        ("m.safetensors", "lfs", ""),
        ("big", "lfs", ""),
        ("small", "regular", ""),
    ]
    assert all(one["shouldIgnore"] is one["isDir"] is False for one in files)


def test_likes(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    shown = good(world.bob, "GET", repo)
    good(world.bob, "PUT", f"/user/bob/likes/{shown['id']}")
    assert good(world.bob, "GET", repo)["likes"] == 1
    liked = good(world.bob, "GET", "/user/bob/likes/models")
    assert shown["path"] in [one["path"] for one in liked]
    good(world.bob, "DELETE", f"/user/bob/likes/{shown['id']}")
    assert good(world.bob, "GET", repo)["likes"] == 0
    refused(ask(world.bob, "PUT", f"/api/v1/user/ada/likes/{shown['id']}"), 400, "INVALID")
    # A private one by its number is as one that is not there.
    hidden = good(world.ada, "GET", made(world, fresh("csg"), private=True))["id"]
    answers = {
        refused(ask(world.bob, "PUT", f"/api/v1/user/bob/likes/{number}"), 404, "NOT-FOUND")
        for number in (hidden, 999_999_999, 10**17)
    }
    assert len(answers) == 1


def test_tokens_and_keys(world: World, fresh: Fresh) -> None:
    name = fresh("token")
    token = good(world.ada, "POST", f"/token/git/{name}", {"permission": "read"})
    own = Api(world.ada.url, token["token"])
    assert good(own, "GET", "/models/ada/secret")["path"] == "ada/secret"
    reply = ask(own, "POST", "/api/v1/models", {"namespace": "ada", "name": "x"})
    refused(reply, 403, "DENIED")
    refused(ask(own, "POST", "/api/v1/token/git/more", {}), 403, "DENIED")
    refused(ask(world.ada, "POST", f"/api/v1/token/git/{name}", {}), 409, "CONFLICT")
    listed = good(world.ada, "GET", "/user/ada/tokens")
    assert [(one["token"], one["permission"]) for one in listed if one["token_name"] == name] == [
        ("", "read")
    ]
    renewed = good(world.ada, "PUT", f"/token/git/{name}", {})
    refused(ask(own, "GET", "/api/v1/models/ada/secret"), 401, "SIGN-IN-NEEDED")
    own = Api(world.ada.url, renewed["token"])
    assert good(own, "GET", "/models/ada/secret")["path"] == "ada/secret"
    good(world.ada, "DELETE", f"/token/git/{name}")
    refused(ask(own, "GET", "/api/v1/models/ada/full"), 401, "SIGN-IN-NEEDED")
    refused(ask(world.ada, "DELETE", f"/api/v1/token/git/{name}"), 404, "NOT-FOUND")
    refused(ask(world.bob, "GET", "/api/v1/user/ada/tokens"), 403, "DENIED")
    refused(ask(world.ada, "GET", "/api/v1/token/hubd_abc"), 501, "NOT-BUILT")
    public = (
        "ssh-ed25519 "
        + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + os.urandom(32)).decode()
    )
    key = good(world.ada, "POST", "/user/ada/ssh_keys", {"name": name, "content": public})
    assert key["content"] == public
    assert key in good(world.ada, "GET", "/user/ada/ssh_keys")
    refused(ask(world.bob, "GET", "/api/v1/user/ada/ssh_keys"), 403, "DENIED")
    refused(ask(world.bob, "DELETE", f"/api/v1/user/ada/ssh_key/{name}"), 403, "DENIED")
    good(world.ada, "DELETE", f"/user/ada/ssh_key/{name}")
    assert key not in good(world.ada, "GET", "/user/ada/ssh_keys")


def test_users_and_organizations(world: World, fresh: Fresh) -> None:
    assert good(world.ada, "GET", "/user/ada")["email"] == "ada@example.org"
    for api in (world.bob, world.nobody):
        assert good(api, "GET", "/user/ada")["email"] == ""
    changed = good(world.ada, "PUT", "/user/ada", {"nickname": "Ada L."})
    assert (changed["username"], changed["nickname"]) == ("ada", "Ada L.")
    refused(ask(world.bob, "PUT", "/api/v1/user/ada", {"nickname": "x"}), 403, "DENIED")
    refused(ask(world.bob, "GET", "/api/v1/users"), 403, "DENIED")
    assert [one["username"] for one in good(world.root, "GET", "/users", search="ad")] == ["ada"]
    name = fresh("csgorg")
    org = good(world.ada, "POST", "/organizations", {"name": name, "nickname": "Org"})
    assert org == {"path": name, "name": "Org", "role": "admin"}
    assert org in good(world.ada, "GET", "/organizations")
    assert org in good(world.bob, "GET", "/user/ada/organizations")
    good(world.ada, "POST", f"/organization/{name}/members", {"users": "bob", "role": "write"})
    good(world.ada, "PUT", f"/organization/{name}/members/bob", {"new_role": "read"})
    found = good(world.bob, "GET", f"/organization/{name}/members")
    assert [(one["username"], one["role"]) for one in found] == [("ada", "admin"), ("bob", "read")]
    own = {"namespace": name, "name": "x"}
    refused(ask(world.bob, "POST", "/api/v1/models", own), 403, "DENIED")
    member = f"/api/v1/organization/{name}/members/ada"
    refused(ask(world.bob, "DELETE", member), 403, "DENIED")
    refused(ask(world.ada, "DELETE", member), 409, "CONFLICT")
    good(world.ada, "DELETE", f"/organization/{name}/members/bob")


_READS = sorted(
    endpoint.path.replace("{types:models|datasets|spaces|codes}", "models")
    for endpoint in csg.ENDPOINTS
    if endpoint.method == "GET" and endpoint.built and "{namespace}" in endpoint.path
)


@pytest.mark.parametrize("pattern", _READS)
def test_private_and_absent_are_the_same(world: World, pattern: str) -> None:
    start, parts = "/api/v1/models/{namespace}/{name}", ("{ref}", "{sha}", "{branch:.+}")
    path = f"/api/v1{pattern}".replace("{path:.+}", "README.md").replace("{path:(?:/.*)?}", "")
    for part in parts:
        path = path.replace(part, "main")
    assert path.startswith(start)
    said: dict[int, set[str]] = {401: set(), 404: set()}
    for name in ("secret", "none"):
        at = path.format(namespace="ada", name=name)
        said[401].add(refused(ask(world.nobody, "GET", at), 401, "NOT-FOUND"))
        said[404].add(refused(ask(world.bob, "GET", at), 404, "NOT-FOUND"))
        wrong = Api(world.ada.url, "hubd_" + "x" * 43)
        refused(ask(wrong, "GET", at), 401, "SIGN-IN-NEEDED")
    assert [len(sentences) for sentences in said.values()] == [1, 1]
    assert ask(world.ada, "GET", path.format(namespace="ada", name="secret")).status == 200


def test_strangers_change_nothing(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    before = good(world.ada, "GET", f"{repo}/branches"), good(world.ada, "GET", repo)
    raw = {"message": "x", "content": "", "new_branch": "mine"}
    calls: list[tuple[str, str, object]] = [
        ("PUT", repo, {"private": True}),
        ("DELETE", repo, None),
        ("POST", "/models", {"namespace": "ada", "name": "x"}),
        ("POST", f"{repo}/preupload/main", {"files": []}),
        ("POST", f"{repo}/commit/main", {"message": "x", "files": [{"path": "x"}]}),
        ("POST", f"{repo}/raw/x", raw),
        ("PUT", f"{repo}/raw/README.md", raw),
        ("DELETE", f"{repo}/raw/.gitattributes", {"message": "x"}),
        ("POST", f"{repo}/upload_file", {}),
    ]
    reader = world.token("ada", "read")
    for method, path, body in calls:
        for api in (world.nobody, world.bob, reader):
            reply = ask(api, method, f"/api/v1{path}", body)
            assert reply.status in {401, 403}, (method, path, reply.body)
    assert before == (good(world.ada, "GET", f"{repo}/branches"), good(world.ada, "GET", repo))


def test_a_large_file_of_another_repository_is_not_to_be_had(world: World, fresh: Fresh) -> None:
    hidden = made(world, fresh("csg"), private=True)
    oid = upload(world, hidden.removeprefix("/"), b"secret" * 100)
    mine = made(world, fresh("csg"), world.bob)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 600\n".encode()
    files = {"message": "x", "files": [{"path": "x.bin", "content": b64(pointer)}]}
    reply = ask(world.bob, "POST", f"/api/v1{mine}/commit/main", files)
    assert "never uploaded" in refused(reply, 400, "INVALID")
    edit = {"message": "x", "content": b64(pointer)}
    reply = ask(world.bob, "POST", f"/api/v1{mine}/raw/x.bin", edit)
    assert "never uploaded" in refused(reply, 400, "INVALID")


def test_what_is_not_there_says_so(world: World) -> None:
    for path in (
        "/models/ada/full/run",
        "/models/ada/full/finetune/3/logs",
        "/models/ada/full/mirror/sync",
        "/spaces/ada/full/status",
        "/user/ada/run/model",
        "/evaluations",
        "/mcps/ada/x/branches",
        "/collections",
    ):
        reply = ask(world.ada, "GET", f"/api/v1{path}")
        assert "on this hub yet" in refused(reply, 501, "NOT-BUILT"), path
    for path in ("/discussions/1", "/organization/lab", "/tags/1"):
        refused(ask(world.ada, "DELETE", f"/api/v1{path}"), 501, "NOT-BUILT")
    refused(ask(world.ada, "GET", "/api/v1/nothing/of/this"), 404, "NOT-FOUND")
    # Clients stop without any.
    assert len(good(world.nobody, "GET", "/space_resources", deploy_type=0)) == 1


def test_a_form_must_be_whole(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    path = f"/api/v1{repo}/upload_file"

    def send(*fields: tuple[str, bytes]) -> Reply:
        body = b"".join(
            b'--B\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (n.encode(), data)
            for n, data in fields
        )
        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        return world.ada.send("POST", path, data=body + b"--B--\r\n", headers=kind)

    whole = (("file_path", b"d/x.txt"), ("branch", b"main"), ("message", b"Form"))
    assert send(*whole, ("file", b"data")).status == 200
    assert good(world.ada, "GET", f"{repo}/raw/d/x.txt") == "data"
    assert good(world.ada, "GET", f"{repo}/last_commit")["message"] == "Form"
    refused(send(*whole), 400, "INVALID")
    refused(send(("file", b"data"), *whole), 400, "INVALID")
    refused(send(("file_path", b"../x"), ("file", b"data")), 400, "INVALID")
    refused(send(("file_path", b"d/x.txt/y"), ("file", b"data")), 400, "INVALID")
    refused(send(("file_path", b"x"), ("branch", b"none"), ("file", b"d")), 404, "NOT-FOUND")
    refused(send(("file_path", b"x" * 100_000), ("file", b"data")), 413, "TOO-LARGE")
    plain = world.ada.send("POST", path, data=b"x", headers={"Content-Type": "text/plain"})
    refused(plain, 400, "INVALID")
    kind = {"Content-Type": "multipart/form-data"}
    refused(world.ada.send("POST", path, data=b"x", headers=kind), 400, "INVALID")
