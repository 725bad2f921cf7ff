"""Cuts files that came whole into Xet's chunks, as clients would: hf_xet does it, in a child.

The package is an extra (``hubd[chunker]``): without it nothing is chunked here.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubd import procs
from hubd.errors import Unavailable

_PROGRAM = Path(__file__).with_name("chunker_child.py")
_NICE = 10
_FOLDER = "xet/xorbs"
_XORB_PREFIX = "default."
_LEAST_SECONDS = 300.0
# What even a slow disk under load gets through.
_BYTES_PER_SECOND = 10_000_000


@dataclass(frozen=True, slots=True)
class Chunked:
    """What the chunker wrote: xorbs by name, and the shards that say what the files are."""

    xorbs: dict[str, Path]
    shards: list[Path]


def is_available() -> bool:
    """Whether the extra is installed."""
    return importlib.util.find_spec("hf_xet") is not None


async def chunk(files: Sequence[Path], folder: Path) -> Chunked:
    """Chunk files into an empty folder; raises ``Unavailable``.

    The folder needs as much room as the files; the caller removes it.
    """
    if not is_available():
        raise Unavailable("The chunker is not installed.", hint="Install hubd[chunker].")
    size = await asyncio.to_thread(lambda: sum(file.stat().st_size for file in files))
    argv = [sys.executable, "-I", "-B", str(_PROGRAM), str(folder), *map(str, files)]
    # Everything it keeps between runs goes with the folder.
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    seconds = _LEAST_SECONDS + size / _BYTES_PER_SECOND
    done = await procs.run(argv, env=env, timeout=seconds, nice=_NICE)
    if done.code:
        text = done.err.decode("utf-8", "replace")[-500:]
        raise Unavailable("A file could not be chunked.", details={"error": text})
    return await asyncio.to_thread(_found, folder / _FOLDER)


def _found(folder: Path) -> Chunked:
    xorbs = {
        file.name.removeprefix(_XORB_PREFIX): file
        for file in (folder / "xorbs").glob(f"{_XORB_PREFIX}*")
        if file.suffix != ".tagset"
    }
    return Chunked(xorbs, sorted((folder / "shards").glob("*.mdb")))
