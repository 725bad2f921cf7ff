"""The Hub's dialect by hand: what its clients rely on, and what nobody may make of it."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.apiclient import Api
from tests.apiworld import World
from tests.hfwire import ask, commit, file, header, made, refused, upload
from tests.hubproc import git

Fresh = Callable[[str], str]


def test_a_head_says_all_that_a_download_needs(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    data = os.urandom(3000)
    oid = upload(world, repo, data)
    large = {
        "key": "lfsFile",
        "value": {"path": "d/l ä.bin", "algo": "sha256", "oid": oid, "size": 3000},
    }
    done = commit(world, repo, header(), file("a.txt", b"hello"), large)
    assert done.status == 200, done.body
    sha = done.json["commitOid"]
    assert done.json["commitUrl"] == f"{world.ada.url}/{repo}/commit/{sha}"
    plain = ask(world.nobody, "HEAD", f"/{repo}/resolve/main/a.txt")
    assert plain.status == 200
    assert plain.headers["X-Repo-Commit"] == sha
    blob = hashlib.sha1(b"blob 5\0hello").hexdigest()
    assert plain.headers["ETag"] == f'"{blob}"'
    assert plain.headers["Content-Length"] == "5"
    assert "X-Linked-Etag" not in plain.headers
    assert "X-Xet-Hash" not in plain.headers
    for revision in ("main", sha, "refs%2Fheads%2Fmain", sha[:12]):
        path = f"/{repo}/resolve/{revision}/d/l%20%C3%A4.bin"
        head = ask(world.nobody, "HEAD", path)
        assert head.status == 200, revision
        assert head.headers["ETag"] == head.headers["X-Linked-Etag"] == f'"{oid}"'
        assert head.headers["X-Linked-Size"] == head.headers["Content-Length"] == "3000"
        assert head.headers["X-Repo-Commit"] == sha
        assert ask(world.nobody, "GET", path).body == data
    assert "sandbox" in plain.headers["Content-Security-Policy"]


def test_parts_of_files(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    data = os.urandom(400_000)
    large = {"key": "lfsFile", "value": {"path": "l.bin", "oid": upload(world, repo, data)}}
    assert commit(world, repo, header(), file("p.txt", data), large).status == 200
    for path in (f"/{repo}/resolve/main/p.txt", f"/{repo}/resolve/main/l.bin"):
        for text, wanted, said in (
            ("bytes=0-99", data[:100], "bytes 0-99/400000"),
            ("bytes=399990-", data[-10:], "bytes 399990-399999/400000"),
            ("bytes=-7", data[-7:], "bytes 399993-399999/400000"),
            ("bytes=300000-300010", data[300000:300011], "bytes 300000-300010/400000"),
        ):
            reply = world.nobody.send("GET", path, headers={"Range": text})
            assert (reply.status, reply.body) == (206, wanted), text
            assert reply.headers["Content-Range"] == said
        beyond = world.nobody.send("GET", path, headers={"Range": "bytes=400000-"})
        assert beyond.status == 416
        assert beyond.headers["Content-Range"] == "bytes */400000"
        whole = ask(world.nobody, "GET", path)
        assert whole.body == data
        known = world.nobody.send("GET", path, headers={"If-None-Match": whole.headers["ETag"]})
        assert known.status == 304


def test_what_is_missing_has_its_code(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    sha = ask(world.ada, "GET", f"/api/models/{repo}").json["sha"]
    gone = ask(world.nobody, "GET", f"/{repo}/resolve/main/none")
    refused(gone, 404, "EntryNotFound")
    assert gone.headers["X-Repo-Commit"] == sha
    for path in ("a%2F..%2Fb", "%2e%2e/x", ".git/config", "x%00y"):
        refused(ask(world.nobody, "GET", f"/{repo}/resolve/main/{path}"), 404, "EntryNotFound")
    for revision in ("none", "HEAD~1", "main%5E", "refs%2Fheads%2Fnone", "%2D%2Dall", "a..b"):
        reply = ask(world.nobody, "GET", f"/{repo}/resolve/{revision}/x")
        refused(reply, 404, "RevisionNotFound")
        reply = ask(world.nobody, "GET", f"/api/models/{repo}/revision/{revision}")
        refused(reply, 404, "RevisionNotFound")
    start = {"startingPoint": "main"}
    assert ask(world.ada, "POST", f"/api/models/{repo}/branch/dev%2Fnew", start).status == 200
    for revision in ("dev%2Fnew", "dev/new"):
        there = ask(world.nobody, "GET", f"/{repo}/resolve/{revision}/.gitattributes")
        assert there.headers["X-Repo-Commit"] == sha
        gone = ask(world.nobody, "GET", f"/{repo}/resolve/{revision}/none")
        refused(gone, 404, "EntryNotFound")
    refused(ask(world.ada, "GET", f"/api/models/{repo}/tree/main/none"), 404, "EntryNotFound")
    assert ask(world.ada, "HEAD", f"/api/models/{repo}/tree/none").status in {404, 405}


@pytest.mark.parametrize(
    "path",
    [
        "/api/models/{}",
        "/api/models/{}/tree/main",
        "/api/models/{}/refs",
        "/api/models/{}/commits/main",
        "/api/models/{}/revision/main",
        "/api/models/{}/discussions",
        "/api/models/{}/likers",
        "/api/models/{}/auth-check",
        "/{}/resolve/main/README.md",
    ],
)
def test_private_and_absent_are_the_same(world: World, path: str) -> None:
    for name in ("ada/secret", "ada/none"):
        refused(ask(world.nobody, "GET", path.format(name)), 401, "RepoNotFound")
        refused(ask(world.bob, "GET", path.format(name)), 404, "RepoNotFound")
        wrong = ask(Api(world.ada.url, "hubd_" + "x" * 43), "GET", path.format(name))
        said = refused(wrong, 401)
        assert said == "Invalid credentials in Authorization header"


def test_strangers_change_nothing(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    before = ask(world.ada, "GET", f"/api/models/{repo}").json
    calls: list[tuple[str, str, object]] = [
        ("PUT", f"/api/models/{repo}/settings", {"private": True}),
        ("POST", f"/api/models/{repo}/branch/x", {}),
        ("DELETE", f"/api/models/{repo}/branch/main", None),
        ("POST", f"/api/models/{repo}/tag/main", {"tag": "t"}),
        ("POST", f"/api/models/{repo}/super-squash/main", {"message": "x"}),
        ("POST", f"/api/models/{repo}/preupload/main", {"files": []}),
        ("POST", "/api/repos/move", {"fromRepo": repo, "toRepo": "bob/mine"}),
        ("DELETE", "/api/repos/delete", {"name": repo.split("/")[1], "organization": "ada"}),
        ("POST", "/api/repos/create", {"name": "x", "organization": "ada"}),
        ("GET", f"/api/models/{repo}/auth-check/write", None),
    ]
    reader = world.token("ada", "read")
    for method, path, body in calls:
        for api in (world.nobody, world.bob, reader):
            reply = ask(api, method, path, body)
            assert reply.status in {401, 403}, (method, path, reply.body)
    for api in (world.nobody, world.bob, reader):
        assert commit(world, repo, header(), file("x", b"x"), api=api).status in {401, 403}
    assert ask(world.ada, "GET", f"/api/models/{repo}").json == before


def test_a_large_file_of_another_repository_is_not_to_be_had_by_its_name(
    world: World, fresh: Fresh
) -> None:
    hidden, repo = made(world, fresh("hf"), private=True), fresh("hf")
    oid = upload(world, hidden, b"secret" * 100)
    reply = ask(world.bob, "POST", "/api/repos/create", {"name": repo})
    assert reply.status == 200, reply.body
    line = {"key": "lfsFile", "value": {"path": "x.bin", "oid": oid, "size": 600}}
    said = refused(commit(world, f"bob/{repo}", header(), line, api=world.bob), 400)
    assert "never uploaded" in said
    wrong = {"key": "lfsFile", "value": {"path": "x.bin", "oid": oid, "size": 599}}
    refused(commit(world, hidden, header(), wrong), 400)


def test_a_commit_in_one_document(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    body = {
        "summary": "All at once",
        "files": [{"path": "a.txt", "content": "plain ä"}, {"path": "d/b.txt", "content": "b"}],
    }
    assert ask(world.ada, "POST", f"/api/models/{repo}/commit/main", body).status == 200
    body = {
        "summary": "Again",
        "deletedFiles": [{"path": "a.txt"}],
        "copiedFiles": [{"path": "c.txt", "srcPath": "d/b.txt"}],
        "deletedFolders": [{"path": "d/"}],
    }
    assert ask(world.ada, "POST", f"/api/models/{repo}/commit/main", body).status == 200
    tree = ask(world.ada, "GET", f"/api/models/{repo}/tree/main", recursive=True).json
    assert [entry["path"] for entry in tree] == [".gitattributes", "c.txt"]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense",
        b"{}",
        b'{"key":"header","value":{"summary":""}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"","content":""}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"../x","content":""}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":".git/x","content":""}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"file","value":{"path":"x","content":"*","encoding":"base64"}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"lfsFile","value":{"path":"x","oid":"00"}}',
        b'{"key":"header","value":{"summary":"x"}}\n{"key":"lfsFile","value":{"path":"x","oid":"00","algo":"md5"}}',
        b'{"key":"header","value":{"summary":"x\\u0000"}}\n{"key":"file","value":{"path":"x","content":""}}',
        b'{"key":"odd","value":{}}',
        b'{"key":"file","value":' + b"[" * 5000,
        b"\xff\xfe",
        b"",
    ],
)
def test_a_malformed_commit_is_refused_whole(world: World, data: bytes) -> None:
    before = ask(world.ada, "GET", "/api/models/ada/full").json["sha"]
    reply = world.ada.send(
        "POST",
        "/api/models/ada/full/commit/main",
        data=data,
        headers={"Content-Type": "application/x-ndjson"},
    )
    refused(reply, 400)
    assert ask(world.ada, "GET", "/api/models/ada/full").json["sha"] == before


def test_a_commit_that_the_checks_refuse_says_all(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    lines = [file("Twin.txt", b"1"), file("twin.txt", b"2")]
    bad = b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n" + b"#" * 90
    said = refused(commit(world, repo, header(), *lines, file("p.bin", bad)), 422)
    assert "p.bin" in said
    assert "win.txt" in said


def test_a_pull_request_that_the_checks_refuse_is_not_left_open(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    assert commit(world, repo, header(), file("a.txt", b"1")).status == 200
    lines = [file("Twin.txt", b"1"), file("twin.txt", b"2")]
    refused(commit(world, repo, header(), *lines, rev="main?create_pr=1"), 422)
    listed = ask(world.ada, "GET", f"/api/models/{repo}/discussions").json["discussions"]
    assert [(one["isPullRequest"], one["status"]) for one in listed] == [(True, "closed")]


def test_an_old_name_leads_to_the_new_one(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    assert commit(world, repo, header(), file("a b.txt", b"x")).status == 200
    body = {"fromRepo": repo, "toRepo": repo + "-new", "type": "model"}
    assert ask(world.ada, "POST", "/api/repos/move", body).status == 200
    moved = ask(world.nobody, "HEAD", f"/{repo}/resolve/main/a%20b.txt", download="true")
    assert moved.status == 307
    assert moved.headers["Location"] == f"/{repo}-new/resolve/main/a%20b.txt?download=true"
    assert ask(world.nobody, "GET", moved.headers["Location"]).body == b"x"
    moved = ask(world.nobody, "GET", f"/api/models/{repo}/revision/main", blobs="true")
    assert moved.status == 307
    assert moved.headers["Location"] == f"/api/models/{repo}-new/revision/main?blobs=true"


def test_long_lists_come_in_pages(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    lines = [file(f"d{n % 3}/f{n:02}.txt", b"x") for n in range(30)]
    assert commit(world, repo, header(), *lines).status == 200
    for recursive, count in (("true", 34), ("false", 4)):
        path: str | None = f"/api/models/{repo}/tree/main?limit=3&recursive={recursive}"
        seen: list[str] = []
        while path is not None:
            reply = ask(world.nobody, "GET", path)
            seen += [entry["path"] for entry in reply.json]
            assert len(reply.json) <= 3
            link = reply.headers.get("Link")
            assert link is None or link.startswith(f"<{world.ada.url}/api/models/{repo}/tree/")
            path = link.split(">")[0][1:].removeprefix(world.ada.url) if link else None
        assert len(seen) == len(set(seen)) == count
    first = ask(world.nobody, "GET", f"/api/models/{repo}/commits/main", limit=1)
    assert [c["title"] for c in first.json] == ["A commit"]
    assert 'rel="next"' in first.headers["Link"]
    bad = ask(world.nobody, "GET", f"/api/models/{repo}/tree/main", cursor="no/such", recursive=1)
    refused(bad, 400)


def test_paths_info_as_form_and_as_json(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    assert commit(world, repo, header(), file("d/a.txt", b"x")).status == 200
    path = f"/api/models/{repo}/paths-info/main"
    form = world.nobody.send(
        "POST",
        path,
        data=b"paths=d&paths=d%2Fa.txt&paths=none&paths=..&expand=True",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert [(e["type"], e["path"]) for e in form.json] == [("directory", "d"), ("file", "d/a.txt")]
    assert {e["lastCommit"]["title"] for e in form.json} == {"A commit"}
    plain = ask(world.nobody, "POST", path, {"paths": ["d/a.txt"]}).json
    assert plain == [
        {
            "type": "file",
            "oid": hashlib.sha1(b"blob 1\0x").hexdigest(),
            "size": 1,
            "path": "d/a.txt",
        }
    ]


def test_info_gives_what_is_asked_for(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    card = b"---\nlicense: mit\n---\n"
    assert commit(world, repo, header(), file("README.md", card)).status == 200
    some = ask(world.nobody, "GET", f"/api/models/{repo}?expand=likes&expand[]=cardData").json
    assert some == {"_id": some["_id"], "id": repo, "likes": 0, "cardData": {"license": "mit"}}
    refused(ask(world.nobody, "GET", f"/api/models/{repo}", expand="everything"), 400)
    whole = ask(world.nobody, "GET", f"/api/models/{repo}", blobs="true").json
    assert [s["rfilename"] for s in whole["siblings"]] == [".gitattributes", "README.md"]
    assert whole["siblings"][1]["size"] == len(card)
    assert whole["private"] is False
    assert whole["gated"] is False
    assert whole["lastModified"].endswith("Z")


def test_a_repository_made_elsewhere_may_be_empty(world: World, fresh: Fresh) -> None:
    name = fresh("empty")
    world.repo(name)
    repo = f"ada/{name}"
    info = ask(world.nobody, "GET", f"/api/models/{repo}").json
    assert info["siblings"] == []
    assert "sha" not in info
    assert ask(world.nobody, "GET", f"/api/models/{repo}/tree/main").json == []
    assert ask(world.nobody, "GET", f"/api/models/{repo}/commits/main").json == []
    refused(ask(world.nobody, "GET", f"/{repo}/resolve/main/x"), 404, "RevisionNotFound")
    plan = {"files": [{"path": "a.txt", "size": 3, "sample": "YWJj"}]}
    reply = ask(world.ada, "POST", f"/api/models/{repo}/preupload/main", plan)
    assert reply.json["files"][0]["uploadMode"] == "regular"
    assert commit(world, repo, header(), file("a.txt", b"abc")).status == 200
    assert ask(world.nobody, "GET", f"/{repo}/resolve/main/a.txt").body == b"abc"


def test_main_stands_for_the_default_branch(world: World, fresh: Fresh) -> None:
    name = fresh("master")
    world.repo(name, default_branch="master")
    repo = f"ada/{name}"
    assert commit(world, repo, header(), file("a.txt", b"one")).status == 200
    assert commit(world, repo, header(), file("a.txt", b"two")).status == 200
    refs = ask(world.nobody, "GET", f"/api/models/{repo}/refs").json
    assert [ref["name"] for ref in refs["branches"]] == ["master"]
    assert ask(world.nobody, "GET", f"/{repo}/resolve/main/a.txt").body == b"two"


def test_repositories_with_other_ids_are_refused_in_a_sentence(world: World, fresh: Fresh) -> None:
    name = fresh("wide")
    world.repo(name, object_format="sha256")
    for line in (header(), file("a.txt", b"x")):
        reply = commit(world, f"ada/{name}", line)
        assert "SHA-256" in refused(reply, 400)


def test_how_files_are_to_be_sent(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    attributes = b"*.bin filter=lfs diff=lfs merge=lfs -text\nsmall.bin -filter\n"
    lines = [file(".gitattributes", attributes), file("d/.gitattributes", b"*.txt filter=lfs\n")]
    assert commit(world, repo, header(), *lines, file(".gitignore", b"*.log\n")).status == 200
    text, binary = base64.b64encode(b"text").decode(), base64.b64encode(b"\0\1").decode()
    files = [
        {"path": "a.bin", "size": 4, "sample": text},
        {"path": "small.bin", "size": 4, "sample": text},
        {"path": "empty.bin", "size": 0, "sample": ""},
        {"path": "d/a.txt", "size": 4, "sample": text},
        {"path": "e/a.txt", "size": 4, "sample": text},
        {"path": "b.dat", "size": 2, "sample": binary},
        {"path": "huge.txt", "size": 10**8, "sample": text},
        {"path": "x.log", "size": 4, "sample": text},
        {"path": ".gitignore", "size": 6, "sample": text},
    ]
    path = f"/api/models/{repo}/preupload/main"
    plan = ask(world.ada, "POST", path, {"files": files}).json["files"]
    modes = [one["uploadMode"] for one in plan]
    regular = {"small.bin", "empty.bin", "e/a.txt", "x.log", ".gitignore"}
    assert {
        one["path"] for one, mode in zip(files, modes, strict=True) if mode == "regular"
    } == regular
    assert [one["path"] for one in plan if one["shouldIgnore"]] == ["x.log"]
    assert plan[-1]["oid"] == hashlib.sha1(b"blob 6\0*.log\n").hexdigest()
    other = ask(world.ada, "POST", path, {"files": files, "gitIgnore": "*.bin"}).json["files"]
    assert sum(one["shouldIgnore"] for one in other) == 3
    bad = {"files": [{"path": "../x", "size": 1, "sample": ""}]}
    refused(ask(world.ada, "POST", path, bad), 400)
    refused(ask(world.ada, "POST", path, {"files": [{"path": "x", "sample": "*"}]}), 400)


def test_a_comparison_is_a_patch(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hf"))
    one = commit(world, repo, header(), file("a.txt", b"one\n")).json["commitOid"]
    two = commit(world, repo, header(), file("a.txt", b"two\n")).json["commitOid"]
    patch = ask(world.nobody, "GET", f"/api/models/{repo}/compare/{one}..{two}")
    assert patch.headers["Content-Type"].startswith("text/plain")
    assert b"-one\n+two\n" in patch.body
    refused(ask(world.nobody, "GET", f"/api/models/{repo}/compare/{one}"), 400)


def test_what_is_not_built_says_so(world: World) -> None:
    for method, path in (
        ("POST", "/api/jobs/ada"),
        ("GET", "/api/buckets/ada/x"),
        ("GET", "/api/spaces/ada/full/logs/run"),
    ):
        assert "yet" in refused(ask(world.ada, method, path), 501)


def test_the_names_that_clients_ask_for_without_an_owner(world: World) -> None:
    refused(ask(world.nobody, "GET", "/api/models/gpt2"), 401, "RepoNotFound")
    refused(ask(world.bob, "GET", "/gpt2/resolve/main/config.json"), 404, "RepoNotFound")
    refused(ask(world.bob, "GET", "/api/models/ada/full/no-such-call"), 404)


def test_git_sees_what_was_committed(world: World, fresh: Fresh, tmp_path: Any) -> None:
    repo = made(world, fresh("hf"))
    oid = upload(world, repo, b"x" * 500)
    line = {"key": "lfsFile", "value": {"path": "odd name*.dat", "oid": oid, "size": 500}}
    assert commit(world, repo, header("Title", description="Body"), line).status == 200
    git("clone", "-q", f"{world.ada.url}/{repo}", tmp_path / "c")
    said = git("check-attr", "filter", "odd name*.dat", "odd nameX.dat", cwd=tmp_path / "c")
    assert said.stdout.decode().splitlines() == [
        "odd name*.dat: filter: lfs",
        "odd nameX.dat: filter: unspecified",
    ]
    pointer = (tmp_path / "c" / "odd name*.dat").read_text()
    assert f"oid sha256:{oid}\nsize 500\n" in pointer
    log = git("log", "-1", "--format=%an%n%B", cwd=tmp_path / "c").stdout.decode()
    assert log.strip().splitlines() == ["ada", "Title", "", "Body"]
