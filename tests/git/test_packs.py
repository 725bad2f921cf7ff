"""What a small push's pack tells without a child."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hubd.git.packs import few_objects


def _git(repo: Path, *args: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(repo), "GIT_CONFIG_NOSYSTEM": "1"}
    people = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    done = subprocess.run(
        ["git", *people, *args], cwd=repo, env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_the_ids_of_one_pack_are_all_there(tmp_path: Path, object_format: str) -> None:
    _git(tmp_path, "init", "-q", f"--object-format={object_format}")
    for number in range(5):
        (tmp_path / f"f{number}").write_text(str(number))
        _git(tmp_path, "add", ".")
        _git(tmp_path, "commit", "-qm", str(number))
    objects = tmp_path / ".git" / "objects"
    assert few_objects(objects, object_format, 100) is None, "loose objects"
    _git(tmp_path, "repack", "-adq")
    (objects / "info" / "packs").unlink()
    (objects / "info").rmdir()
    listed = _git(tmp_path, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    assert few_objects(objects, object_format, 100) == listed.split()
    assert few_objects(objects, object_format, 15) == listed.split()
    assert few_objects(objects, object_format, 14) is None, "more than were asked for"
    (objects / "pack" / "second.idx").write_bytes(b"\xfftOc\0\0\0\2")
    assert few_objects(objects, object_format, 100) is None, "two packs"
