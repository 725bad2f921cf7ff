"""Discussions, pull requests, branches and comparisons by forms, as a browser without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.web.formkit import Browser, sign_in


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("talk")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.fixture(scope="module")
def ada(world: World) -> Browser:
    return sign_in(world, "ada")


def _with_branches(world: World) -> Repo:
    """A repository with two branches that can be merged into main, and one that conflicts."""
    repo, work = world.repo(), world.work()
    work.commit({"README.md": "# one\n"})
    assert work.push(repo.http).returncode == 0
    work.git("checkout", "-q", "-b", "feature")
    work.commit({"new.txt": "a new line\n"})
    work.git("checkout", "-q", "-b", "clash", "main")
    work.commit({"README.md": "# theirs\n"})
    work.git("checkout", "-q", "main")
    work.commit({"README.md": "# ours\n"})
    assert work.push(repo.http, "main", "feature", "clash").returncode == 0
    return repo


def test_a_discussion_lives(world: World, ada: Browser) -> None:
    home = f"/{world.repo().path}"
    assert "Nothing open" in ada.get(f"{home}/discussions").text
    form = {"title": "数据格式 question", "body": "It *fails* <script>alert(1)</script>"}
    shown = ada.submit(f"{home}/discussions/new", {**form, "action": "preview"})
    assert "<em>fails</em>" in shown.text
    assert "数据格式 question" in shown.text
    made = ada.submit(f"{home}/discussions/new", form)
    assert made.path == f"{home}/discussions/1"
    assert "<em>fails</em>" in made.text
    assert "<script>alert" not in made.text
    one = made.path
    ada.submit(one, {"action": "comment", "body": "An answer"})
    page = ada.submit(one, {"action": "comment", "body": " "})
    assert page.status == 400
    assert "A comment needs text." in page.text
    for words, found in (("格式", True), ("answer", True), ("absent", False)):
        assert ("数据格式" in ada.get(f"{home}/discussions?search={quote(words)}").main) is found
    assert "Renamed" in ada.submit(one, {"action": "rename", "title": "Renamed"}).text
    assert "closed this" in ada.submit(one, {"action": "close", "body": "Bye"}).text
    assert "Renamed" not in ada.get(f"{home}/discussions").text
    assert "Renamed" in ada.get(f"{home}/discussions?state=closed").text
    assert "opened this again" in ada.submit(one, {"action": "reopen"}).text
    for action in ("pin", "lock"):
        assert (
            f"{action}ned this".replace("lockn", "lock")
            in ada.submit(one, {"action": action, "on": "1"}).text
        )
    assert ada.submit(one, {"action": "nothing"}).status == 400


def test_comments_are_changed_by_their_author_only(world: World, ada: Browser) -> None:
    home = f"/{world.repo().path}"
    one = ada.submit(f"{home}/discussions/new", {"title": "T", "body": "first words"}).path
    event = ada.get(one).text.split('id="event-')[1].split('"')[0]
    edit = {"action": "edit", "event": event, "body": "other words"}
    bob = sign_in(world, "bob")
    assert bob.submit(one, edit).status == 403
    assert "first words" in ada.get(one).text
    assert "other words" in ada.submit(one, edit).text
    assert "other words" in ada.get(f"{one}?edit={event}").text
    hidden = ada.submit(one, {"action": "hide", "event": event})
    assert "This comment was hidden." in hidden.text
    assert "other words" not in hidden.text


def test_a_pull_request_is_opened_looked_at_and_merged(world: World, ada: Browser) -> None:
    repo = _with_branches(world)
    home = f"/{repo.path}"
    assert "a new line" in ada.get(f"{home}/compare?base=main&head=feature").text
    form = {"pull": "1", "base": "main", "head": "feature", "title": "Bring it", "body": ""}
    one = ada.submit(f"{home}/discussions/new?pull=1", form).path
    assert "It can be merged" in ada.get(one).text
    assert "a new line" in ada.get(f"{one}/changes").text
    merged = ada.submit(one, {"action": "merge", "how": "squash", "message": "Brought"})
    assert "merged this as" in merged.text
    work = world.work()
    work.git("pull", "-q", repo.http, "main")
    assert (work.path / "new.txt").read_text() == "a new line\n"
    assert work.git("log", "-1", "--format=%s").stdout.strip() == b"Brought"
    assert "a new line" in ada.get(f"{one}/changes").text
    assert ada.submit(one, {"action": "close"}).status == 409


def test_a_pull_request_is_reviewed_line_by_line(world: World, ada: Browser) -> None:
    repo = _with_branches(world)
    form = {"pull": "1", "base": "main", "head": "feature", "title": "Bring it", "body": ""}
    one = ada.submit(f"/{repo.path}/discussions/new?pull=1", form).path
    bob, changes = sign_in(world, "bob"), f"{one}/changes"
    page = bob.get(f"{changes}?side=new&path=new.txt&line=1")
    head = page.text.split('name="head" value="')[1].split('"')[0]
    said = {
        "head": head,
        "side": "new",
        "path": "new.txt",
        "line": "1",
        "body": "*Why* <b>this</b>?",
    }
    preview = bob.submit(changes, {**said, "action": "preview"})
    assert "<em>Why</em>" in preview.text
    assert "*Why*" in preview.text
    assert "<em>Why</em>" not in bob.get(changes).text
    made = bob.submit(changes, {**said, "action": "comment"})
    assert "<em>Why</em>" in made.text
    refused = bob.submit(changes, {**said, "head": "0" * 40, "body": "kept words"})
    assert refused.status == 409
    assert "kept words" in refused.text
    talk = ada.get(one).text
    assert "On new line 1 of" in talk
    assert 'id="review"' not in ada.get(changes).text
    empty = bob.submit(changes, {"head": head, "action": "request_changes", "body": ""})
    assert empty.status == 400
    verdict = bob.submit(changes, {"head": head, "action": "request_changes", "body": "Not yet"})
    assert "asked for changes of" in verdict.text
    assert "approved" in bob.submit(changes, {"head": head, "action": "approve"}).text
    assert "It can be merged" in ada.get(one).text
    rule = {"pattern": "main", "kind": "branch", "push_role": "write", "approvals": "2"}
    assert "2 approvals only" in ada.submit(f"/{repo.path}/settings/rules", rule).text
    assert "waits for approvals: 0 of 2" in ada.get(one).text
    assert "waits for approvals" in ada.submit(one, {"action": "merge", "how": "merge"}).text


def test_a_conflict_is_shown(world: World, ada: Browser) -> None:
    repo = _with_branches(world)
    home = f"/{repo.path}"
    form = {"pull": "1", "base": "main", "head": "clash", "title": "Clash", "body": ""}
    one = ada.submit(f"{home}/discussions/new?pull=1", form).path
    for _ in range(2):
        page = ada.get(one).text
        assert "It conflicts with main" in page
        assert ">README.md<" in page
    assert ada.submit(one, {"action": "merge", "how": "merge"}).status == 409
    empty = ada.submit(f"{home}/discussions/new?pull=1", {**form, "head": ""}).path
    assert f"HEAD:refs/pr/{empty.rpartition('/')[2]}" in ada.get(empty).text


def test_branches_and_tags_come_and_go(world: World, ada: Browser) -> None:
    repo = _with_branches(world)
    page = f"/{repo.path}/branches"
    assert "topic" in ada.submit(page, {"action": "branch", "name": "topic", "start": "main"}).text
    again = ada.submit(page, {"action": "branch", "name": "topic", "start": "main"})
    assert again.status == 409
    assert "exists already" in again.text
    tag = {"action": "tag", "name": "v1", "start": "feature", "message": "First"}
    assert ">v1<" in ada.submit(page, tag).text.replace("</i>", ">")
    gone = ada.submit(page, {"action": "delete", "ref": "refs/heads/topic"})
    assert "topic" not in gone.text
    bob = sign_in(world, "bob")
    assert bob.submit(page, {"action": "delete", "ref": "refs/tags/v1"}).status == 403
