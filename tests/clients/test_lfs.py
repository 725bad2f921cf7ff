"""The git-lfs client, unmodified: Debian's and a newer one, in each of its ways to a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.kit import Place
from tests.hubproc import ROOT
from tests.s3servers import BACKINGS

pytestmark = pytest.mark.parametrize("backed", BACKINGS, indirect=True)

VERSIONS = {"3.3": None, "3.6": ROOT / "build" / "clients" / "git-lfs-3.6"}
# What the hub's log shows of each.
WAYS = {
    "http": "/info/lfs/objects/batch",
    "ssh, then http": "service=lfs-authenticate",
    "ssh": "service=lfs-transfer",
}


@pytest.fixture(params=list(VERSIONS))
def client(place: Place, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The place with one of the two git-lfs."""
    folder = VERSIONS[request.param]
    if folder is not None:
        if not (folder / "git-lfs").exists():
            pytest.skip("tests/clients/fetch.sh could not fetch this git-lfs")
        place.more_env["PATH"] = f"{folder}:{os.environ['PATH']}"
    yield place
    place.more_env.clear()


def go(place: Place, way: str) -> str:
    """Make git-lfs go this way; the address of a new repository."""
    if way == "ssh, then http":
        # To old ones this is no choice: they do it when the server knows no better.
        script = place.fresh()
        script.write_text('case "$*" in *git-lfs-transfer*) exit 127 ;; esac\nexec ssh "$@"\n')
        place.more_env["GIT_SSH_COMMAND"] = " ".join(["sh", str(script), *place.key.options()])
    return place.url(way.partition(",")[0], place.repo())


def source_in(place: Place) -> Path:
    """A repository with large files, not pushed."""
    folder = place.fresh()
    place.git("init", "-q", "-b", "main", folder)
    place.git("lfs", "install", "--local", cwd=folder)
    place.git("lfs", "track", "*.bin", cwd=folder)
    sizes = {"one.bin": 20_000_000, "two.bin": 100, "empty.bin": 0}
    for name, size in {**sizes, **{f"{n}.bin": 1000 + n for n in range(30)}}.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "README.md").write_text("# Large\n")
    place.git("add", "-A", cwd=folder)
    place.git("commit", "-q", "-m", "One", cwd=folder)
    return folder


def pulled(place: Place, url: str) -> Path:
    """A clone with its large files."""
    copy = place.fresh()
    place.git("clone", "-q", url, copy)
    place.git("lfs", "install", "--local", cwd=copy)
    place.git("lfs", "pull", cwd=copy)
    return copy


@pytest.mark.parametrize("way", WAYS)
def test_large_files_go_in_and_come_out(client: Place, way: str) -> None:
    source, url = source_in(client), go(client, way)
    told = len(client.hub.log())
    client.git("push", "-q", url, "main", cwd=source)
    assert WAYS[way] in client.hub.log()[told:]
    told = len(client.hub.log())
    copy = pulled(client, url)
    assert WAYS[way] in client.hub.log()[told:]
    for file in source.glob("*.bin"):
        assert (copy / file.name).read_bytes() == file.read_bytes()
    client.git("lfs", "fsck", cwd=copy)


def test_a_push_that_forgot_its_large_files_says_what_to_do(place: Place) -> None:
    source, repo = source_in(place), place.repo()
    url = place.url("http", repo)
    refused = place.git("push", "--no-verify", url, "main", cwd=source, check=False)
    assert "git lfs push --all" in refused
    place.git("lfs", "push", "--all", url, "main", cwd=source)
    place.git("push", "-q", "--no-verify", url, "main", cwd=source)


@pytest.mark.parametrize("way", WAYS)
def test_locks(client: Place, way: str) -> None:
    if way == "ssh" and "PATH" not in client.more_env:
        pytest.skip("git-lfs before 3.4 cannot lock over SSH alone")
    source, url = source_in(client), go(client, way)
    client.git("remote", "add", "origin", url, cwd=source)
    client.git("push", "-q", "-u", "origin", "main", cwd=source)

    client.git("lfs", "lock", "one.bin", cwd=source)
    assert "one.bin\tada" in client.git("lfs", "locks", cwd=source)
    assert client.git("lfs", "locks", "--verify", cwd=source).startswith("O one.bin")
    assert "locked" in client.git("lfs", "lock", "one.bin", cwd=source, check=False)
    client.git("lfs", "unlock", "--force", "one.bin", cwd=source)
    assert client.git("lfs", "locks", cwd=source) == ""


@pytest.mark.parametrize("way", WAYS)
def test_a_quota_refuses_a_push_before_anything_is_sent(client: Place, way: str) -> None:
    source, url = source_in(client), go(client, way)
    repo = "/".join(url.split("/")[-2:])
    size = sum(file.stat().st_size for file in source.glob("*.bin"))
    quota, push = ("quota", "set", repo), ("push", url, "main")
    client.hub.admin(*quota, "--bytes", "10M")
    assert "do not fit" in client.git(*push, cwd=source, check=False)
    client.hub.admin(*quota, "--bytes", str(size), "--objects", "31")
    assert "do not fit" in client.git(*push, cwd=source, check=False)
    assert client.hub.admin("quota", "show", repo).startswith("bytes\t0 bytes\t")
    client.hub.admin(*quota, "--objects", "32")
    client.git(*push, cwd=source)
    (source / "three.bin").write_bytes(b"x")
    client.git("add", "-A", cwd=source)
    client.git("commit", "-q", "-m", "One byte too many", cwd=source)
    assert "do not fit" in client.git(*push, cwd=source, check=False)
