"""A file larger than what 32 bits count, in and out by git-lfs and by the Hub's client.

A small twin always runs; the whole size runs in the soak, and needs some 40 GB of disk.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.hfkit import HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub

_SMALL, _WHOLE = 30_000_000, 12_000_000_000
SIZES = [
    pytest.param(_SMALL, id="small"),
    pytest.param(_WHOLE, id="12 GB", marks=[pytest.mark.soak, pytest.mark.timeout(3600)]),
]
_UPLOAD = """
    api.create_repo(repo, private=True)
    api.upload_file(path_or_fileobj=path, path_in_repo="big.bin", repo_id=repo)
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with Hub(tmp_path / "hub" / "data", log_format="json", api_rate="100000/minute") as hub:
        yield Place(hub, tmp_path, seconds=1500)


def _big(path: Path, size: int) -> Path:
    """Holes with marks between them, so that no part is like another."""
    step = 5_000_000
    with path.open("wb") as file:
        for at in range(0, size, step):
            file.seek(at)
            file.write(hashlib.sha256(at.to_bytes(8, "big")).digest())
        file.truncate(size)
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_by_git_lfs(place: Place, size: int) -> None:
    source, copy = place.fresh(), place.fresh()
    place.git("init", "-q", "-b", "main", source)
    place.git("lfs", "install", "--local", cwd=source)
    place.git("lfs", "track", "*.bin", cwd=source)
    expected = _digest(_big(source / "big.bin", size))
    place.git("add", "-A", cwd=source)
    place.git("commit", "-q", "-m", "One", cwd=source)
    url = place.url("http", place.repo())
    place.git("push", "-q", url, "main", cwd=source)
    shutil.rmtree(source)
    place.more_env["GIT_LFS_SKIP_SMUDGE"] = "1"
    place.git("clone", "-q", url, copy)
    place.git("lfs", "install", "--local", cwd=copy)
    place.git("lfs", "fetch", cwd=copy)
    (held,) = [path for path in (copy / ".git" / "lfs" / "objects").rglob("*") if path.is_file()]
    assert held.name == expected
    assert _digest(held) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("xet", ["0", "1"], ids=["as chunks", "in parts"])
def test_by_the_hubs_client(place: Place, size: int, xet: str) -> None:
    off = {"HF_HUB_DISABLE_XET": xet}
    ada = HfClient(place, "hf2", place.fresh(), place.token, off, seconds=1500)
    ada.folder.mkdir()
    path = _big(ada.folder / "big.bin", size)
    expected = _digest(path)
    ada.run(_UPLOAD, repo="ada/big", path=str(path))
    path.unlink()
    ada.run("api.hf_hub_download('ada/big', 'big.bin', local_dir='down')")
    assert _digest(ada.folder / "down" / "big.bin") == expected
