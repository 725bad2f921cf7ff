"""Files made, edited, renamed, deleted and uploaded by forms; each is a commit of the person's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.web.formkit import Browser, sign_in

NONE: dict[str, bytes] = {}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("change")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.fixture(scope="module")
def ada(world: World) -> Browser:
    return sign_in(world, "ada")


def _filled(world: World) -> Repo:
    repo, work = world.repo(), world.work()
    work.commit({"README.md": "# one\n", "dos.txt": "a\r\nb\r\n", "bin.dat": b"\0\1"})
    assert work.push(repo.http).returncode == 0
    return repo


def _clone(world: World, repo: Repo) -> Path:
    work = world.work()
    work.git("pull", "-q", repo.http, "main")
    return work.path


def _tip(ada: Browser, page: str) -> str:
    text = ada.get(page).text
    return text.split('name="parent" value="')[1].split('"')[0]


def test_an_empty_repository_is_filled_by_forms(world: World, ada: Browser) -> None:
    repo = world.repo()
    home = f"/{repo.path}"
    assert f"{home}/upload" in ada.get(home).text
    big = os.urandom(300_000)
    files = {"weights.bin": big, "notes 笔记.txt": b"words\n", "empty.txt": b""}
    listed = ada.submit(f"{home}/upload", {"message": "First files"}, files)
    assert listed.path == f"{home}/tree/main"
    assert "notes 笔记.txt" in listed.text
    assert "weights.bin" in listed.text
    assert ">LFS<" in listed.text
    raw = ada.get(f"{home}/raw/main/notes%20%E7%AC%94%E8%AE%B0.txt")
    assert raw.text == "words\n"
    path = _clone(world, repo)
    assert b"size 300000" in (path / "weights.bin").read_bytes()
    assert (path / "empty.txt").read_bytes() == b""
    form = {"path": "docs/README.md", "text": "# Docs\r\n", "parent": _tip(ada, f"{home}/new/main")}
    made = ada.submit(f"{home}/new/main", form, NONE)
    assert made.path == f"{home}/blob/main/docs/README.md"
    assert (_clone(world, repo) / "docs/README.md").read_bytes() == b"# Docs\n"


def test_an_edit_keeps_line_ends_and_can_rename(world: World, ada: Browser) -> None:
    repo = _filled(world)
    page = f"/{repo.path}/edit/main/dos.txt"
    form = {"path": "to/dos.txt", "text": "a\r\nc\r\n", "parent": _tip(ada, page)}
    assert ada.submit(page, form, NONE).path == f"/{repo.path}/blob/main/to/dos.txt"
    page = f"/{repo.path}/edit/main/bin.dat"
    assert "<textarea" not in ada.get(page).main
    form = {"path": "other.dat", "parent": _tip(ada, page)}
    assert ada.submit(page, form, NONE).status == 200
    path = _clone(world, repo)
    assert (path / "to/dos.txt").read_bytes() == b"a\r\nc\r\n"
    assert (path / "other.dat").read_bytes() == b"\0\1"
    assert not (path / "dos.txt").exists()
    assert not (path / "bin.dat").exists()
    page = f"/{repo.path}/delete/main/other.dat"
    assert ada.submit(page, {"parent": _tip(ada, page)}, NONE).path == f"/{repo.path}/tree/main"
    page = f"/{repo.path}/delete/main/to"
    ada.submit(page, {"parent": _tip(ada, page), "folder": "1"}, NONE)
    assert sorted(p.name for p in _clone(world, repo).iterdir()) == [".git", "README.md"]


def test_a_newer_commit_is_shown_and_nothing_is_lost(world: World, ada: Browser) -> None:
    repo = _filled(world)
    page = f"/{repo.path}/edit/main/README.md"
    form = {"path": "README.md", "text": "# mine </textarea>\n", "parent": _tip(ada, page)}
    newer = {**form, "text": "# theirs\n"}
    assert ada.submit(page, newer, NONE).status == 200
    shown = ada.submit(page, form, NONE)
    assert shown.status == 409
    assert "# mine &lt;/textarea&gt;" in shown.main
    assert "has changed meanwhile" in shown.main
    assert f"compare?base={form['parent']}" in shown.main
    tip = shown.main.split('name="parent" value="')[1].split('"')[0]
    assert tip != form["parent"]
    assert ada.submit(page, {**form, "parent": tip}, NONE).status == 200
    assert (_clone(world, repo) / "README.md").read_text() == "# mine </textarea>\n"


def test_a_stranger_changes_by_pull_request_only(world: World) -> None:
    repo = _filled(world)
    bob = sign_in(world, "bob")
    page = f"/{repo.path}/edit/main/README.md"
    form = {"path": "README.md", "text": "# better\n", "parent": _tip(bob, page)}
    assert bob.submit(page, form, NONE).status == 403
    opened = bob.submit(page, {**form, "as": "pull", "message": "Better"}, NONE)
    assert opened.path == f"/{repo.path}/discussions/1"
    assert "# better" in bob.get(f"{opened.path}/changes").text
    upload = f"/{repo.path}/upload/main"
    assert bob.submit(upload, {}, {"a.txt": b"a"}).status == 403
    assert bob.get(f"/{repo.path}/blob/main/a.txt").status == 404


def test_forms_without_their_token_change_nothing(world: World, ada: Browser) -> None:
    repo = _filled(world)
    upload = f"/{repo.path}/upload/main"
    assert ada.submit(upload, {"csrf": "bm90aGluZw=="}, {"a.txt": b"a"}).status == 403
    assert ada.submit(upload, {"csrf": ""}, {"a.txt": b"a"}).status == 403
    assert ada.submit(upload, {}).status == 400
    for name in ("../up.txt", ".git/config"):
        assert ada.submit(upload, {}, {name: b"a"}).status in {400, 422}, name
    assert sorted(p.name for p in _clone(world, repo).iterdir() if p.name != ".git") == [
        "README.md",
        "bin.dat",
        "dos.txt",
    ]
