"""Pages of files that are no plain text: tensors, notebooks, sounds and films."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from hubd.web import notebooks
from hubd.web.tensors import tree
from tests.apiclient import Api
from tests.hubkit import Repo, World
from tests.hubproc import Hub
from tests.lfskit import Big, client
from tests.modelkit import gguf, safetensors
from tests.web.formkit import Browser, sound

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(40)).decode()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("files")
    with Hub(folder / "data", shutdown_grace=2) as hub:
        yield World.populate(hub, folder)


def pushed(world: World, files: dict[str, bytes | str], *large: Big) -> Repo:
    repo, work = world.repo(), world.work()
    for big in large:
        client(repo).upload(big)
    work.commit(files)
    assert work.push(repo.http).returncode == 0
    return repo


def page(repo: Repo, name: str) -> str:
    seen = Browser(repo.world, "").get(f"/{repo.path}/blob/main/{name}")
    assert seen.status == 200
    return re.sub(r"\s+", " ", seen.main)


def test_names_share_what_they_share() -> None:
    layers = [(f"model.layers.{n}.w", "F32", [2, 3]) for n in range(3)]
    root = tree([*layers, ("model.layers.0.b", "F32", [2]), ("head", "F32", [])])
    assert (root.count, root.parameters) == (5, 21)
    assert root.tensors == [("head", "F32", [])]
    (group,) = root.groups.values()
    assert (group.name, group.parameters, list(group.groups)) == (
        "model.layers",
        20,
        ["0", "1", "2"],
    )
    assert group.groups["0"].tensors == [("w", "F32", [2, 3]), ("b", "F32", [2])]


def test_tensors_are_shown_from_the_head_alone(world: World) -> None:
    shapes: dict[str, tuple[str, list[int]]] = {
        f"model.layers.{n}.weight": ("BF16", [100, 20]) for n in (10, 2)
    }
    big = Big(safetensors({**shapes, "<b>": ("F32", [])}))
    quants = gguf(
        {"general.architecture": "llama", "llama.context_length": 4096}, {"blk.0.w": [7, 5]}
    )
    repo = pushed(
        world, {"m.safetensors": big.pointer, "m.gguf": quants, "bad.gguf": b"GGUF\0\0\0\0"}, big
    )
    shown = page(repo, "m.safetensors")
    assert "4,001 · BF16: 4,000" in shown
    assert "<td>100 \u00d7 20</td><td>BF16</td>" in shown
    assert shown.index("<code>2</code>") < shown.index("<code>10</code>")
    assert "&lt;b&gt;" in shown
    assert "scalar" in shown
    assert big.oid in shown
    other = page(repo, "m.gguf")
    # The file has the innermost dimension first.
    assert "<td>5 \u00d7 7</td><td>F32</td>" in other
    assert "llama" in other
    assert "4,096" in other
    assert "no well-formed .gguf file" in page(repo, "bad.gguf")


def cells(*made: dict[str, Any], **more: Any) -> str:
    return msgspec.json.encode({"nbformat": 4, "cells": made, **more}).decode()


def test_a_notebook_is_read_and_never_run(world: World) -> None:
    text = cells(
        {
            "cell_type": "markdown",
            "source": ["# Title\n", "<script>alert(1)</script>\n\n", "[a](b.txt)"],
        },
        {
            "cell_type": "code",
            "source": "x = '<i>'\nprint(x)",
            "execution_count": 7,
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31m<i>", "\n"]},
                {"output_type": "display_data", "data": {"image/png": PNG, "text/plain": "pic"}},
                {
                    "output_type": "execute_result",
                    "data": {"text/html": "<b onclick=x>live</b>", "text/plain": "quiet"},
                },
                {"output_type": "display_data", "data": {"image/png": '"><script>'}},
                {"output_type": "error", "traceback": ["Oops", "line 1"]},
            ],
        },
        {"cell_type": "raw", "source": "as it is"},
    )
    repo = pushed(world, {"a/n.ipynb": text, "old.ipynb": '{"nbformat": 3, "worksheets": []}'})
    shown = page(repo, "a/n.ipynb")
    assert f'src="data:image/png;base64,{PNG}"' in shown
    assert "Title</h1>" in shown
    assert f"/{repo.path}/blob/main/a/b.txt" in shown
    for never in ("<script", "onclick", "live", "\x1b"):
        assert never not in shown
    for wanted in ("[7]", "&lt;i&gt;", "quiet", "Oops line 1", "as it is"):
        assert wanted in shown
    assert '<td class="number">' in page(repo, "a/n.ipynb?plain=1")
    assert '<td class="number">' in page(repo, "old.ipynb")


@pytest.mark.parametrize("text", ["", "[]", '{"nbformat": 4}', "[" * 100_000, cells({"x": 1})])
def test_what_is_no_notebook(text: str) -> None:
    assert notebooks.parse(text) is None


def test_sounds_and_films_are_played(world: World) -> None:
    big = Big(b"\0\0\0\x18ftypmp42" + bytes(3000))
    repo = pushed(world, {"a.wav": sound(16_000), "b.mp4": big.pointer, "c.mp3": "words"}, big)
    assert "<audio controls" in page(repo, "a.wav")
    assert "<video controls" in page(repo, "b.mp4")
    assert "<audio" not in page(repo, "c.mp3")
    nobody = Browser(world, "")
    for name, kind in (("a.wav", "audio/wav"), ("b.mp4", "video/mp4")):
        sent = Api(world.hub.http).send("GET", f"/{repo.path}/raw/main/{name}")
        assert sent.headers["Content-Type"] == kind
        assert "sandbox" in sent.headers["Content-Security-Policy"]
    policy = nobody.get(f"/{repo.path}/blob/main/a.wav").headers["Content-Security-Policy"]
    assert "media-src 'self'" in policy


def test_blame_names_the_commit_of_each_line(world: World) -> None:
    repo, work = world.repo(), world.work()
    work.commit({"a.py": "x = 1\ny = '<i>'\n", "b.bin": b"\0"}, "First")
    first = work.head()
    work.commit({"a.py": "x = 1\ny = '<i>'\nz = 3\n", "cr.txt": "one\rtwo\nthree\n"}, "Second <b>")
    assert work.push(repo.http).returncode == 0
    home = f"/{repo.path}"
    assert f"{home}/blame/main/a.py" in page(repo, "a.py")
    nobody = Browser(world, "")
    shown = nobody.get(f"{home}/blame/main/a.py").main
    assert f'rowspan="2"><a href="{home}/commit/{first}"' in shown
    assert "Second &lt;b&gt;" in shown
    assert shown.count('class="number"') == 3
    assert nobody.get(f"{home}/blame/main/cr.txt").main.count('class="number"') == 2
    # What has no lines leads to its page, and a private repository nowhere.
    assert nobody.get(f"{home}/blame/main/b.bin").path == f"{home}/blob/main/b.bin"
    assert nobody.get(f"{home}/blame/main/nothing").status == 404
    private = world.repo("private")
    assert nobody.get(f"/{private.path}/blame/main/a.py").status == 404
