"""CSGHub's dialect by hand: discussions, what differs, new owners, and gates."""

from __future__ import annotations

from collections.abc import Callable

from tests.apiworld import World
from tests.csgwire import b64, good, made, refused
from tests.hfwire import ask, commit, file, header

Fresh = Callable[[str], str]


def test_people_talk(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    one = good(world.bob, "POST", f"{repo}/discussions", {"title": "A question"})
    assert (one["title"], one["user"]["name"], one["comment_count"]) == ("A question", "bob", 0)
    where = f"/discussions/{one['id']}"
    listed = ask(world.nobody, "GET", f"/api/v1{repo}/discussions").json
    assert (listed["data"], listed["total"]) == ({"discussions": [one]}, 1)
    said = [
        good(api, "POST", f"{where}/comments", {"content": text})
        for api, text in ((world.ada, "Yes?"), (world.bob, "Why?"), (world.ada, "So."))
    ]
    shown = good(world.nobody, "GET", where, per=2, page=2)
    assert shown["comment_count"] == 3
    assert shown["comments"] == {"data": [said[2]], "total": 3}
    ours, theirs = (f"{where}/comments/{said[index]['id']}" for index in (0, 1))
    for method, path, body in (
        ("PUT", where, {"title": "Mine"}),
        ("PUT", ours, {"content": "No."}),
        ("DELETE", ours, None),
    ):
        stranger = world.bob if path is ours else world.token("bob", "read")
        refused(ask(stranger, method, f"/api/v1{path}", body), 403, "DENIED")
        refused(ask(world.nobody, method, f"/api/v1{path}", body), 401, "SIGN-IN-NEEDED")
    good(world.bob, "PUT", where, {"title": "Another"})
    good(world.bob, "PUT", theirs, {"content": "Why not?"})
    good(world.ada, "DELETE", ours)
    listed = ask(world.nobody, "GET", f"/api/v1{where}/comments").json
    assert ([one["content"] for one in listed["data"]], listed["total"]) == (["Why not?", "So."], 2)
    assert good(world.nobody, "GET", where)["title"] == "Another"
    refused(ask(world.bob, "POST", f"/api/v1{repo}/discussions", {"title": " "}), 400, "INVALID")
    # The same discussion by the number that it has here.
    num = good(world.ada, "GET", repo)["path"]
    assert ask(world.ada, "GET", f"/api/models/{num}/discussions/1").json["title"] == "Another"


def test_talk_in_private_stays_there(world: World, fresh: Fresh) -> None:
    """By its number it is as one that is not there; a comment is found in its own place only."""
    hidden, public = made(world, fresh("csg"), private=True), made(world, fresh("csg"))
    ids, comments = [], []
    for repo in (hidden, public):
        ids.append(good(world.ada, "POST", f"{repo}/discussions", {"title": "x"})["id"])
        said = good(world.ada, "POST", f"/discussions/{ids[-1]}/comments", {"content": "secret"})
        comments.append(said["id"])
    for method, rest, body in (
        ("GET", "", None),
        ("PUT", "", {"title": "x"}),
        ("GET", "/comments", None),
        ("POST", "/comments", {"content": "x"}),
        ("PUT", f"/comments/{comments[0]}", {"content": "x"}),
        ("DELETE", f"/comments/{comments[0]}", None),
    ):
        for api, status in ((world.bob, 404), (world.nobody, 401)):
            told = {
                refused(
                    ask(api, method, f"/api/v1/discussions/{number}{rest}", body),
                    status,
                    "NOT-FOUND",
                )
                for number in (ids[0], 999_999_999, 10**17)
            }
            assert len(told) == 1
    swapped = f"/api/v1/discussions/{ids[1]}/comments/{comments[0]}"
    for method in ("PUT", "DELETE"):
        refused(ask(world.ada, method, swapped, {"content": "x"}), 404, "NOT-FOUND")
    assert good(world.ada, "GET", f"/discussions/{ids[0]}")["comments"]["total"] == 1


def test_what_differs_and_how_large_it_is(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    first = good(world.ada, "GET", f"{repo}/last_commit")["id"]
    size = good(world.ada, "GET", f"{repo}/size/main")
    for message, files in (
        ("One", [{"path": "d/a", "content": b64(b"1")}, {"path": "b", "content": b64(b"22")}]),
        ("Two", [{"path": "b", "action": "delete"}, {"path": "d/a", "content": b64(b"333")}]),
        ("Three", [{"path": "d/c", "content": ""}]),
    ):
        good(world.ada, "POST", f"{repo}/commit/main", {"message": message, "files": files})
    second = good(world.ada, "GET", f"{repo}/commits")[2]["id"]
    assert good(world.nobody, "GET", f"{repo}/diff", left_commit_id=second) == [
        {"added": ["d/c"], "removed": ["b"], "modified": ["d/a"]}
    ]
    back = {"left_commit_id": second, "right_commit_id": first}
    assert good(world.nobody, "GET", f"{repo}/diff", **back) == [
        {"added": [], "removed": ["b", "d/a"], "modified": []}
    ]
    every = good(world.nobody, "GET", f"{repo}/diff")[0]["added"]
    assert every == [".gitattributes", "d/a", "d/c"]
    assert good(world.nobody, "GET", f"{repo}/size/main") == size + 3
    logs = good(world.nobody, "GET", f"{repo}/refs/main/logs_tree/", limit=1)
    assert [(one["name"], one["path"]) for one in logs["Commits"]] == [(".gitattributes",) * 2]
    rest = good(world.nobody, "GET", f"{repo}/refs/main/logs_tree/", cursor=logs["Cursor"])
    assert [(one["path"], one["message"]) for one in rest["Commits"]] == [("d", "Three")]
    refused(ask(world.nobody, "GET", f"/api/v1{repo}/size/none"), 404, "NOT-FOUND")
    other = made(world, fresh("csg"), private=True)
    files = [{"path": "secret", "content": b64(b"secret")}]
    good(world.ada, "POST", f"{other}/commit/main", {"message": "Secret", "files": files})
    theirs = good(world.ada, "GET", f"{other}/last_commit")["id"]
    wrong = ask(world.ada, "GET", f"/api/v1{repo}/diff", left_commit_id=theirs)
    refused(wrong, 404, "NOT-FOUND")


def test_a_repository_gets_another_owner(world: World, fresh: Fresh) -> None:
    name = fresh("csg")
    repo = made(world, name)
    for owner, status in (("bob", 403), ("nemo", 404)):
        asked = {"new_namespace": owner}
        assert ask(world.ada, "POST", f"/api/v1{repo}/transfer", asked).status == status
    asked = {"new_namespace": "lab"}
    refused(ask(world.bob, "POST", f"/api/v1{repo}/transfer", asked), 403, "DENIED")
    good(world.ada, "POST", f"{repo}/transfer", asked)
    assert good(world.nobody, "GET", repo)["path"] == f"lab/{name}"


def test_a_gate_is_told_in_the_envelope(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"))
    name = repo.removeprefix("/models/")
    assert commit(world, name, header(), file("a.txt", b"the secret")).status == 200
    assert ask(world.ada, "PUT", f"/api{repo}/settings", {"gated": "manual"}).status == 200
    tip = good(world.bob, "GET", f"{repo}/last_commit")["id"]
    for path in ("blob/a.txt", "raw/a.txt", "download/a.txt", f"commit/{tip}", "diff"):
        for api, status in ((world.bob, 403), (world.nobody, 401)):
            reply = ask(api, "GET", f"/api/v1{repo}/{path}")
            assert name in refused(reply, status, "GATED")
            assert b"the secret" not in reply.body
        assert ask(world.ada, "GET", f"/api/v1{repo}/{path}").status == 200
    files = [one["path"] for one in good(world.nobody, "GET", f"{repo}/all_files")]
    assert "a.txt" in files


def test_tags_are_set_in_the_card(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("csg"), license="mit")
    readme = "---\n# ours\nlicense: mit\ntags:\n- a\n- b\nname: x\n---\n# Title\n"
    write = {"message": "Card", "content": b64(readme.encode())}
    good(world.ada, "PUT", f"{repo}/raw/README.md", write)
    for category, names in (
        ("license", ["apache-2.0"]),
        ("task", ["text-generation"]),
        ("language", ["en", "de"]),
        ("other", []),
    ):
        good(world.ada, "POST", f"{repo}/tags/{category}", names)
    assert good(world.ada, "GET", f"{repo}/raw/README.md") == (
        '---\n# ours\nname: x\nlicense: "apache-2.0"\npipeline_tag: "text-generation"\n'
        'language: ["en","de"]\n---\n# Title\n'
    )
    shown = good(world.nobody, "GET", repo)
    assert shown["license"] == "apache-2.0"
    assert {"text-generation", "en", "de", "apache-2.0"} == {one["name"] for one in shown["tags"]}
    before = good(world.ada, "GET", f"{repo}/last_commit")
    good(world.ada, "POST", f"{repo}/tags/other", [])
    assert good(world.ada, "GET", f"{repo}/last_commit") == before
    wrong: list[tuple[str, object]] = [("colour", ["x"]), ("license", ["a", "b"]), ("task", [1])]
    for category, asked in wrong:
        refused(ask(world.ada, "POST", f"/api/v1{repo}/tags/{category}", asked), 400, "INVALID")
    refused(ask(world.bob, "POST", f"/api/v1{repo}/tags/other", ["x"]), 403, "DENIED")
