"""What the heads of model files say: safetensors and GGUF, read strictly and within bounds.

Run as a program it reads a file's first bytes from standard input, no more than it needs, and
prints its findings as JSON; a head may take a second to parse and must not do so in the daemon.
Imports nothing of hubd. Arguments: the kind, the size of the whole file in bytes, and how many of
its tensors to list.

Formats: the README of safetensors, ``docs/gguf.md`` of ggml.
"""

from __future__ import annotations

import math
import resource
import struct
import sys
from collections.abc import Callable
from typing import Any

import msgspec

KINDS = ("safetensors", "gguf")
# The limit of the safetensors library itself; a GGUF head has the vocabulary in it.
MAX_HEAD = 100_000_000
_MAX_TENSORS = 1_000_000
_MAX_VALUES = 100_000
_MAX_TEXT = 65_535
MAX_KEPT = 1_000_000
_MAX_DIMENSIONS = 8
_MAX_SIDES = 64
_MAX_DEPTH = 4
_MEMORY = 2 * 1024**3
_SECONDS = 20
_PIECE = 1024 * 1024
_BITS = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}
# GGUF's types of values by number, as struct reads them; 8 is text, 9 a list.
_NUMBERS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
# GGUF's types of tensors by number.
_QUANT_NAMES = """
    F32 F16 Q4_0 Q4_1 - - Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS IQ3_XXS
    IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16
"""
_QUANTS = dict(enumerate(_QUANT_NAMES.split())) | {34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}
# What is listed of a name, in characters.
_NAME = 300
# A tensor's name, type and shape, the outermost dimension first.
Tensor = tuple[str, str, list[int]]
Read = Callable[[int], bytes]


class MalformedError(Exception):
    """The file is not what its name says; the text says why."""


class _Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class Head:
    """The first bytes of a file, handed out once and up to the limit."""

    def __init__(self, read: Read, size: int) -> None:
        self._read = read
        self._left = min(size, MAX_HEAD + 8)
        self.size = size

    def take(self, count: int) -> bytes:
        """Exactly so many bytes; raises ``MalformedError`` where there are not that many."""
        if count > self._left:
            raise MalformedError("its head is longer than the file or the limit")
        self._left -= count
        pieces = []
        while count:
            piece = self._read(min(count, _PIECE))
            if not piece:
                raise MalformedError("it ends within its head")
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Pass over so many bytes without keeping them."""
        while count:
            count -= len(self.take(min(count, _PIECE)))

    def unpack(self, layout: str) -> Any:
        """One little-endian number."""
        return struct.unpack(f"<{layout}", self.take(struct.calcsize(f"<{layout}")))[0]


def facts(kind: str, head: Head, most: int = 0) -> dict[str, Any]:
    """What a head says; raises ``MalformedError``.

    With ``most`` also ``tensors``, so many of the file's, and ``count``, how many it has.
    """
    tensors: list[Tensor] = []
    found = (safetensors if kind == "safetensors" else gguf)(head, tensors)
    if not most:
        return found
    listed = sorted(tensors, key=_in_order)[:most]
    return found | {"tensors": listed, "count": len(tensors)}


def _in_order(tensor: Tensor) -> list[tuple[int, str]]:
    """Layer 2 comes before layer 10."""
    parts = tensor[0].split(".")
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def safetensors(head: Head, listed: list[Tensor]) -> dict[str, Any]:
    """``{"parameters": {dtype: count}, "total": count}``; its tensors go to ``listed``."""
    length = head.unpack("Q")
    if length > MAX_HEAD:
        raise MalformedError(f"its head is longer than {MAX_HEAD} bytes")
    try:
        found = msgspec.json.decode(head.take(length), type=dict[str, msgspec.Raw])
        found.pop("__metadata__", None)
        if len(found) > _MAX_TENSORS:
            raise MalformedError("it has too many tensors")
        decoder = msgspec.json.Decoder(_Tensor)
        tensors = [decoder.decode(raw) for raw in found.values()]
        listed += [(n[:_NAME], t.dtype, t.shape) for n, t in zip(found, tensors, strict=True)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedError("its head is not that of safetensors") from None
    parameters: dict[str, int] = {}
    for tensor in tensors:
        parameters[tensor.dtype] = parameters.get(tensor.dtype, 0) + _count(tensor.shape)
    _require_whole(tensors, head.size - 8 - length)
    return {"parameters": parameters, "total": sum(parameters.values())}


def _count(shape: list[int]) -> int:
    if len(shape) > _MAX_SIDES or any(not 0 <= side < 2**63 for side in shape):
        raise MalformedError("a tensor has an impossible shape")
    count = math.prod(shape)
    if count >= 2**63:
        raise MalformedError("a tensor has an impossible shape")
    return count


def _require_whole(tensors: list[_Tensor], size: int) -> None:
    """The tensors lie one after the other and fill the file, as the format demands."""
    at = 0
    for tensor in sorted(tensors, key=lambda tensor: tensor.data_offsets):
        start, end = tensor.data_offsets
        bits = _BITS.get(tensor.dtype)
        if bits is None:
            raise MalformedError("a tensor has an unknown type")
        if start != at or (end - start) * 8 != _count(tensor.shape) * bits:
            raise MalformedError("a tensor's place does not fit its shape")
        at = end
    if at != size:
        raise MalformedError("the file is not as long as its tensors")


def gguf(head: Head, listed: list[Tensor]) -> dict[str, Any]:
    """``{"total": parameters}`` and, where told, architecture, context_length, chat_template.

    Its tensors go to ``listed``.
    """
    if head.take(4) != b"GGUF" or head.unpack("I") not in {2, 3}:
        raise MalformedError("it is no GGUF of version 2 or 3")
    tensors, values = head.unpack("Q"), head.unpack("Q")
    if tensors > _MAX_TENSORS or values > _MAX_VALUES:
        raise MalformedError("it has too many tensors or values")
    known: dict[str, Any] = {}
    for _ in range(values):
        name, kind = _text(head, _MAX_TEXT), head.unpack("I")
        wanted = name in {"general.architecture", "tokenizer.chat_template"}
        if wanted or name.endswith(".context_length"):
            known[name] = _value(head, kind)
        else:
            _pass(head, kind)
    listed += [_gguf_tensor(head) for _ in range(tensors)]
    total = sum(math.prod(shape) for _, _, shape in listed)
    architecture = known.get("general.architecture")
    found = {
        "total": total,
        "architecture": architecture,
        "context_length": known.get(f"{architecture}.context_length"),
        "chat_template": known.get("tokenizer.chat_template"),
    }
    kinds = {"context_length": int, "total": int}
    return {name: value for name, value in found.items() if type(value) is kinds.get(name, str)}


def _text(head: Head, most: int) -> str:
    length = head.unpack("Q")
    if length > most:
        raise MalformedError("a text in it is too long")
    return head.take(length).decode("utf-8", "replace").replace("\0", "")


def _value(head: Head, kind: int) -> Any:
    if kind == _TEXT:
        return _text(head, MAX_KEPT)
    if kind in _NUMBERS:
        return head.unpack(_NUMBERS[kind])
    _pass(head, kind)
    return None


def _pass(head: Head, kind: int, depth: int = 0) -> None:
    """Go on behind a value."""
    if kind in _NUMBERS:
        head.skip(struct.calcsize(_NUMBERS[kind]))
    elif kind == _TEXT:
        head.skip(head.unpack("Q"))
    elif kind == _LIST and depth < _MAX_DEPTH:
        inner, count = head.unpack("I"), head.unpack("Q")
        if inner in _NUMBERS:
            head.skip(count * struct.calcsize(_NUMBERS[inner]))
            return
        # Each takes bytes of the head, which ends: a list of empty lists cannot go on for ever.
        for _ in range(count):
            _pass(head, inner, depth + 1)
    else:
        raise MalformedError("a value in it has an unknown type")


def _gguf_tensor(head: Head) -> Tensor:
    """The next tensor; the file has its innermost dimension first."""
    name = _text(head, _MAX_TEXT)[:_NAME]
    sides = _checked(head.unpack("I"), _MAX_DIMENSIONS)
    shape = [head.unpack("Q") for _ in range(sides)][::-1]
    _count(shape)
    kind = head.unpack("I")
    if head.unpack("Q") > head.size:
        raise MalformedError("a tensor lies beyond the end of the file")
    return name, _QUANTS.get(kind, f"type {kind}"), shape


def _checked(number: int, most: int) -> int:
    if number > most:
        raise MalformedError("a tensor in it is malformed")
    return number


def main() -> None:
    """Read a head, print what it says or ``{"malformed": reason}``."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    kind, size, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        answer = facts(kind, Head(sys.stdin.buffer.read, size), most)
    except MalformedError as error:
        answer = {"malformed": str(error)}
    except MemoryError:
        answer = {"malformed": "its head needs too much memory"}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
