"""Reviews of pull requests: comments on lines and where these go, and verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from hubd.core.reviews import Spot, carried
from hubd.git.diff import Diff, FileDiff, Hunk, Line
from tests.core.test_discussions import api, here, ok
from tests.gitkit import Work
from tests.hubkit import Repo, World
from tests.hubproc import Hub

TEXT = "".join(f"line {number}\n" for number in range(1, 21))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("reviews")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


def pulled(world: World, visibility: str = "public") -> tuple[Repo, Work]:
    """A repository, and ada's pull request 1 that changes line 10 and drops line 15."""
    repo, work = world.repo(visibility), world.work()
    work.commit({"a.txt": TEXT})
    assert work.push(repo.http).returncode == 0
    work.git("checkout", "-q", "-b", "feature")
    work.commit({"a.txt": TEXT.replace("line 10\n", "line ten\n").replace("line 15\n", "")})
    assert work.push(repo.http, "feature").returncode == 0
    body = {"title": "Better", "head": "feature"}
    ok(api(world, "ada").post(here(repo, "/pulls"), body), 201)
    return repo, work


def head(world: World, repo: Repo) -> str:
    changes = ok(api(world, "ada").get(here(repo, "/discussions/1/changes")))
    return str(changes["head_commit"])


def on_line(world: World, repo: Repo, user: str, side: str, line: int, body: str = "Why?") -> Any:
    asked = {"head_commit": head(world, repo), "side": side, "path": "a.txt", "line": line}
    return api(world, user).post(here(repo, "/discussions/1/lines"), asked | {"body": body})


def lines(world: World, repo: Repo) -> list[tuple[str, int, bool]]:
    found = ok(api(world, "bob").get(here(repo, "/discussions/1/lines")))
    return [(one["side"], one["line"], one["outdated"]) for one in found]


def test_a_comment_on_a_line_goes_with_it_until_it_is_gone(world: World) -> None:
    repo, work = pulled(world)
    ok(on_line(world, repo, "bob", "new", 10), 201)
    ok(on_line(world, repo, "bob", "old", 15), 201)
    assert on_line(world, repo, "bob", "new", 1).status == 400
    assert on_line(world, repo, "bob", "old", 12).status == 400
    assert lines(world, repo) == [("new", 10, False), ("old", 15, False)]
    here_now = (work.path / "a.txt").read_text()
    work.commit({"a.txt": "first\n" + here_now})
    assert work.push(repo.http, "HEAD:refs/pr/1").returncode == 0
    assert lines(world, repo) == [("new", 11, False), ("old", 15, False)]
    work.commit({"a.txt": ("first\n" + here_now).replace("line ten\n", "")})
    assert work.push(repo.http, "HEAD:refs/pr/1").returncode == 0
    assert lines(world, repo) == [("new", 10, True), ("old", 15, False)]
    story = ok(api(world, "bob").get(here(repo, "/discussions/1")))["events"]
    assert "a.txt" in [event["data"].get("path") for event in story]


def test_comments_follow_the_rules_of_discussions(world: World) -> None:
    repo, _ = pulled(world)
    assert on_line(world, repo, "", "new", 10).status == 401
    stale = {"head_commit": "0" * 40, "path": "a.txt", "line": 10, "body": "x"}
    assert api(world, "bob").post(here(repo, "/discussions/1/lines"), stale).status == 409
    ok(api(world, "ada").patch(here(repo, "/discussions/1"), {"locked": True}))
    assert on_line(world, repo, "bob", "new", 10).status == 403
    ok(on_line(world, repo, "ada", "new", 10), 201)
    private, _ = pulled(world, "private")
    assert on_line(world, private, "bob", "new", 10).status == 404
    assert api(world, "bob").get(here(private, "/discussions/1/lines")).status == 404


def test_verdicts_name_the_commits_that_were_seen(world: World) -> None:
    repo, _ = pulled(world)
    seen, ada, bob = head(world, repo), api(world, "ada"), api(world, "bob")
    reviews = here(repo, "/discussions/1/reviews")
    approval = {"verdict": "approve", "head_commit": seen}
    assert ada.post(reviews, approval).status == 403
    assert bob.post(reviews, approval | {"head_commit": "1" * 40}).status == 409
    refusal = {"verdict": "request_changes", "head_commit": seen}
    assert bob.post(reviews, refusal).status == 400
    ok(bob.post(reviews, refusal | {"body": "Line 10 is wrong."}), 201)
    made = ok(bob.post(reviews, approval), 201)
    assert (made["kind"], made["data"]) == ("review", {"verdict": "approve", "commit": seen})
    ok(ada.patch(here(repo, "/discussions/1"), {"status": "closed"}))
    assert bob.post(reviews, approval).status == 409


def _diff(*lines: tuple[str, int | None, int | None], status: str = "modified") -> Diff:
    hunk = Hunk("", [Line(kind, old, new, "") for kind, old, new in lines])
    file = FileDiff("a", "b", status, 1, 1, "", "", hunks=[hunk])
    return Diff([file], 1, 0, 0, truncated=False)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [(1, 1), (4, 4), (5, 6), (6, None), (7, 7), (9, 9)],
)
def test_a_line_is_carried_over_what_changed(line: int, wanted: int | None) -> None:
    diff = _diff((" ", 4, 4), ("+", None, 5), (" ", 5, 6), ("-", 6, None), (" ", 7, 7))
    spot = None if wanted is None else Spot("new", "b", wanted)
    assert carried(diff, Spot("new", "a", line)) == spot


def test_a_line_of_a_file_that_went_is_gone() -> None:
    diff = _diff(("-", 1, None), status="deleted")
    assert carried(diff, Spot("new", "a", 1)) is None
    assert carried(diff, Spot("new", "other", 3)) == Spot("new", "other", 3)


def test_a_branch_that_needs_approvals_moves_by_approved_merges_only(world: World) -> None:
    repo, work = pulled(world)
    ada, bob = api(world, "ada"), api(world, "bob")
    rule = {"pattern": "main", "approvals": 1}
    ok(ada.post(here(repo, "/rules"), rule), 201)
    assert ada.post(here(repo, "/rules"), rule | {"kind": "tag"}).status == 400
    merge, reviews = here(repo, "/discussions/1/merge"), here(repo, "/discussions/1/reviews")
    done = work.push(repo.http, "HEAD:main")
    assert done.returncode != 0
    assert b"takes merges of approved pull requests only" in done.stderr
    assert ada.post(merge, {}).status == 422
    approval = {"verdict": "approve", "head_commit": head(world, repo)}
    ok(bob.post(reviews, approval), 201)
    # A reader's approval does not count, that of who may push does; only for what was seen.
    assert ada.post(merge, {}).status == 422
    world.op("repo.grant", repo=repo.name, user="bob", role="write")
    work.commit({"more.txt": "more\n"})
    assert work.push(repo.http, "HEAD:refs/pr/1").returncode == 0
    assert ada.post(merge, {}).status == 422
    approval = {"verdict": "approve", "head_commit": head(world, repo)}
    refusal = approval | {"verdict": "request_changes", "body": "No."}
    ok(bob.post(reviews, refusal), 201)
    assert b"bob asked for changes" in ada.post(merge, {}).body
    ok(bob.post(reviews, approval), 201)
    ok(ada.post(merge, {}))
    assert work.push(repo.http, "HEAD:refs/heads/other").returncode == 0
