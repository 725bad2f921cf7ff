"""Files behind pointers, by the pages and by our API: the real bytes, whole and by range."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.apiclient import Api, Reply, basic
from tests.hubkit import Repo, World
from tests.lfskit import Big, client


def _pushed(world: World, big: Big, *, name: str = "model.bin", visibility: str = "public") -> Repo:
    repo, work = world.repo(visibility), world.work()
    client(repo).upload(big)
    work.commit({name: big.pointer, "plain.txt": "0123456789" * 100})
    assert work.push(repo.http).returncode == 0
    return repo


def _get(world: World, path: str, token: str = "", **headers: str) -> Reply:
    sent = headers | (basic("x", token) if token else {})
    return Api(world.hub.http).send("GET", path, headers=sent)


def _doors(repo: Repo, name: str) -> list[str]:
    return [
        f"/{repo.path}/raw/main/{quote(name)}",
        f"/api/hub/v1/repos/model/{repo.name}/raw?path={quote(name)}",
    ]


def test_the_bytes_are_those_of_the_large_file(world: World) -> None:
    big = Big.random(3_000_000)
    for path in _doors(_pushed(world, big), "model.bin"):
        whole = _get(world, path)
        assert (whole.status, whole.body) == (200, big.data)
        assert whole.headers["ETag"] == f'"{big.oid}"'
        assert "attachment" in whole.headers["Content-Disposition"]
        assert "sandbox" in whole.headers["Content-Security-Policy"]
        for text, start, end in (("5-9", 5, 10), ("2000000-", 2_000_000, 3_000_000)):
            part = _get(world, path, Range=f"bytes={text}")
            assert (part.status, part.body) == (206, big.data[start:end])
            assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/3000000"
        assert _get(world, path, Range="bytes=3000000-").status == 416
        assert _get(world, path, **{"If-None-Match": f'"{big.oid}"'}).status == 304


def test_a_plain_file_has_ranges_too(world: World) -> None:
    for path in _doors(_pushed(world, Big.random()), "plain.txt"):
        assert _get(world, path).body == b"0123456789" * 100
        part = _get(world, path, Range="bytes=995-")
        assert (part.status, part.body) == (206, b"56789")


def test_the_api_gives_the_pointer_who_asks_for_it(world: World) -> None:
    big = Big.random()
    path = _doors(_pushed(world, big), "model.bin")[1]
    assert _get(world, f"{path}&pointer=true").body == big.pointer.encode()


def test_the_page_tells_size_and_hash_and_offers_the_file(world: World) -> None:
    big = Big.random(1_234_567)
    repo = _pushed(world, big)
    page = _get(world, f"/{repo.path}/blob/main/model.bin").body.decode()
    assert "Large file" in page or "large file" in page
    assert "1.23 MB (1,234,567 bytes)" in page
    assert big.oid in page
    assert f'href="/{repo.path}/raw/main/model.bin?download=1"' in page


def test_a_picture_behind_a_pointer_is_shown(world: World) -> None:
    big = Big(b"\x89PNG\r\n\x1a\n" + bytes(100))
    repo = _pushed(world, big, name="dot.png")
    page = _get(world, f"/{repo.path}/blob/main/dot.png").body.decode()
    assert "<img src=" in page
    assert _get(world, _doors(repo, "dot.png")[0]).headers["Content-Type"] == "image/png"


def test_only_who_may_read_gets_them(world: World) -> None:
    big = Big.random()
    repo = _pushed(world, big, visibility="private")
    page, api = _doors(repo, "model.bin")
    assert _get(world, page).status == 404
    assert _get(world, api).status in {401, 404}
    assert _get(world, api, world.tokens["bob"]).status == 404
    assert _get(world, api, world.tokens["ada"]).body == big.data


@pytest.mark.parametrize("door", [0, 1])
def test_a_pointer_without_its_file_is_not_found_and_says_why(world: World, door: int) -> None:
    repo = _pushed(world, Big.random())
    lost, work = Big.random(), world.work()
    work.git("fetch", "-q", repo.http, "main")
    work.git("checkout", "-q", "-B", "main", "FETCH_HEAD")
    work.commit({"lost.bin": lost.pointer})
    # As an import from elsewhere would leave it: straight into the repository.
    work.git("push", "-q", str(repo.dir), "main")
    tip = work.git("rev-parse", "HEAD").stdout.decode().strip()
    pages, api = _doors(repo, "lost.bin")
    doors = [pages.replace("/main/", f"/{tip}/"), f"{api}&revision={tip}"]
    missing = _get(world, doors[door])
    assert missing.status == 404
    assert b"not on this hub" in missing.body
