"""Real repositories, made at run time by the real git, in both object formats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubd.config import Config
from hubd.git.objects import ObjectPool
from hubd.git.process import Git
from tests.git.making import Repository


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(Config(data_dir=str(tmp_path / "data")), None)


@pytest.fixture(params=["sha1", "sha256"])
def object_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def repo(tmp_path: Path, object_format: str) -> Repository:
    return Repository.make(tmp_path / "made.git", object_format)


@pytest.fixture
async def pool(git: Git) -> AsyncIterator[ObjectPool]:
    pool = ObjectPool(git)
    yield pool
    await pool.close()
