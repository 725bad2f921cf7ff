"""hf_xet, the native client of huggingface_hub, unmodified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hubkit import World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.xetkit import XetClient, floats, noise, sha256


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("xet")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_what_is_sent_can_be_fetched_by_every_door(world: World, tmp_path: Path, kind: str) -> None:
    repo = world.repo("private", kind=kind)
    xet = XetClient.of(repo, tmp_path / "home")
    contents = [b"x", floats(500_000), noise(3_000_000), b"again and again. " * 100_000]
    infos = xet.upload(*contents)
    assert [info.sha256 for info in infos] == [sha256(content) for content in contents]
    fresh = XetClient.of(repo, tmp_path / "other")
    assert fresh.download(*infos) == contents
    by_lfs = client(repo)
    for content in contents:
        big = Big(content)
        assert by_lfs.download(big) == content
        href = by_lfs.action("download", big)["href"]
        part = by_lfs.send("GET", href, Range="bytes=1000-70000")
        if len(content) > 1000:
            assert (part.status, part.body) == (206, content[1000:70001])
        assert "actions" not in by_lfs.batch("upload", big)[big.oid]


def test_a_range_is_fetched_alone(world: World, tmp_path: Path) -> None:
    xet, content = XetClient.of(world.repo(), tmp_path / "home"), noise(4_000_000)
    (info,) = xet.upload(content)
    for start, end in ((0, 1), (1_234_567, 2_345_678), (3_999_999, 4_000_000), (70_000, 70_001)):
        assert xet.stream(info, start, end) == content[start:end]


def test_a_file_of_several_xorbs(world: World, tmp_path: Path) -> None:
    repo = world.repo()
    xet, content = XetClient.of(repo, tmp_path / "home"), noise(150_000_000, seed=7)
    (info,) = xet.upload(content)
    assert xet.download(info) == [content]
    (count,) = world.sql("SELECT count(*) FROM xet_file_xorbs WHERE oid = ?", info.sha256)
    assert count[0] >= 2


def _stored(world: World) -> int:
    return int(world.sql("SELECT coalesce(sum(size), 0) FROM xorbs")[0][0])


def test_a_second_version_sends_what_changed(world: World, tmp_path: Path) -> None:
    """Also by a client that remembers nothing: the hub says what it has."""
    repo, size = world.repo(), 100_000_000
    content = noise(size, seed=11)
    XetClient.of(repo, tmp_path / "first").upload(content)
    before = _stored(world)
    changed = (
        content[: size // 2] + noise(size // 100, seed=12) + content[size // 2 + size // 100 :]
    )
    inserted = changed[:30_000_000] + b"inserted" + changed[30_000_000:]
    for number, version in enumerate((changed, inserted)):
        client = XetClient.of(repo, tmp_path / f"fresh{number}")
        (info,) = client.upload(version)
        assert client.download(info) == [version]
        now = _stored(world)
        assert now - before <= 0.05 * size
        before = now
