"""Likes, what a card says as facts, and lists searched by tags, sorted by likes."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.hubkit import World
from tests.hubproc import Hub
from tests.web.formkit import Browser, sign_in

CARD = """---
license: apache-2.0
base_model: ada/parent
datasets: [bob/data, "<script>alert(1)</script>", "../evil"]
tags: [vision, 图像分类模型]
pipeline_tag: image-classification
---
# Card
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("lists")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


@pytest.fixture(scope="module")
def bob(world: World) -> Browser:
    return sign_in(world, "bob")


def test_a_card_is_told_as_facts_and_found_by_its_tags(world: World, bob: Browser) -> None:
    repo, other, work = world.repo(), world.repo(), world.work()
    secret, hidden = world.repo("private"), world.work()
    for where, tree in ((repo, work), (secret, hidden)):
        tree.commit({"README.md": CARD})
        assert tree.push(where.http).returncode == 0
    page = bob.get(f"/{repo.path}").main
    for fact in ("apache-2.0", 'href="/ada/parent"', 'href="/datasets/bob/data"'):
        assert fact in page
    assert "image-classification" in page
    assert "<script>alert" not in page
    assert f"hf download {repo.name}" in page
    for asked in ("?search=vision", f"?search={quote('分类')}", "models?tag=vision"):
        found = bob.get(f"/{asked}").main
        assert repo.name.partition("/")[2] + "<" in found, asked
        assert f'"/{other.path}"' not in found, asked
        assert secret.path not in found, asked
    assert "Nothing found" in bob.get("/models?tag=absent").main


def test_a_like_counts_once_and_goes_again(world: World, bob: Browser) -> None:
    repo, newer = world.repo(), world.repo()
    like = f"/{repo.path}/like"
    for _ in range(2):
        assert 'aria-pressed="true"' in bob.submit(like, {"on": "1"}).text
    nobody = Browser(world, "")
    listed = nobody.get("/?sort=likes").main
    assert listed.index(f'"/{repo.path}"') < listed.index(f'"/{newer.path}"')
    assert '1<span class="hidden"> likes' in nobody.get(f"/{repo.path}").text
    assert 'aria-pressed="false"' in bob.submit(like, {"on": "0"}).text
    secret = world.repo("private")
    assert bob.submit(f"/{secret.path}/like", {"on": "1"}).status == 404
