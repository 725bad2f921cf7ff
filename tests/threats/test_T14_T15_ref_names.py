"""T14, T15: names of refs that git lets through but a hub must not have."""

from __future__ import annotations

import pytest

from tests.gitkit import ZERO, Answer, Objects, push_http, push_request, push_ssh
from tests.hubkit import Repo, World

NOT_PUBLIC = "only branches and tags can be pushed; other refs belong to the hub"
DASH = "a part of its name is empty, begins with - or ., or ends with . or .lock"
CASES: dict[str, tuple[bytes, str]] = {
    "an option": (b"refs/heads/--exec=id", DASH),
    "an ssh option": (b"refs/heads/-oProxyCommand=x", DASH),
    "an option further in": (b"refs/heads/a/-x", DASH),
    "forty hex digits": (b"refs/heads/" + b"a" * 40, "could be taken for an object id"),
    "sixty-four hex digits": (b"refs/tags/" + b"b" * 64, "could be taken for an object id"),
    "HEAD": (b"refs/heads/HEAD", "could be taken for another ref"),
    "a ref in a ref": (b"refs/heads/refs/heads/main", "could be taken for another ref"),
    "not NFC": ("refs/heads/cafe\u0301".encode(), "Unicode form NFC"),
    "right to left": ("refs/heads/a\u202eb".encode(), "text-direction"),
    "not UTF-8": (b"refs/heads/\xff\xfe", "not UTF-8"),
    "too long": (b"refs/heads/" + b"x" * 220, "longer than 200 bytes"),
    "a pull request of nobody": (b"refs/pr/1", NOT_PUBLIC),
    "a conversion": (b"refs/convert/parquet", NOT_PUBLIC),
    "the hub's own": (b"refs/hubd/x", ""),
    "something else": (b"refs/x/y", NOT_PUBLIC),
    "a note": (b"refs/notes/commits", NOT_PUBLIC),
    "a replacement": (b"refs/replace/" + b"c" * 40, NOT_PUBLIC),
}


def send(world: World, repo: Repo, channel: str, body: bytes) -> Answer:
    if channel == "ssh":
        return push_ssh(world.hub, repo.path, world.keys["ada"], body)
    return push_http(world.hub, repo.path, world.tokens["ada"], body)


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T14_every_misleading_ref_name_is_refused_by_name(
    world: World, repo: Repo, objects: Objects, channel: str
) -> None:
    tip = objects.simple()
    commands = [(ZERO, tip, name) for name, _ in CASES.values()]
    answer = send(world, repo, channel, push_request(commands, objects.pack_reachable(tip)))
    assert answer.unpacked, answer.text
    assert not [line for line in answer.report if line.startswith("ok ")], answer.text
    for what, (_, reason) in CASES.items():
        assert reason in answer.text, (what, answer.text)
    assert not list(repo.dir.glob("refs/**/*[!s]/*")), "no ref was made"


@pytest.mark.parametrize("channel", ["http", "ssh"])
def test_T14_a_case_twin_of_a_branch_is_refused(
    world: World, repo: Repo, objects: Objects, channel: str
) -> None:
    tip = objects.simple()
    pack = objects.pack_reachable(tip)
    first = send(world, repo, channel, push_request([(ZERO, tip, "refs/heads/main")], pack))
    assert first.accepted("refs/heads/main"), first.text
    twin = send(world, repo, channel, push_request([(ZERO, tip, "refs/heads/Main")], pack))
    assert "ng refs/heads/Main" in twin.text
    assert "differs from another only in case" in twin.text
    commands = [(ZERO, tip, "refs/heads/Two"), (ZERO, tip, "refs/heads/two")]
    both = send(world, repo, channel, push_request(commands, pack))
    assert not both.accepted("refs/heads/Two"), both.text
    assert not both.accepted("refs/heads/two"), both.text


@pytest.mark.parametrize(
    "name",
    [
        "refs/heads/a..b",
        "refs/heads/a b",
        "refs/heads/a~1",
        "refs/heads/x.lock",
        "refs/heads/",
        "refs/heads/../../config",
        "HEAD",
        "config",
        "refs/heads/a\\b",
        "refs/heads/@{1}",
        "objects/info/alternates",
    ],
)
def test_T14_what_git_refuses_itself_is_a_clear_answer(
    world: World, repo: Repo, objects: Objects, name: str
) -> None:
    tip = objects.simple()
    body = push_request([(ZERO, tip, name)], objects.pack_reachable(tip))
    answer = send(world, repo, "http", body)
    assert not answer.accepted(name), answer.text
    assert answer.status < 500
    assert (repo.dir / "HEAD").read_text() == "ref: refs/heads/main\n"


def test_T14_shell_and_markup_names_are_data(world: World, repo: Repo, objects: Objects) -> None:
    tip = objects.simple()
    names = ["refs/heads/$(id)", "refs/heads/;id", "refs/heads/<script>alert(1)</script>"]
    body = push_request([(ZERO, tip, n) for n in names], objects.pack_reachable(tip))
    answer = send(world, repo, "http", body)
    from tests.gitkit import refs_of

    shown = refs_of(world.hub, repo.http)
    for name in names:
        assert answer.accepted(name) == (name in shown), answer.text


def test_T15_forty_hex_means_the_object_and_never_a_ref(
    world: World, repo: Repo, objects: Objects
) -> None:
    good, evil = objects.simple(b"good\n"), objects.simple(b"evil\n")
    first = push_request([(ZERO, good, "refs/heads/main")], objects.pack_reachable(good))
    assert send(world, repo, "http", first).accepted("refs/heads/main")
    for kind in ("heads", "tags"):
        name = f"refs/{kind}/{good}"
        body = push_request([(ZERO, evil, name)], objects.pack_reachable(evil))
        answer = send(world, repo, "http", body)
        assert not answer.accepted(name)
        assert "could be taken for an object id" in answer.text

    # Even if such a ref got in by other hands, the revision means the object.
    objects.run("push", "-q", str(repo.dir), f"{evil}:refs/tags/{good}")
    from hubd.core import browse
    from hubd.types import RepoRef

    found = world.inside(
        lambda core, actor: browse.at(core, actor, RepoRef.from_path(repo.path), good)
    )
    assert found.commit == good
