"""huggingface_hub with hf-xet, unmodified: its large files go in and out as chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.hfkit import VERSIONS, HfClient
from tests.clients.kit import Place
from tests.hubproc import Hub
from tests.s3servers import BACKINGS

pytestmark = pytest.mark.parametrize("backed", BACKINGS, indirect=True)

_WITH = {"HF_HUB_DISABLE_XET": "0"}
_UPLOAD = """
    import hashlib, random
    data = random.Random(seed).randbytes(12_000_000)
    api.create_repo(repo, private=True, exist_ok=True)
    path = pathlib.Path("big.bin")
    path.write_bytes(data)
    api.upload_file(path_or_fileobj=str(path), path_in_repo="big.bin", repo_id=repo)
"""
_DOWNLOAD = """
    import random
    data = random.Random(seed).randbytes(12_000_000)
    path = api.hf_hub_download(repo, "big.bin")
    assert pathlib.Path(path).read_bytes() == data
    folder = api.snapshot_download(repo, local_dir="snapshot")
    assert (pathlib.Path(folder) / "big.bin").read_bytes() == data
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backed: dict[str, Any]) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("hfxet")
    with Hub(folder / "hub" / "data", log_format="json", api_rate="100000/minute", **backed) as hub:
        yield Place(hub, folder)


def _client(place: Place, version: str, extra: dict[str, str]) -> HfClient:
    return HfClient(place, version, place.fresh(), place.token, extra)


@pytest.mark.parametrize("version", VERSIONS)
def test_large_files_go_as_chunks_and_come_by_every_way(place: Place, version: str) -> None:
    repo = f"ada/{version}-chunks"
    sent = _client(place, version, _WITH).requests(_UPLOAD, repo=repo, seed=version)
    assert any(path.endswith("/v2/shards") for _, path in sent)
    got = _client(place, version, _WITH).requests(_DOWNLOAD, repo=repo, seed=version)
    assert any("/v2/reconstructions/" in path for _, path in got)
    plain = _client(place, version, {}).requests(_DOWNLOAD, repo=repo, seed=version)
    assert not any(path.startswith("/xet/") for _, path in plain)


def test_what_came_whole_comes_whole(place: Place) -> None:
    _client(place, "hf2", {}).run(_UPLOAD, repo="ada/whole", seed=5)
    got = _client(place, "hf2", _WITH).requests(_DOWNLOAD, repo="ada/whole", seed=5)
    assert not any(path.startswith("/xet/") for _, path in got)
