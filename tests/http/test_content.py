from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.apiclient import Api
from tests.apiworld import FULL, World

Fresh = Callable[[str], str]


def test_refs_are_branches_and_tags(world: World) -> None:
    refs = world.nobody.get(FULL + "/refs").json
    assert [(r["kind"], r["name"], r["is_default"]) for r in refs] == [
        ("branch", "main", True),
        ("branch", "work", False),
        ("tag", "v1", False),
    ]
    assert refs[0]["oid"] == world.git("rev-parse", "main")
    assert refs[2]["oid"] == world.git("rev-parse", "v1^{commit}")
    first = world.nobody.get(FULL + "/refs", limit=2)
    assert first.next is not None
    assert [r["name"] for r in world.nobody.get(first.next).json] == ["v1"]
    assert [r["name"] for r in world.nobody.get(FULL + "/refs", kind="tag").json] == ["v1"]


def test_a_folder_is_listed_with_its_last_commits(world: World) -> None:
    tree = world.nobody.get(FULL + "/tree", commits=True).json
    assert tree["commit"] == world.git("rev-parse", "main")
    entries = {e["name"]: e for e in tree["entries"]}
    assert tree["entries"][0]["name"] == "data"
    assert entries["data"]["kind"] == "folder"
    assert entries["link"]["kind"] == "link"
    assert entries["README.md"]["mode"] == "100644"
    assert entries["README.md"]["size"] == 15
    assert entries["README.md"]["last_commit"]["subject"] == "Second"
    assert entries["data"]["last_commit"]["subject"] == "Third"
    assert entries["zero.bin"]["last_commit"]["author"]["at"].endswith("Z")


def test_a_folder_comes_in_parts(world: World) -> None:
    first = world.nobody.get(FULL + "/tree", path="data", limit=3)
    assert first.json["total"] == 5
    assert first.next is not None
    second = world.nobody.get(first.next)
    names = [e["path"] for e in first.json["entries"] + second.json["entries"]]
    assert names == [f"data/{number}.txt" for number in range(5)]
    assert second.next is None


def test_a_file_is_text_or_bytes(world: World) -> None:
    text = world.nobody.get(FULL + "/blob", path="README.md", revision="v1").json
    assert (text["text"], text["content"], text["binary"]) == ("# Hello\n", None, False)
    assert text["revision"] == "v1"
    data = world.nobody.get(FULL + "/blob", path="zero.bin").json
    assert (data["text"], data["binary"]) == (None, True)
    assert base64.b64decode(data["content"]) == bytes(range(256)) * 8


def test_raw_is_a_download_and_never_a_page(world: World) -> None:
    reply = world.nobody.get(FULL + "/raw", path="zero.bin", revision="main")
    assert reply.body == bytes(range(256)) * 8
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["Content-Disposition"].startswith("attachment;")
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["X-Hubd-Commit"] == world.git("rev-parse", "main")
    assert "RateLimit" in reply.headers
    head = world.nobody.call("HEAD", FULL + "/raw?path=zero.bin")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "2048")


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/blob", {"path": "absent"}, 404),
        ("/blob", {"path": "data"}, 400),
        ("/blob", {}, 400),
        ("/blob", {"path": "../etc/passwd"}, 400),
        ("/blob", {"path": ".git/config"}, 400),
        ("/blob", {"path": "link/x"}, 404),
        ("/raw", {"path": "absent"}, 404),
        ("/raw", {"path": "a\0b"}, 400),
        ("/tree", {"path": "README.md"}, 400),
        ("/tree", {"path": "absent"}, 404),
        ("/tree", {"revision": "absent"}, 404),
        ("/tree", {"revision": "main~1"}, 400),
        ("/tree", {"revision": "--help"}, 400),
        ("/tree", {"revision": "0" * 40}, 404),
        ("/commits", {"revision": "main..work"}, 400),
        ("/commits/" + "0" * 40, {}, 404),
        ("/commits/nothex", {}, 404),
        ("/compare", {"base": "main"}, 400),
        ("/compare", {"base": "main", "head": "absent"}, 404),
    ],
)
def test_what_is_not_there_or_no_address_is_refused(
    world: World, path: str, query: dict[str, str], status: int
) -> None:
    assert world.nobody.get(FULL + path, **query).status == status


def test_history_comes_in_parts(world: World) -> None:
    first = world.nobody.get(FULL + "/commits", limit=2)
    assert [c["subject"] for c in first.json] == ["Third", "Second"]
    assert first.json[0]["body"] == "With a body."
    assert first.next is not None
    assert [c["subject"] for c in world.nobody.get(first.next).json] == ["First"]
    one = world.nobody.get(FULL + "/commits", path="README.md").json
    assert [c["subject"] for c in one] == ["Second", "First"]


def test_a_commit_shows_what_it_changed(world: World) -> None:
    oid = world.git("rev-parse", "main")
    found = world.nobody.get(f"{FULL}/commits/{oid}").json
    assert found["commit"]["oid"] == oid
    assert found["commit"]["parents"] == [world.git("rev-parse", "main~1")]
    (file,) = found["diff"]["files"]
    assert (file["new_path"], file["additions"], file["deletions"]) == ("data/0.txt", 1, 1)
    root = world.git("rev-list", "--max-parents=0", "main")
    assert world.nobody.get(f"{FULL}/commits/{root[:10]}").json["commit"]["parents"] == []


def test_two_revisions_are_compared(world: World) -> None:
    found = world.nobody.get(FULL + "/compare", base="work", head="main").json
    assert (found["ahead"], found["behind"]) == (1, 0)
    assert [c["subject"] for c in found["commits"]] == ["Third"]
    assert found["merge_base"] == world.git("rev-parse", "work")
    assert [f["new_path"] for f in found["diff"]["files"]] == ["data/0.txt"]


def test_an_empty_repository_says_so(world: World, ada: Api, fresh: Fresh) -> None:
    url = world.repo(fresh("empty"))
    assert ada.get(url + "/refs").json == []
    assert ada.get(url + "/pushes").json == []
    for path in ("/tree", "/commits"):
        reply = ada.get(url + path)
        assert reply.status == 404
        assert "empty" in reply.error["message"]
