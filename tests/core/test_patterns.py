"""gitignore and gitattributes, compared with what git says."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hubd.core.patterns import ignore_rules, is_ignored, large_rules
from tests.hubproc import git

IGNORE = """# comment
*.log
!keep.log
/root.txt
build/
docs/*.tmp
**/deep/x
a/**/z
\\#hash
[ab]c.txt
[!q]uit
name with space
foo/**
"""
PATHS = [
    "x.log",
    "d/x.log",
    "keep.log",
    "d/keep.log",
    "root.txt",
    "d/root.txt",
    "build/a",
    "d/build/a/b",
    "buildx/a",
    "docs/a.tmp",
    "docs/d/a.tmp",
    "deep/x",
    "q/deep/x",
    "a/z",
    "a/b/c/z",
    "a/zz",
    "#hash",
    "ac.txt",
    "cc.txt",
    "quit",
    "suit",
    "name with space",
    "foo/bar/baz",
    "other",
]
ATTRIBUTES = """*.bin filter=lfs diff=lfs merge=lfs -text
saved_model/**/* filter=lfs
*tfevents* filter=lfs
/only.txt filter=lfs
"with space.x" filter=lfs
two[[:space:]]words.y filter=lfs
small.bin -filter
sub/*.q filter=lfs
*.lfs.* filter=lfs
esc\\[1\\].txt filter=lfs
"""
FILES = [
    "a.bin",
    "d/a.bin",
    "small.bin",
    "d/small.bin",
    "saved_model/x",
    "saved_model/a/b/x",
    "events.out.tfevents.1",
    "only.txt",
    "d/only.txt",
    "with space.x",
    "two words.y",
    "sub/a.q",
    "d/sub/a.q",
    "a.lfs.b",
    "esc[1].txt",
    "plain.txt",
]


@pytest.mark.parametrize("path", PATHS)
def test_ignored_as_git_ignores(tmp_path: Path, path: str) -> None:
    git("init", "-q", tmp_path)
    (tmp_path / ".gitignore").write_text(IGNORE)
    said = git("check-ignore", "-q", "--no-index", path, cwd=tmp_path, check=False)
    assert is_ignored(ignore_rules(IGNORE), path) == (said.returncode == 0)


@pytest.mark.parametrize("path", FILES)
def test_large_as_git_says(tmp_path: Path, path: str) -> None:
    git("init", "-q", tmp_path)
    (tmp_path / ".gitattributes").write_text(ATTRIBUTES)
    said = git("check-attr", "filter", "--", path, cwd=tmp_path).stdout.decode().strip()
    assert bool(large_rules(ATTRIBUTES).value_of(path)) == said.endswith(": lfs")


def test_hostile_patterns_end() -> None:
    text = "\n".join(["*a" * 200 + "b", "/".join(["**", "*a*"] * 60) + "/b", "[" * 400, "\\"])
    rules = ignore_rules(text)
    started = time.monotonic()
    assert not is_ignored(rules, "/".join(["a" * 200] * 20))
    assert time.monotonic() - started < 20
