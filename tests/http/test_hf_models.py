"""What model files say of themselves, in infos, in lists, and in searches."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable

from tests.apiworld import World
from tests.hfwire import ask, commit, file, header, made, refused, upload
from tests.modelkit import gguf, safetensors

Fresh = Callable[[str], str]
ONE = safetensors({"a": ("F32", [2, 3]), "b": ("BF16", [4])})


def _large(world: World, repo: str, path: str, data: bytes) -> dict[str, object]:
    return {"key": "lfsFile", "value": {"path": path, "oid": upload(world, repo, data)}}


def test_one_file_in_info_and_in_lists(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("sized"))
    done = commit(world, repo, header(), _large(world, repo, "model.safetensors", ONE))
    assert done.status == 200, done.body
    wanted = {"parameters": {"F32": 6, "BF16": 4}, "total": 10}
    assert ask(world.nobody, "GET", f"/api/models/{repo}").json["safetensors"] == wanted
    only = ask(world.nobody, "GET", f"/api/models/{repo}", expand="safetensors").json
    assert only["safetensors"] == wanted
    assert set(only) == {"_id", "id", "safetensors"}
    found = ask(world.nobody, "GET", "/api/models", search=repo, expand="safetensors").json
    assert [item["safetensors"] for item in found] == [wanted]
    # Without a large file, or under another name, it is the same.
    other = made(world, fresh("sized"))
    assert commit(world, other, header(), file("adapter.safetensors", ONE)).status == 200
    assert ask(world.nobody, "GET", f"/api/models/{other}").json["safetensors"] == wanted


def test_shards_are_added_up_and_their_heads_sent_at_once(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("sharded"))
    shards = {
        "w-1.safetensors": safetensors({"a": ("F32", [5])}, format="pt"),
        "w-2.safetensors": safetensors({"b": ("I8", [7])}),
    }
    index = {
        "metadata": {"total_size": 27},
        "weight_map": {"a": "w-1.safetensors", "b": "w-2.safetensors"},
    }
    parts = [_large(world, repo, name, data) for name, data in shards.items()]
    name = "model.safetensors.index.json"
    done = commit(world, repo, header(), file(name, json.dumps(index).encode()), *parts)
    assert done.status == 200, done.body
    info = ask(world.nobody, "GET", f"/api/models/{repo}").json
    assert info["safetensors"] == {"parameters": {"F32": 5, "I8": 7}, "total": 12}
    address = f"/api/models/{repo}/safetensors-metadata"
    heads = ask(world.nobody, "GET", f"{address}/{name}").json
    assert heads["index"] == {"metadata": {"total_size": 27}}
    assert heads["headers"]["w-1.safetensors"]["__metadata__"] == {"format": "pt"}
    assert heads["headers"]["w-2.safetensors"]["b"]["shape"] == [7]
    refused(ask(world.nobody, "GET", f"{address}/none.json"), 404)
    refused(ask(world.nobody, "GET", f"{address}/w-1.safetensors"), 404)


def test_gguf_and_searches_by_size(world: World, fresh: Fresh) -> None:
    word = fresh("measured")
    small, large = made(world, f"{word}-s"), made(world, f"{word}-l")
    values = {
        "general.architecture": "llama",
        "llama.context_length": 2048,
        "tokenizer.chat_template": "{{ bos }}",
    }
    data = gguf(values, {"t": [3_000_000_000, 2]})
    assert commit(world, large, header(), _large(world, large, "m.gguf", data)).status == 200
    assert commit(world, small, header(), file("model.safetensors", ONE)).status == 200
    assert ask(world.nobody, "GET", f"/api/models/{large}", expand="gguf").json["gguf"] == {
        "total": 6_000_000_000,
        "architecture": "llama",
        "context_length": 2048,
        "chat_template": "{{ bos }}",
    }
    for asked, wanted in {
        "min:1": {small, large},
        "max:1K": {small},
        "min:6B": {large},
        "min:5.5B,max:6B": {large},
        "max:6.1b,min:11": {large},
        "min:7B": set(),
    }.items():
        found = ask(world.nobody, "GET", "/api/models", search=word, num_parameters=asked).json
        assert {item["id"] for item in found} == wanted, asked
    for wrong in ("6B", "min:", "min:1,min:2", "min:-1", "min:1e9", "least:1"):
        refused(ask(world.nobody, "GET", "/api/models", num_parameters=wrong), 400)


def test_malformed_files_say_nothing_and_stop_nothing(world: World, fresh: Fresh) -> None:
    for data in (
        b"",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 99_000_000) + b"{" * 100,
        struct.pack("<Q", 200_000) + b"[" * 200_000,
        safetensors({"a": ("F32", [10**15])}, data=False),
    ):
        repo = made(world, fresh("bad"))
        files = [file(name, data) for name in ("model.safetensors", "m.gguf")]
        assert commit(world, repo, header(), *files).status == 200
        for _ in range(2):
            info = ask(world.nobody, "GET", f"/api/models/{repo}").json
            assert "safetensors" not in info
            assert "gguf" not in info
        assert ask(world.nobody, "GET", "/api/models", search=repo).json[0]["id"] == repo
    repo = made(world, fresh("bad"))
    index = b'{"weight_map": {"a": "../../secret.safetensors"}}'
    assert commit(world, repo, header(), file("model.safetensors.index.json", index)).status == 200
    assert "safetensors" not in ask(world.nobody, "GET", f"/api/models/{repo}").json
    address = f"/api/models/{repo}/safetensors-metadata/model.safetensors.index.json"
    refused(ask(world.nobody, "GET", address), 404, "EntryNotFound")


def test_a_name_does_not_decide_for_another(world: World, fresh: Fresh) -> None:
    data = safetensors({"a": ("F32", [11])})
    both = made(world, fresh("both"))
    files = [file(name, data) for name in ("model.safetensors", "m.gguf")]
    assert commit(world, both, header(), *files).status == 200
    liar, true = made(world, fresh("liar")), made(world, fresh("true"))
    assert commit(world, liar, header(), _large(world, liar, "m.gguf", data)).status == 200
    assert "gguf" not in ask(world.nobody, "GET", f"/api/models/{liar}").json
    large = _large(world, true, "model.safetensors", data)
    assert commit(world, true, header(), large).status == 200
    for repo in (both, true):
        info = ask(world.nobody, "GET", f"/api/models/{repo}").json
        assert info["safetensors"]["total"] == 11
        assert "gguf" not in info


def test_a_private_model_says_nothing_to_strangers(world: World, fresh: Fresh) -> None:
    repo = made(world, fresh("hidden"), private=True)
    assert commit(world, repo, header(), file("model.safetensors", ONE)).status == 200
    for path in ("", "/safetensors-metadata/model.safetensors.index.json"):
        refused(ask(world.nobody, "GET", f"/api/models/{repo}{path}"), 401, "RepoNotFound")
        refused(ask(world.bob, "GET", f"/api/models/{repo}{path}"), 404, "RepoNotFound")
    assert ask(world.bob, "GET", "/api/models", search=repo, num_parameters="max:10").json == []
