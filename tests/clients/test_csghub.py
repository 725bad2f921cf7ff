"""csghub-sdk and ``csghub-cli``, unmodified, against this hub: every way in and out, byte-equal."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.csgkit import VERSION, CsgClient, files_of
from tests.clients.kit import Place
from tests.hubproc import Hub

# The three ways of one command: chunks, LFS, and CSGHub's own calls with git.
CHUNKS: dict[str, str] = {}
LFS = {"HF_HUB_DISABLE_XET": "1"}
OWN = {"CSGHUB_DISABLE_XNET": "true"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("csghub")
    with Hub(folder / "hub" / "data", log_format="json", api_rate="100000/minute") as hub:
        place = Place(hub, folder)
        place.ask("org.add", name="acme", owner="ada")
        yield place


def client(place: Place, extra: dict[str, str] | None = None) -> CsgClient:
    return CsgClient(place, VERSION, folder=place.fresh(), token=place.token, extra=extra or {})


def a_folder(ada: CsgClient, seed: int = 1) -> Path:
    """Small and empty files, folders, odd names, and large files that need more than one part."""
    source = ada.folder / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    (source / "config.json").write_text("{}")
    (source / "empty.txt").write_bytes(b"")
    (source / "sub" / "ä b.txt").write_text("umlaut and space")
    (source / "sub" / "deep" / "weights.bin").write_bytes(random.Random(seed).randbytes(70_000))
    (source / "model.safetensors").write_bytes(random.Random(seed).randbytes(12_000_000))
    return source


def downloaded(ada: CsgClient, repo: str, *options: str) -> dict[str, bytes]:
    target = ada.folder / f"copy{len(list(ada.folder.iterdir()))}"
    ada.cli("download", repo, "--local-dir", str(target), *options)
    return files_of(target)


@pytest.mark.parametrize(("kind", "way"), [("model", CHUNKS), ("dataset", LFS)])
def test_a_folder_goes_in_and_comes_out(place: Place, kind: str, way: dict[str, str]) -> None:
    ada = client(place, way)
    source = a_folder(ada)
    repo = f"ada/{ada.folder.name}"
    ada.cli("upload", repo, str(source), "-t", kind)
    assert downloaded(ada, repo, "-t", kind) == files_of(source)
    # The same without its library, by CSGHub's own requests, from each of the three mounts.
    ada.extra = OWN
    for mount in ("csg", "hf", "ms"):
        assert downloaded(ada, repo, "-t", kind, "--source", mount) == files_of(source), mount
    (source / "config.json").write_text('{"changed": 1}')
    ada.extra = way
    ada.cli("upload", repo, str(source / "config.json"), "-t", kind, "-r", "dev")
    assert downloaded(ada, repo, "-t", kind, "-r", "dev") == files_of(source)
