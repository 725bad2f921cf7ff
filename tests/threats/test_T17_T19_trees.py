"""T17, T18, T19: names inside trees, and paths in requests for them."""

from __future__ import annotations

import pytest

from hubd.errors import Invalid
from hubd.types import RepoPath
from tests.gitkit import ZERO, Answer, Objects, push_http, push_request, push_ssh
from tests.hubkit import Repo, World

GIT = "git or a file system could take for .git"
TWIN = "differs from another name in its folder only in case, Unicode form or a trailing dot"
NAMES: dict[str, tuple[bytes, str]] = {
    "backslash": (b"a\\b", "backslash"),
    "newline": (b"a\nb", "control or text-direction"),
    "escape": (b"a\x1b[2Jb", "control or text-direction"),
    "right to left": ("gpj\u202eexe".encode(), "control or text-direction"),
    "too long": (b"x" * 300, "longer than 255 bytes"),
}
# git's own fsck sees these first, and says so.
GIT_REFUSES = [b".git", b".GIT", b".git.", b"git~1", b".g\xe2\x80\x8cit", b"..", b"."]
TWINS = [
    (b"readme.md", b"README.md"),
    ("caf\u00e9".encode(), "cafe\u0301".encode()),
    (b"weights", b"weights."),
    ("stra\u00dfe".encode(), b"strasse"),
]


def push(world: World, repo: Repo, objects: Objects, tree: str, channel: str = "http") -> Answer:
    tip = objects.commit(tree)
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    if channel == "ssh":
        return push_ssh(world.hub, repo.path, world.keys["ada"], body)
    return push_http(world.hub, repo.path, world.tokens["ada"], body)


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T17_all_bad_paths_of_a_push_are_named_at_once(
    world: World, repo: Repo, objects: Objects, channel: str
) -> None:
    blob = objects.blob()
    inner = objects.sorted_tree([("100644", name, blob) for name, _ in NAMES.values()])
    tree = objects.sorted_tree([("40000", b"models", inner), ("100644", b"ok", blob)])
    answer = push(world, repo, objects, tree, channel)
    assert "ng refs/heads/main pre-receive hook declined" in answer.report, answer.text
    for what, (_, reason) in NAMES.items():
        assert reason in answer.text, (what, answer.text)
    assert b"\x1b" not in answer.remote
    assert "models/a\\x0ab" in answer.text


@pytest.mark.parametrize("name", GIT_REFUSES)
def test_T17_git_itself_refuses_git_folders_and_dots(
    world: World, repo: Repo, objects: Objects, name: bytes
) -> None:
    tree = objects.tree([("40000", name, objects.tree([("100644", b"f", objects.blob())]))])
    answer = push(world, repo, objects, tree)
    assert not answer.accepted("refs/heads/main"), answer.text
    assert answer.text.strip()


def test_T17_a_slash_in_a_name_is_refused(world: World, repo: Repo, objects: Objects) -> None:
    tree = objects.tree([("100644", b"../../x", objects.blob())])
    assert not push(world, repo, objects, tree).accepted("refs/heads/main")


def test_T17_five_thousand_folders_deep(world: World, repo: Repo, objects: Objects) -> None:
    # mktree in one go: a process per level would take a minute.
    from dulwich.objects import ObjectID, Tree

    from tests.hubproc import git

    tip, stream = objects.tree([("100644", b"f", objects.blob())]), []
    for _ in range(5000):
        tree = Tree()
        tree.add(b"d", 0o40000, ObjectID(tip.encode()))
        stream.append(tree)
        tip = tree.id.decode()
    from dulwich.repo import Repo as Dulwich

    with Dulwich(str(objects.path)) as store:
        store.object_store.add_objects([(tree, None) for tree in stream])
    commit = objects.commit(tip)
    oids = (
        git(
            "--git-dir",
            objects.path,
            "cat-file",
            "--batch-all-objects",
            "--batch-check=%(objectname)",
        )
        .stdout.decode()
        .split()
    )
    body = push_request([(ZERO, commit, "refs/heads/main")], objects.pack(*oids))
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert "ng refs/heads/main" in answer.text
    assert "deeper than 256 folders" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../b",
        "/etc/passwd",
        "a//b",
        "a\\b",
        "a\0b",
        "a/",
        "%2e%2e/x/..",
        ".git/config",
        "a/.GIT /x",
        "./a",
        "a/\u202eb",
        "x" * 300,
        "/".join("d" * 300),
    ],
)
def test_T17_paths_of_requests_are_parsed_once(path: str) -> None:
    with pytest.raises(Invalid):
        RepoPath.parse(path)


def test_T17_percent_escapes_are_decoded_once_only() -> None:
    assert RepoPath.parse("%2e%2e%2fx") == "%2e%2e%2fx"  # a file of that very name


def test_T18_links_and_submodules_are_data(world: World, repo: Repo, objects: Objects) -> None:
    link = objects.blob(b"/etc/passwd")
    tree = objects.sorted_tree(
        [
            ("120000", b"config.json", link),
            ("160000", b"sub", "1" * 40),
            ("100644", b"README.md", objects.blob()),
        ]
    )
    assert push(world, repo, objects, tree).accepted("refs/heads/main")
    from hubd.core import browse
    from hubd.types import RepoRef

    async def look(core, actor):  # type: ignore[no-untyped-def]
        at = await browse.at(core, actor, RepoRef.from_path(repo.path), "main")
        page = await browse.tree(core, at, "")
        return {e.name: e.kind for e in page.entries}, await browse.blob(core, at, "config.json")

    kinds, shown = world.inside(look)
    assert kinds == {"config.json": "link", "sub": "submodule", "README.md": "file"}
    assert shown.text is None or "root:" not in shown.text


def test_T18_a_link_named_gitmodules_is_refused(world: World, repo: Repo, objects: Objects) -> None:
    tree = objects.tree([("120000", b".gitmodules", objects.blob(b"/etc/passwd"))])
    assert not push(world, repo, objects, tree).accepted("refs/heads/main")


@pytest.mark.parametrize("channel", ["http", "ssh"])
@pytest.mark.parametrize("pair", TWINS, ids=[repr(pair[0]) for pair in TWINS])
def test_T19_twins_in_one_folder_are_refused_with_both_names(
    world: World, repo: Repo, objects: Objects, pair: tuple[bytes, bytes], channel: str
) -> None:
    blob = objects.blob()
    tree = objects.sorted_tree([("100644", name, blob) for name in pair])
    answer = push(world, repo, objects, tree, channel)
    assert "ng refs/heads/main" in answer.text
    assert TWIN in answer.text
    for name in pair:
        assert name.decode() in answer.remote.decode(), answer.text


def test_T19_a_twin_of_a_file_that_is_there_is_refused(
    world: World, repo: Repo, objects: Objects
) -> None:
    blob = objects.blob()
    first = objects.commit(objects.tree([("100644", b"README.md", blob)]))
    body = push_request([(ZERO, first, "refs/heads/main")], objects.pack_reachable(first))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
    tree = objects.sorted_tree([("100644", b"README.md", blob), ("100644", b"readme.md", blob)])
    second = objects.commit(tree, first)
    pack = objects.pack_reachable(second, without=[first])
    for old, ref in ((first, "refs/heads/main"), (ZERO, "refs/heads/other")):
        body = push_request([(old, second, ref)], pack)
        answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
        assert f"ng {ref}" in answer.text
        assert "README.md and readme.md" in answer.text


def test_T19_a_bad_name_in_the_middle_of_history_counts_at_the_tip_only(
    world: World, repo: Repo, objects: Objects
) -> None:
    # Decision 31: twins are looked for at tips; what a later commit mended passes.
    blob = objects.blob()
    bad = objects.commit(
        objects.sorted_tree([("100644", b"README.md", blob), ("100644", b"readme.md", blob)])
    )
    good = objects.commit(objects.tree([("100644", b"README.md", blob)]), bad)
    body = push_request([(ZERO, good, "refs/heads/main")], objects.pack_reachable(good))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
