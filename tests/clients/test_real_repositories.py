"""Repositories as large as real ones: pushed, cloned and fetched over both ways, nothing lost.

Each has a small twin that always runs; the whole sizes run in the soak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import repositories
from tests.clients.kit import Place, assert_same, objects, refs
from tests.hubproc import git

WAYS = ("http", "ssh")


@dataclass(frozen=True)
class Shape:
    """A kind of repository at a size."""

    name: str
    make: Callable[[Path], Path]


SHAPES = [
    Shape("history", lambda path: repositories.long_history(path, 1200)),
    Shape("refs", lambda path: repositories.many_refs(path, 700)),
    Shape("files", lambda path: repositories.many_files(path, 3000)),
    Shape("pack", lambda path: repositories.big_pack(path, 12_000_000, commits=30)),
]
WHOLE = [
    Shape("50,000 commits", lambda path: repositories.long_history(path, 50_000)),
    Shape("10,000 refs", lambda path: repositories.many_refs(path, 10_000)),
    Shape("100,000 files", lambda path: repositories.many_files(path, 100_000)),
    Shape("335 MB", lambda path: repositories.big_pack(path, 335_000_000)),
]
PARAMS = [pytest.param(shape, id=shape.name) for shape in SHAPES] + [
    pytest.param(shape, id=shape.name, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])
    for shape in WHOLE
]


@pytest.fixture(scope="module", params=PARAMS)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape: Shape = request.param
    return shape.make(tmp_path_factory.mktemp("source") / "repo.git")


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def repo(place: Place, way: str, source: Path) -> str:
    return place.publish(way, source)


def test_what_was_pushed_is_what_is_cloned(place: Place, way: str, source: Path, repo: str) -> None:
    assert_same(place.clone(way, repo, "--mirror"), source)
    # Again: now from the pack cache, and after a repack from other packs.
    assert_same(place.clone(way, repo, "--mirror"), source)
    place.ask("repo.gc", type="model", repo=repo)
    assert_same(place.clone(way, repo, "--mirror"), source)
    assert place.ask("repo.fsck", type="model", repo=repo) == []


def test_a_fetch_brings_what_is_missing(place: Place, way: str, source: Path, repo: str) -> None:
    copy = place.fresh()
    git("init", "-q", "--bare", copy)
    old = git("rev-list", "--max-count=1", "--skip=20", "main", cwd=source).stdout.decode().strip()
    git("fetch", "-q", source, f"{old}:refs/heads/main", cwd=copy)
    place.git("fetch", "-q", place.url(way, repo), "+refs/*:refs/*", cwd=copy)
    assert_same(copy, source)


def test_a_shallow_clone_deepens_to_the_whole(
    place: Place, way: str, source: Path, repo: str
) -> None:
    copy = place.clone(way, repo, "--depth=3")
    assert git("rev-list", "--count", "--first-parent", "HEAD", cwd=copy).stdout.strip() == b"3"
    git("fsck", "--strict", cwd=copy)
    place.git("fetch", "-q", "--deepen=4", "origin", "main", cwd=copy)
    place.git("fetch", "-q", "--unshallow", "origin", "main", cwd=copy)
    assert objects(copy, "main") == objects(source, "main")


@pytest.mark.parametrize("kept", ["blob:none", "tree:0"])
def test_a_partial_clone_fetches_what_it_looks_at(
    place: Place, way: str, source: Path, repo: str, kept: str
) -> None:
    copy = place.fresh()
    url = place.url(way, repo)
    place.git("clone", "-q", "--no-checkout", "--single-branch", f"--filter={kept}", url, copy)
    present = git("rev-list", "--objects", "--missing=print", "HEAD", cwd=copy).stdout
    assert b"\n?" in present
    # The tree of one commit, one file of it; then everything through the promisor remote.
    place.git("checkout", "-q", "main", cwd=copy)
    here = place.git("ls-tree", "-r", "HEAD", cwd=copy)
    assert here == git("ls-tree", "-r", "main", cwd=source).stdout.decode()


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_protocol_version_gives_the_same(
    place: Place, way: str, source: Path, repo: str, version: int
) -> None:
    copy = place.fresh()
    protocol = ("-c", f"protocol.version={version}")
    place.git(*protocol, "clone", "-q", "--mirror", place.url(way, repo), copy)
    assert refs(copy) == refs(source)
    assert objects(copy) == objects(source)


def test_a_copy_pushes_on(place: Place, way: str, source: Path, repo: str) -> None:
    del source
    work = place.fresh()
    place.git("clone", "-q", "--depth=1", place.url(way, repo), work)
    (work / "new.txt").write_text(f"{way}\n")
    git("add", "new.txt", cwd=work)
    git("commit", "-q", "-m", "New", cwd=work)
    place.git("push", "-q", "origin", "HEAD:refs/heads/from-shallow", cwd=work)
    tip = git("rev-parse", "HEAD", cwd=work).stdout.decode().strip()
    listed = place.git("ls-remote", place.url(way, repo), "refs/heads/from-shallow")
    assert listed.split()[0] == tip
    place.git("push", "-q", "origin", ":refs/heads/from-shallow", cwd=work)
