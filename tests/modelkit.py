"""Model files made by hand: heads as the formats say, and data of zeros."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_BITS = {"F32": 32, "BF16": 16, "I8": 8, "F4": 4}


def safetensors(
    tensors: Mapping[str, tuple[str, Sequence[int]]], *, data: bool = True, **metadata: str
) -> bytes:
    """A file of these tensors, by name: type and shape; ``data=False``: its head alone."""
    head: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    at = 0
    for name, (dtype, shape) in tensors.items():
        end = at + math.prod(shape) * _BITS[dtype] // 8
        head[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at if data else 0)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    return struct.pack("<IIQ", 9, 6, len(value)) + struct.pack(f"<{len(value)}f", *value)


def gguf(values: Mapping[str, Any], tensors: Mapping[str, Sequence[int]]) -> bytes:
    """A file of version 3 with these values and tensors of type F32, all at its beginning."""
    parts = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(values))]
    parts += [_text(name) + _value(value) for name, value in values.items()]
    parts += [
        _text(name) + struct.pack(f"<I{len(sides)}QIQ", len(sides), *sides, 0, 0)
        for name, sides in tensors.items()
    ]
    return b"".join(parts)
