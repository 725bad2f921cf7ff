"""The git-lfs client, unmodified."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.kit import Place


def _source(place: Place) -> Path:
    folder = place.fresh()
    place.git("init", "-q", "-b", "main", folder)
    place.git("lfs", "install", "--local", cwd=folder)
    place.git("lfs", "track", "*.bin", cwd=folder)
    for name, size in {"one.bin": 20_000_000, "two.bin": 100, "empty.bin": 0}.items():
        (folder / name).write_bytes(os.urandom(size))
    (folder / "README.md").write_text("# Large\n")
    place.git("add", "-A", cwd=folder)
    place.git("commit", "-q", "-m", "One", cwd=folder)
    return folder


@pytest.mark.parametrize("way", ["http"])
def test_large_files_go_in_and_come_out(place: Place, way: str) -> None:
    source, repo = _source(place), place.repo()
    url = place.url(way, repo)
    place.git("push", "-q", url, "main", cwd=source)
    copy = place.fresh()
    place.git("clone", "-q", url, copy)
    place.git("lfs", "install", "--local", cwd=copy)
    place.git("lfs", "pull", cwd=copy)
    for name in ("one.bin", "two.bin", "empty.bin"):
        assert (copy / name).read_bytes() == (source / name).read_bytes()
    place.git("lfs", "fsck", cwd=copy)


def test_a_push_that_forgot_its_large_files_says_what_to_do(place: Place) -> None:
    source, repo = _source(place), place.repo()
    url = place.url("http", repo)
    refused = place.git("push", "--no-verify", url, "main", cwd=source, check=False)
    assert "git lfs push --all" in refused
    place.git("lfs", "push", "--all", url, "main", cwd=source)
    place.git("push", "-q", "--no-verify", url, "main", cwd=source)
