"""What ``resolve`` remembers is never older than the last change, whoever made it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.apiclient import Api
from tests.apiworld import World
from tests.hfwire import ask, commit, file, header, made, refused, upload
from tests.hubproc import git

Fresh = Callable[[str], str]


@pytest.fixture
def repo(world: World, fresh: Fresh) -> str:
    """A public repository of ada's with one file."""
    name = made(world, fresh("hot"))
    assert commit(world, name, header(), file("a.txt", b"one")).status == 200
    return name


def _get(api: Api, repo: str, rev: str = "main", path: str = "a.txt") -> tuple[int, bytes]:
    """Twice, so that the second answer is one that is remembered."""
    first, second = (ask(api, "GET", f"/{repo}/resolve/{rev}/{path}") for _ in range(2))
    assert first.body == second.body
    assert first.status == second.status
    return second.status, second.body if second.status == 200 else b""


def _settings(world: World, repo: str, **changes: object) -> None:
    assert world.ada.patch(f"/repos/model/{repo}", changes).status == 200


def test_visibility(world: World, repo: str) -> None:
    assert _get(world.nobody, repo) == (200, b"one")
    _settings(world, repo, visibility="private")
    assert _get(world.nobody, repo)[0] == 401
    assert _get(world.bob, repo)[0] == 404
    _settings(world, repo, visibility="internal")
    assert _get(world.nobody, repo)[0] == 401
    assert _get(world.bob, repo) == (200, b"one")
    _settings(world, repo, visibility="public")
    assert _get(world.nobody, repo) == (200, b"one")


def test_rename_and_a_new_repository_at_the_old_name(world: World, repo: str, fresh: Fresh) -> None:
    assert _get(world.nobody, repo) == (200, b"one")
    name = fresh("renamed")
    assert world.ada.put(f"/repos/model/{repo}/address", {"name": name}).status == 200
    moved = ask(world.nobody, "GET", f"/{repo}/resolve/main/a.txt")
    assert (moved.status, moved.headers["Location"]) == (307, f"/ada/{name}/resolve/main/a.txt")
    assert _get(world.nobody, f"ada/{name}") == (200, b"one")
    made(world, repo.removeprefix("ada/"), private=True)
    assert _get(world.nobody, repo)[0] == 401
    assert _get(world.ada, repo)[0] == 404
    assert _get(world.nobody, f"ada/{name}") == (200, b"one")


def test_force_push_and_a_deleted_branch(world: World, repo: str, tmp_path: Path) -> None:
    url = world.hub.git_url(repo, world.ada.token)
    git("clone", "-q", url, tmp_path / "work")

    def push(text: str, *options: str) -> str:
        (tmp_path / "work" / "a.txt").write_text(text)
        git("commit", "-qam", text, "--amend", cwd=tmp_path / "work")
        git("push", "-q", *options, "origin", "HEAD:refs/heads/side", cwd=tmp_path / "work")
        return git("rev-parse", "HEAD", cwd=tmp_path / "work").stdout.decode().strip()

    old = push("two")
    assert _get(world.nobody, repo, "side") == (200, b"two")
    new = push("three", "--force")
    assert _get(world.nobody, repo, "side") == (200, b"three")
    head = ask(world.nobody, "HEAD", f"/{repo}/resolve/side/a.txt")
    assert head.headers["X-Repo-Commit"] == new != old
    git("push", "-q", "origin", ":refs/heads/side", cwd=tmp_path / "work")
    assert _get(world.nobody, repo, "side")[0] == 404


def test_a_revoked_token_and_a_disabled_account(world: World, repo: str, fresh: Fresh) -> None:
    name = fresh("carol")
    carol = world.user(name)
    given = world.root.post(f"/users/{name}/tokens", {"scope": "read"}).json
    reader = Api(world.hub.http, given["secret"])
    for api in (carol, reader):
        assert _get(api, repo) == (200, b"one")
    assert carol.delete(f"/me/tokens/{given['token']['id']}").status == 204
    refused(ask(reader, "GET", f"/{repo}/resolve/main/a.txt"), 401)
    assert _get(carol, repo) == (200, b"one")
    assert world.root.put(f"/users/{name}/disabled").status in {200, 204}
    assert _get(carol, repo)[0] == 401
    assert world.root.delete(f"/users/{name}/disabled").status in {200, 204}
    assert _get(carol, repo) == (200, b"one")


def test_collaborators_members_and_administrators(world: World, fresh: Fresh) -> None:
    name, org = fresh("dave"), fresh("team")
    dave = world.user(name)
    assert world.ada.post("/orgs", {"name": org}).status == 201
    for repo, right in (
        (made(world, fresh("own"), private=True), None),
        (made(world, "m", organization=org, private=True), f"/orgs/{org}/members/{name}"),
    ):
        assert commit(world, repo, header(), file("a.txt", b"one")).status == 200
        grant = right or f"/repos/model/{repo}/collaborators/{name}"
        for _ in range(2):
            assert _get(dave, repo)[0] == 404
            assert world.ada.put(grant, {"role": "read"}).status in {200, 204}
            assert _get(dave, repo) == (200, b"one")
            assert world.ada.delete(grant).status in {200, 204}
        assert _get(dave, repo)[0] == 404
    assert world.root.put(f"/users/{name}/admin", {"is_admin": True}).status in {200, 204}
    assert _get(dave, repo) == (200, b"one")


def test_deleting_and_moving_to_another_owner(world: World, repo: str, fresh: Fresh) -> None:
    org = fresh("team")
    assert world.ada.post("/orgs", {"name": org}).status == 201
    assert _get(world.nobody, repo) == (200, b"one")
    assert world.ada.put(f"/repos/model/{repo}/address", {"namespace": org}).status == 200
    new = f"{org}/{repo.partition('/')[2]}"
    assert ask(world.nobody, "HEAD", f"/{repo}/resolve/main/a.txt").status == 307
    assert _get(world.nobody, new) == (200, b"one")
    newest = fresh("firm")
    assert world.ada.put(f"/orgs/{org}/name", {"name": newest}).status == 200
    assert ask(world.nobody, "HEAD", f"/{new}/resolve/main/a.txt").status == 307
    last = f"{newest}/{repo.partition('/')[2]}"
    assert _get(world.nobody, last) == (200, b"one")
    assert world.ada.delete(f"/repos/model/{last}").status == 204
    for address in (repo, new, last):
        assert _get(world.ada, address)[0] == 404


def test_large_files_of_one_repository_are_not_those_of_another(
    world: World, repo: str, fresh: Fresh
) -> None:
    data = os.urandom(2000)
    large = {"key": "lfsFile", "value": {"path": "l.bin", "oid": upload(world, repo, data)}}
    assert commit(world, repo, header(), large).status == 200
    assert _get(world.nobody, repo, path="l.bin") == (200, data)
    other = made(world, fresh("other"))
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{large['value']['oid']}\nsize 2000\n"  # type: ignore[index]
    done = commit(world, other, header(), file("l.bin", pointer.encode()))
    assert done.status in {200, 400, 403, 422}
    if done.status == 200:
        assert _get(world.nobody, other, path="l.bin") == (200, data), "it was linked on commit"


def test_raw_and_resolve_take_a_token(world: World) -> None:
    token = {"Authorization": f"Bearer {world.ada.token}"}
    for verb in ("raw", "resolve"):
        path = f"/ada/secret/{verb}/main/README.md"
        reply = world.nobody.send("GET", path, headers=token)
        assert (reply.status, reply.body) == (200, b"# Hello\n\nthere\n"), verb
        assert world.nobody.send("GET", path).status in {303, 401, 404}
        assert world.bob.send("GET", path).status == 404
        wrong = world.nobody.send("GET", path, headers={"Authorization": "Bearer hubd_no"})
        assert wrong.status == 401, verb
    assert world.bob.send("GET", "/ada/full/raw/main/README.md").status == 200


def test_downloads_wait_for_a_place_and_are_refused_kindly(tmp_path: Path) -> None:
    limits = {"downloads_at_once": 3, "downloads_per_user": 2, "queue_length": 0}
    with World.started(tmp_path, **limits) as world:
        repo = made(world, "m")
        data = bytes(64_000_000)
        large = {"key": "lfsFile", "value": {"path": "l.bin", "oid": upload(world, repo, data)}}
        assert commit(world, repo, header(), large).status == 200
        path = f"/{repo}/resolve/main/l.bin"
        with ExitStack() as slow:
            for _ in range(2):
                slow.enter_context(_slow(world.ada, path))
            busy = ask(world.ada, "GET", path)
            refused(busy, 429)
            assert int(busy.headers["Retry-After"]) > 0
            assert ask(world.ada, "HEAD", path).status == 200
            assert ask(world.bob, "GET", path).body == data
            slow.enter_context(_slow(world.bob, path))
            assert ask(world.nobody, "GET", path).status == 429


def _slow(api: Api, path: str) -> socket.socket:
    """A download whose client takes only the first bytes."""
    parts = urlsplit(api.url)
    connection = socket.create_connection((parts.hostname, parts.port), 30)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lines = f"GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {api.token}\r\n\r\n"
    connection.sendall(lines.encode())
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection
