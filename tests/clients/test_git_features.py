"""What git's own client can do with a server, over both ways."""

from __future__ import annotations

import gzip
import random
import subprocess
import threading
from pathlib import Path

import pytest

from benchmarks import repositories
from benchmarks.clients import fetch_request
from tests.clients.kit import Place, assert_same
from tests.gitkit import Work, basic, connect, read_all
from tests.hubproc import git

WAYS = ("http", "ssh")
both = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def heavy(place: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    source = repositories.big_pack(tmp_path_factory.mktemp("heavy") / "repo", 24_000_000, commits=6)
    return place.publish("http", source), source


def work_in(place: Place) -> Work:
    work = Work(place.fresh(), place.env)
    work.commit({"README.md": "hello\n"})
    return work


@both
def test_two_large_clones_beside_a_reader_that_stands_still(
    place: Place, way: str, heavy: tuple[str, Path]
) -> None:
    repo, source = heavy
    stuck = subprocess.Popen(
        ["ssh", *place.key.options(), *_ssh_address(place), f"git-upload-pack '{repo}'"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"GIT_PROTOCOL": "version=2", "PATH": "/usr/bin:/bin"},
    )
    try:
        assert stuck.stdin is not None
        stuck.stdin.write(fetch_request(source))
        stuck.stdin.flush()
        copies: list[Path] = []
        clones = [
            threading.Thread(target=lambda: copies.append(place.clone(way, repo, "--mirror")))
            for _ in range(2)
        ]
        for clone in clones:
            clone.start()
        for clone in clones:
            clone.join()
        assert len(copies) == 2
        for copy in copies:
            assert_same(copy, source)
        assert stuck.poll() is None
    finally:
        stuck.kill()
        stuck.communicate()


def _ssh_address(place: Place) -> list[str]:
    user, _, rest = place.hub.ssh.removeprefix("ssh://").partition("@")
    host, _, port = rest.partition(":")
    return ["-o", "SendEnv=GIT_PROTOCOL", "-p", port, f"{user}@{host}"]


@both
def test_a_fetch_from_a_clone_with_hundreds_of_refs(place: Place, way: str, tmp_path: Path) -> None:
    # The request's body is over 1 KiB, so the client compresses it over HTTP.
    source = repositories.many_refs(tmp_path / "source", 700)
    repo = place.publish(way, source)
    copy = place.clone(way, repo, "--mirror")
    work = Work(tmp_path / "work", place.env)
    work.git("pull", "-q", str(source), "main")
    work.commit({"later.txt": "later\n"})
    work.git("push", "-q", place.url(way, repo), "HEAD:refs/heads/main")
    place.git("fetch", "-q", "origin", "+refs/*:refs/*", cwd=copy)
    git("fetch", "-q", work.path, "HEAD:refs/heads/main", cwd=source)
    assert_same(copy, source)


@both
def test_push_options_are_taken(place: Place, way: str) -> None:
    work, repo = work_in(place), place.repo()
    work.git("push", "-q", "-o", "ci.skip", "-o", "a;b=c", place.url(way, repo), "main")
    assert "refs/heads/main" in place.git("ls-remote", place.url(way, repo))


@both
def test_an_atomic_push_moves_all_or_nothing(place: Place, way: str) -> None:
    work, repo = work_in(place), place.repo()
    url = place.url(way, repo)
    work.git("push", "-q", url, "main", "main:refs/heads/side")
    before = place.git("ls-remote", url)
    work.commit({"README.md": "two\n"})
    work.git("commit", "-q", "--amend", "-m", "Other")
    orphan = work.git("commit-tree", "-m", "Alone", "HEAD^{tree}").stdout.decode().strip()
    done = work.git(
        *("push", "-q", "--atomic", url, "HEAD:refs/heads/side", f"{orphan}:refs/heads/main"),
        check=False,
    )
    assert done.returncode != 0
    assert place.git("ls-remote", url) == before


@both
def test_force_with_lease_sees_what_others_pushed(place: Place, way: str) -> None:
    work, repo = work_in(place), place.repo()
    url = place.url(way, repo)
    work.git("push", "-q", url, "main", "main:refs/heads/side")
    first = work.git("rev-parse", "HEAD").stdout.decode().strip()
    second = work.commit({"README.md": "theirs\n"})
    work.git("push", "-q", url, "HEAD:refs/heads/side")
    other = work.git("commit-tree", "-m", "Mine", "HEAD^{tree}").stdout.decode().strip()
    target = f"{other}:refs/heads/side"
    stale = work.git("push", "-q", f"--force-with-lease=side:{first}", url, target, check=False)
    assert stale.returncode != 0
    work.git("push", "-q", f"--force-with-lease=side:{second}", url, target)
    assert other in place.git("ls-remote", url)


@both
def test_sha256_repositories(place: Place, way: str, tmp_path: Path) -> None:
    source = repositories.long_history(tmp_path / "source", 80, object_format="sha256")
    repo = place.publish(way, source, object_format="sha256")
    copy = place.clone(way, repo, "--mirror")
    assert_same(copy, source)
    assert git("rev-parse", "--show-object-format", cwd=copy).stdout.strip() == b"sha256"


@both
def test_an_empty_repository_can_be_cloned_and_filled(place: Place, way: str) -> None:
    repo, copy = place.repo(), place.fresh()
    place.git("clone", "-q", place.url(way, repo), copy)
    assert git("symbolic-ref", "HEAD", cwd=copy).stdout.strip() == b"refs/heads/main"
    (copy / "a").write_text("a\n")
    git("add", "a", cwd=copy)
    git("commit", "-q", "-m", "First", cwd=copy)
    place.git("push", "-q", "origin", "HEAD", cwd=copy)
    assert git("rev-parse", "HEAD", cwd=copy).stdout.decode().strip() in place.git(
        "ls-remote", place.url(way, repo)
    )


@both
def test_head_follows_the_first_branch(place: Place, way: str) -> None:
    work, repo = work_in(place), place.repo()
    work.git("push", "-q", place.url(way, repo), "HEAD:refs/heads/trunk")
    copy = place.clone(way, repo)
    assert git("symbolic-ref", "HEAD", cwd=copy).stdout.strip() == b"refs/heads/trunk"


@both
def test_signatures_are_kept_as_they_are(place: Place, way: str) -> None:
    work, repo = work_in(place), place.repo()
    key = str(place.key.private)
    sign = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={key}")
    work.git(*sign, "commit", "-q", "--allow-empty", "-S", "-m", "Signed")
    work.git(*sign, "tag", "-s", "-m", "Signed tag", "v1")
    raw = [work.git("cat-file", kind, name).stdout for kind, name in _SIGNED]
    assert all(b"-----BEGIN SSH SIGNATURE-----" in data for data in raw)
    work.git("push", "-q", place.url(way, repo), "main", "v1")
    copy = place.clone(way, repo)
    assert [git("cat-file", kind, name, cwd=copy).stdout for kind, name in _SIGNED] == raw
    allowed = place.folder / "allowed"
    allowed.write_text(f"ada@example.org {place.key.public.read_text()}")
    check = ("-c", f"gpg.ssh.allowedSignersFile={allowed}", "-c", "gpg.format=ssh")
    git(*check, "verify-commit", "main", cwd=copy)
    git(*check, "verify-tag", "v1", cwd=copy)


_SIGNED = (("commit", "main"), ("tag", "v1"))


def test_a_big_push_waits_for_100_continue(place: Place) -> None:
    work, repo = work_in(place), place.repo()
    work.commit({"noise.bin": random.Random(7).randbytes(6_000_000)})
    headers = ("-c", "http.extraHeader=Expect: 100-continue", "-c", "http.postBuffer=65536")
    work.git(*headers, "push", "-q", place.url("http", repo), "main")
    copy = place.clone("http", repo, "--mirror")
    git("fsck", "--strict", cwd=copy)
    assert git("rev-parse", "main", cwd=copy).stdout == work.git("rev-parse", "main").stdout


def test_a_gzip_body_larger_than_its_limit_is_refused(place: Place) -> None:
    work, repo = work_in(place), place.repo()
    work.git("push", "-q", place.url("http", repo), "main")
    body = gzip.compress(b"0000" * 4_000_000)
    head = (
        f"POST /{repo}/git-upload-pack HTTP/1.1\r\nHost: hub\r\nAuthorization: "
        f"{basic(place.token)}\r\nContent-Type: application/x-git-upload-pack-request\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with connect(place.hub) as client:
        client.sendall(head.encode() + body)
        answer = read_all(client)
    assert b" 400 " in answer.split(b"\r\n", 1)[0]
