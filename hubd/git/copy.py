"""The history that some refs reach, as one pack: what another repository may get of this one."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hubd.errors import Unavailable
from hubd.git.process import Git
from hubd.git.write import Pack


async def pack_of(git: Git, path: Path, oids: Iterable[str]) -> Pack:
    """All that these objects reach, and nothing else; close it, or use ``with``."""
    git.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = await asyncio.to_thread(
        lambda: tempfile.TemporaryFile(dir=git.scratch)  # noqa: SIM115 - the pack owns it
    )
    try:
        child = await git.start(
            path,
            "pack-objects",
            "--revs",
            "--stdout",
            "--delta-base-offset",
            "--quiet",
            stdout_fd=file.fileno(),
        )
        try:
            await child.write("".join(f"{oid}\n" for oid in oids).encode())
            child.close_stdin()
            code = await child.wait()
        finally:
            await asyncio.shield(child.kill(0))
        if code != 0:
            raise Unavailable(
                "The history could not be copied.", details={"stderr": child.error_text}
            )
        size = os.fstat(file.fileno()).st_size
    except BaseException:
        file.close()
        raise
    return Pack(file, "", "", size, 0, unchanged=False)
