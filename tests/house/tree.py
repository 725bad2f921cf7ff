"""The files of this repository, as the house rules look at them."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def tracked() -> tuple[str, ...]:
    """Every file that git keeps, by its path from the root; a deleted one is left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    return tuple(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def matching(*endings: str, under: str = "") -> list[str]:
    return [path for path in tracked() if path.endswith(endings) and path.startswith(under)]


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def texts() -> Iterator[tuple[str, str]]:
    """Every file that is text, with its text; what others wrote and we carry is left out."""
    for path in tracked():
        if path == "LICENSE" or path.startswith("hubd/web/static/vendor/"):
            continue
        data = (ROOT / path).read_bytes()
        if b"\0" not in data:
            yield path, data.decode("utf-8")


@functools.cache
def parsed(path: str) -> ast.Module:
    return ast.parse(text_of(path), path)


def shell_scripts() -> list[str]:
    """The scripts for /bin/sh, by their name or first line."""
    return [
        path
        for path, text in texts()
        if path.endswith(".sh") or text.partition("\n")[0] in {"#!/bin/sh", "#!/usr/bin/env sh"}
    ]
