"""Heads of model files: what is right is understood, and nothing else does harm."""

from __future__ import annotations

import asyncio
import io
import json
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.core import models
from hubd.core.model_headers import Head, MalformedError, facts
from tests.modelkit import gguf, safetensors


def read(kind: str, data: bytes, size: int | None = None) -> dict[str, Any]:
    return facts(kind, Head(io.BytesIO(data).read, len(data) if size is None else size))


def test_parameters_by_type() -> None:
    data = safetensors({"a": ("F32", [2, 3]), "b": ("BF16", [4]), "c": ("F32", [])}, note="x")
    assert read("safetensors", data) == {"parameters": {"F32": 7, "BF16": 4}, "total": 11}
    odd = safetensors({"a": ("F4", [2, 2])}, shape="[1]", dtype="F32")
    assert read("safetensors", odd) == {"parameters": {"F4": 4}, "total": 4}


def test_gguf_values_and_parameters() -> None:
    data = gguf(
        {
            "general.architecture": "llama",
            "tokenizer.ggml.tokens": [f"token {n}" for n in range(3000)],
            "tokenizer.ggml.scores": [0.5] * 3000,
            "llama.context_length": 4096,
            "other.context_length": 7,
            "tokenizer.chat_template": "{{ messages }}",
        },
        {"a": [10, 20], "b": [5]},
    )
    assert read("gguf", data) == {
        "total": 205,
        "architecture": "llama",
        "context_length": 4096,
        "chat_template": "{{ messages }}",
    }
    assert read("gguf", gguf({}, {})) == {"total": 0}


_OFFSETS = '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


def _raw(head: str | bytes, data: bytes = b"\0" * 4) -> bytes:
    text = head.encode() if isinstance(head, str) else head
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("safetensors", b""),
        ("safetensors", b"\xff" * 8),
        ("safetensors", struct.pack("<Q", 100_000_001)),
        ("safetensors", struct.pack("<Q", 50) + b"{}"),
        ("safetensors", _raw("[]")),
        ("safetensors", _raw("[" * 100_000)),
        ("safetensors", _raw('{"a":' * 100_000)),
        ("safetensors", _raw(b'{"\xff":1}')),
        ("safetensors", _raw(_OFFSETS + "}", b"\0" * 5)),
        ("safetensors", _raw(_OFFSETS.replace("F32", "F31") + "}")),
        ("safetensors", _raw(_OFFSETS.replace("[1]", "[-1]") + "}")),
        ("safetensors", _raw(_OFFSETS.replace("[1]", "[9223372036854775807,2]") + "}")),
        ("safetensors", _raw(_OFFSETS.replace("[1]", "[18446744073709551616]") + "}")),
        ("safetensors", _raw(_OFFSETS.replace("[0,4]", "[4,8]") + "}")),
        ("safetensors", _raw(_OFFSETS + "," + _OFFSETS[1:].replace('"a"', '"b"') + "}")),
        ("gguf", b"GGUF"),
        ("gguf", b"GGML" + bytes(20)),
        ("gguf", struct.pack("<4sIQQ", b"GGUF", 1, 0, 0)),
        ("gguf", struct.pack("<4sIQQ", b"GGUF", 3, 2**63, 0)),
        ("gguf", struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**63)),
        ("gguf", struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 2**62)),
        ("gguf", struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"a", 99)),
        ("gguf", struct.pack("<4sIQQQ1sIIQ", b"GGUF", 3, 0, 1, 1, b"a", 9, 0, 2**60)),
        ("gguf", struct.pack("<4sIQQQ1sI", b"GGUF", 3, 0, 1, 1, b"a", 9) + b"\t\0\0\0" * 40),
        ("gguf", gguf({}, {"a": [2**62, 4]})),
    ],
)
def test_what_is_malformed_is_told_so(kind: str, data: bytes) -> None:
    with pytest.raises(MalformedError):
        read(kind, data)


@given(st.binary(max_size=300), st.sampled_from(["safetensors", "gguf"]))
def test_any_bytes_are_understood_or_malformed(data: bytes, kind: str) -> None:
    for start in (b"", struct.pack("<Q", len(data)), struct.pack("<4sIQQ", b"GGUF", 3, 1, 2)):
        try:
            found = read(kind, start + data)
        except MalformedError:
            continue
        assert found["total"] >= 0


_NAMES = st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__")
_TENSORS = st.dictionaries(
    _NAMES,
    st.tuples(st.sampled_from(["F32", "I8", "BF16"]), st.lists(st.integers(0, 5), max_size=3)),
    max_size=5,
)


@given(_TENSORS, st.data())
def test_whatever_is_changed_in_a_right_head(
    tensors: dict[str, tuple[str, list[int]]], more: st.DataObject
) -> None:
    right = safetensors(tensors)
    found = read("safetensors", right)
    assert found["total"] == sum(_product(shape) for _, shape in tensors.values())
    at = more.draw(st.integers(0, len(right) - 1))
    wrong = right[:at] + bytes([more.draw(st.integers(0, 255))]) + right[at + 1 :]
    cut = right[: more.draw(st.integers(0, len(right) - 1))]
    for data in (wrong, cut):
        try:
            assert read("safetensors", data)["total"] >= 0
        except MalformedError:
            continue


def _product(shape: list[int]) -> int:
    count = 1
    for side in shape:
        count *= side
    return count


@given(
    st.dictionaries(_NAMES, st.one_of(st.integers(0, 2**32 - 1), st.text(max_size=9))), st.data()
)
def test_whatever_is_changed_in_a_right_gguf(values: dict[str, Any], more: st.DataObject) -> None:
    right = gguf(values, {"t": [2, 3]})
    assert read("gguf", right)["total"] == 6
    at = more.draw(st.integers(0, len(right) - 1))
    wrong = right[:at] + bytes([more.draw(st.integers(0, 255))]) + right[at + 1 :]
    for data in (wrong, right[:at]):
        try:
            assert read("gguf", data)["total"] >= 0
        except MalformedError:
            continue


class Pieces:
    """A file that counts how much of it was read."""

    def __init__(self, head: bytes, size: int) -> None:
        self.head, self.size, self.taken = head, size, 0

    async def __call__(self) -> AsyncIterator[bytes]:
        while self.taken < self.size:
            piece = self.head[self.taken : self.taken + 65536] or bytes(65536)
            self.taken += len(piece)
            yield piece
            await asyncio.sleep(0)


async def test_no_more_than_the_head_is_read() -> None:
    shape = [250_000_000]
    head = safetensors({"a": ("F32", shape)}, data=False)
    size = len(head) + 1_000_000_000
    pieces = Pieces(head, size)
    found = await models.parsed("safetensors", size, pieces())
    assert found == {"parameters": {"F32": 250_000_000}, "total": 250_000_000}
    assert pieces.taken < 2_000_000


async def test_a_greedy_head_ends_with_its_process() -> None:
    head = (
        b"{"
        + b",".join(
            json.dumps(str(n)).encode() + b':{"dtype":"F32","shape":[],"data_offsets":[0,0]}'
            for n in range(1_200_000)
        )
        + b"}"
    )
    pieces = Pieces(struct.pack("<Q", len(head)) + head, len(head) + 8)
    found = await models.parsed("safetensors", len(head) + 8, pieces())
    assert found is not None
    assert "malformed" in found
