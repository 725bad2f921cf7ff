"""Tables, and what changed in large files and pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubd.web.previews import CELL, COLUMNS, ROWS, table
from tests.hubkit import World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.web.formkit import Browser


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("a.csv", 'x,y\n1,"a, b"\n2\n', [["x", "y"], ["1", "a, b"], ["2", ""]]),
        ("a.TSV", "x\ty\n", [["x", "y"]]),
        ("a.jsonl", '{"a": 1}\n\n{"b": "词"}\n', [["a", "b"], ["1", ""], ["", "词"]]),
        ("a.jsonl", "[1]\n", None),
        ("a.jsonl", "{", None),
        ("a.jsonl", '{"a":' + "[" * 100_000, None),
        ("a.csv", "", None),
        ("a.csv", "x" * 200_000, None),
    ],
)
def test_rows_of_a_table(name: str, text: str, wanted: list[list[str]] | None) -> None:
    assert table(name, text) == wanted


def test_a_table_is_bounded() -> None:
    rows = table("a.csv", (",".join("c" * 1000 for _ in range(90)) + "\n") * 900)
    assert rows is not None
    assert len(rows) == ROWS + 1
    assert {len(row) for row in rows} == {COLUMNS}
    assert max(len(cell) for row in rows for cell in row) == CELL + 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("previews")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


def test_a_commit_tells_sizes_and_shows_pictures(world: World) -> None:
    repo, work = world.repo(), world.work()
    old, new = Big.random(3000), Big.random(4000)
    client(repo).upload(old)
    client(repo).upload(new)
    work.commit({"m.bin": old.pointer, "p.png": b"\x89PNG\0old", "t.csv": "a,b\n<b>,2\n"})
    first = work.head()
    work.commit({"m.bin": new.pointer, "p.png": b"\x89PNG\0new"})
    assert work.push(repo.http).returncode == 0
    nobody, home = Browser(world, ""), f"/{repo.path}"
    page = nobody.get(f"{home}/commit/{work.head()}").main
    assert "3 kB → 4 kB" in page
    assert f"{home}/raw/{first}/p.png" in page
    assert f"{home}/raw/{work.head()}/p.png" in page
    assert "nothing → 3 kB" in nobody.get(f"{home}/commit/{first}").main
    shown = nobody.get(f"{home}/blob/main/t.csv").main
    assert "<td>&lt;b&gt;</td>" in shown
    assert "?plain=1" in shown
    assert '<td class="number">' in nobody.get(f"{home}/blob/main/t.csv?plain=1").main
