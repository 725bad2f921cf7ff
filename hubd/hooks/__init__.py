"""The one gate for ref updates: the program git runs, its channel, the checks, the record."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

HOOKS = ("pre-receive", "post-receive")


def install_hooks(folder: Path) -> Path:
    """Write the program that git runs, under each hook's name; returns the folder. Blocking.

    A copy of our own, since an installed package may have lost the executable bit.
    """
    program = files("hubd.hooks").joinpath("program.sh").read_bytes()
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    for name in HOOKS:
        temporary = folder / f".{name}.tmp"
        temporary.write_bytes(program)
        temporary.chmod(0o555)
        temporary.rename(folder / name)
    return folder
