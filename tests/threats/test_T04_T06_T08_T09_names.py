"""T04, T06, T08, T09: what may be known of a name, and which names there may be."""

from __future__ import annotations

import statistics
import string
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.core import accounts
from hubd.core import repos as core_repos
from hubd.errors import HubError, Invalid
from hubd.names import check_name, fold_name, skeleton
from hubd.reserved import OFFICES, ROUTES
from hubd.types import HubAction, NamespaceAction, RepoAction, RepoRef, Visibility
from tests.gitkit import FLUSH, http, pkt, ssh
from tests.hubkit import World
from tests.hubproc import git

QUESTIONS = [
    ("GET", "/info/refs?service=git-upload-pack", None),
    ("GET", "/info/refs?service=git-receive-pack", None),
    ("POST", "/git-upload-pack", pkt(b"command=ls-refs\n") + b"0001" + FLUSH),
    ("POST", "/git-receive-pack", FLUSH),
]
VOLATILE = {"Date", "X-Request-Id"}


def answers(world: World, path: str, token: str) -> list[tuple[int, dict[str, str], bytes]]:
    out = []
    for method, question, body in QUESTIONS:
        service = "git-receive-pack" if "receive" in question else "git-upload-pack"
        headers = {"Git-Protocol": "version=2"}
        if body is not None:
            headers["Content-Type"] = f"application/x-{service}-request"
        status, seen, text = http(
            world.hub, method, f"/{path}{question}", token=token, body=body, headers=headers
        )
        out.append((status, {k: v for k, v in seen.items() if k not in VOLATILE}, text))
    return out


@pytest.mark.parametrize("form", ["{}", "{}.git", "models/{}"])
def test_T04_private_and_absent_are_the_same_bytes_to_a_stranger(world: World, form: str) -> None:
    private = world.repo("private")
    absent = "ada/" + "z" * len(private.path.removeprefix("ada/"))
    nobody = "zzz/" + private.path.removeprefix("ada/")
    for token in ("", world.tokens["bob"]):
        hidden = answers(world, form.format(private.path), token)
        assert [status for status, _, _ in hidden] == [401 if not token else 404] * 4
        assert answers(world, form.format(absent), token) == hidden
        assert answers(world, form.format(nobody), token) == hidden


def test_T04_the_same_for_internal_renamed_and_deleted(world: World) -> None:
    base = answers(world, "ada/never-was", "")
    internal = world.repo("internal")
    assert answers(world, internal.path, "") == base
    moved = world.repo("private")
    new = RepoRef.from_path("ada/moved-away")
    world.inside(
        lambda core, actor: core_repos.rename(core, actor, RepoRef.from_path(moved.path), new)
    )
    assert answers(world, moved.path, "") == base
    assert answers(world, "ada/moved-away", "") == base
    gone = world.repo("public")
    world.op("repo.delete", repo=gone.name)
    assert answers(world, gone.path, "") == base
    assert answers(world, gone.path, world.tokens["bob"]) == answers(
        world, "ada/never-was", world.tokens["bob"]
    )


def test_T04_over_ssh_too(world: World) -> None:
    private = world.repo("private")
    for service in ("git-upload-pack", "git-receive-pack"):
        said = {
            ssh(world.hub, world.keys["bob"], f"{service} '/{path}'").stderr
            for path in (private.path, "ada/never-was", "zzz/never-was", f"{private.path}.git")
        }
        assert said == {b"hubd: Repository not found.\n"}


def test_T04_in_the_same_time(world: World) -> None:
    private = world.repo("private")
    times: dict[str, list[float]] = {private.path: [], "ada/never-was": []}
    for number in range(200):
        path = list(times)[number % 2]
        began = time.perf_counter()
        http(world.hub, "GET", f"/{path}/info/refs?service=git-upload-pack")
        times[path].append(time.perf_counter() - began)
    first, second = (statistics.median(found) for found in times.values())
    assert abs(first - second) < 0.5 * max(first, second), (first, second)


def test_T04_a_wrong_token_is_not_told_more(world: World) -> None:
    private = world.repo("private")
    assert answers(world, private.path, "hubd_wrong") == answers(
        world, "ada/never-was", "hubd_wrong"
    )


# T06


def test_T06_actions_on_the_hub_and_on_repositories_are_different_types() -> None:
    assert not set(HubAction.__members__) & set(RepoAction.__members__)
    assert not set(HubAction.__members__) & set(NamespaceAction.__members__)


@pytest.mark.parametrize("name", ["admin", "metrics", "manage_users", "users", "read_audit"])
def test_T06_a_repository_named_like_a_command_gives_no_office(world: World, name: str) -> None:
    world.op("repo.add", type="model", repo=f"bob/{name}")
    assert world.sql(
        "SELECT is_admin FROM users JOIN namespaces USING (id) WHERE name = 'bob'"
    ) == [(0,)]
    status, _, _ = http(world.hub, "GET", "/api/hub/v1/users", token=world.tokens["bob"])
    assert status in {401, 403, 404}


def test_T06_reserved_words_are_no_names(world: World) -> None:
    for name in sorted(ROUTES):
        with pytest.raises(HubError):
            world.op("user.add", name=name)
    from hubd.reserved import check_free

    for name in sorted(OFFICES | ROUTES):
        for spelling in (name, name.upper(), name.title()):
            with pytest.raises(Invalid):
                check_free(spelling)


# T08


def test_T08_the_name_of_a_renamed_account_stays_its_own(world: World) -> None:
    world.add_user("oldname")
    repo = world.repo(owner="oldname")
    work = world.work("oldname")
    tip = work.commit()
    assert work.push(repo.http).returncode == 0
    world.inside(lambda core, actor: accounts.rename(core, actor, "oldname", "newname"))
    # Old clones go on to reach what they reached.
    for url in (
        world.http(f"oldname/{repo.path.split('/')[1]}", "oldname"),
        world.http(f"newname/{repo.path.split('/')[1]}", "oldname"),
        repo.ssh,
    ):
        shown = git("ls-remote", url, "main", env=world.keys["oldname"].env).stdout.decode()
        assert shown.startswith(tip), url
    # Nobody else gets the name: no user, no organization, no look-alike.
    for name in ("oldname", "OldName", "0ldname"):
        with pytest.raises(HubError, match=r"reserved|taken"):
            world.op("user.add", name=name)
        with pytest.raises(HubError, match=r"reserved|taken"):
            world.op("org.add", name=name, owner="bob")


def test_T08_a_renamed_repository_redirects_until_its_owner_takes_the_name(world: World) -> None:
    repo = world.repo()
    work = world.work()
    tip = work.commit()
    assert work.push(repo.http).returncode == 0
    new = RepoRef.from_path("ada/brand-new")
    old = RepoRef.from_path(repo.path)
    world.inside(lambda core, actor: core_repos.rename(core, actor, old, new))
    for channel in ("http", "ssh"):
        shown = git("ls-remote", repo.url(channel), "main", env=world.keys["ada"].env).stdout
        assert shown.startswith(tip.encode())
    world.op("repo.add", type="model", repo=repo.name)
    assert git("ls-remote", repo.http).stdout == b""


# T09


@given(st.text(max_size=120))
def test_T09_a_name_that_passes_is_plain(name: str) -> None:
    try:
        check_name(name, "repository")
    except Invalid:
        return
    assert set(name) <= set(string.ascii_letters + string.digits + "._-")
    assert name[0].isalnum()
    assert name[-1].isalnum()
    assert len(name) <= 96
    assert not name.lower().endswith((".git", ".lock"))
    assert ".." not in name


@given(
    st.text(
        alphabet=string.ascii_letters
        + "\uff10\uff11\uff4de\uff41"
        + "\u043ea\u0441\u0435\u0456"
        + "._-",
        min_size=1,
        max_size=12,
    )
)
def test_T09_no_letter_of_another_script_passes(name: str) -> None:
    if name.isascii():
        return
    with pytest.raises(Invalid):
        check_name(name, "user")


@pytest.mark.parametrize(
    "name",
    [
        "\uff4deta",
        "m\u0435ta",
        "meta.",
        ".meta",
        "..",
        ".",
        "",
        "a..b",
        "x.git",
        "x.GIT",
        "-x",
        "x-",
        "x" * 97,
        "x" * 300,
        "a b",
        "a/b",
        "a\0b",
        "a\nb",
        "a%2fb",
        "a" * 40,
        "meta\u200b",
        "me\u0301ta",
        "\U0001d4f6eta",
        "x.lock",
        "a--b",
    ],
)
def test_T09_look_alikes_and_tricks_are_refused(name: str) -> None:
    if len(name) == 40:
        return  # all-hex is refused below; other letters may be forty long
    with pytest.raises(Invalid):
        check_name(name, "user")


def test_T09_every_unicode_category_but_ascii_letters_and_digits_is_refused() -> None:
    seen = set()
    for code in range(0x110000):
        char = chr(code)
        category = unicodedata.category(char)
        if category in seen or char.isascii():
            continue
        seen.add(category)
        with pytest.raises(Invalid):
            check_name(f"a{char}b", "user")
    with pytest.raises(Invalid):
        check_name("a" * 40, "repository")


def test_T09_case_and_look_alikes_are_one_name(world: World) -> None:
    world.op("user.add", name="Look.Alike-1")
    for name in ("look.alike-1", "LOOK.ALIKE-1", "look-alike-1", "look_alike-1", "look.alike-l"):
        assert skeleton(name) == skeleton("Look.Alike-1")
        with pytest.raises(HubError, match="taken"):
            world.op("user.add", name=name)
    repo = world.repo()
    with pytest.raises(HubError):
        world.op("repo.add", type="model", repo=repo.name.upper().replace("ADA", "ada"))
    assert fold_name("ABC") == "abc"


def test_T09_visibility_of_internal_means_signed_in(world: World) -> None:
    internal = world.repo("internal")
    assert Visibility.INTERNAL.value == "internal"
    question = f"/{internal.path}/info/refs?service=git-upload-pack"
    assert http(world.hub, "GET", question)[0] == 401
    assert http(world.hub, "GET", question, token=world.tokens["bob"])[0] == 200
