"""T31: no value of a client ever stands where git looks for options."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from hubd import app
from hubd.config import Config
from hubd.core import accounts, browse, commits, repos
from hubd.core.context import Core
from hubd.errors import HubError
from hubd.git import argv
from hubd.types import Actor, ActorKind, Channel, RepoRef, RepoType, Scope

REF = RepoRef(RepoType.MODEL, "ann", "first")
HOSTILE = [
    "--output=evil",
    "--upload-pack=evil",
    "--exec=evil",
    "--git-dir=evil",
    "-oProxyCommand=evil",
    "-c",
    "--",
    "--all",
    "--end-of-options",
    "evil;touch evil",
    "$(touch evil)",
    ":(glob)*",
    "@{-1}",
]
_SEPARATORS = {"--", "--end-of-options"}

# Writes its words down, each ended by NUL and the line by an empty one, and is git.
_RECORDER = """#!/bin/sh
printf '%s\\0' "$@" '' >>'{log}'
exec '{git}' "$@"
"""


@pytest.fixture
async def recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Core, Path]]:
    """A hub whose git tells what it was started with."""
    log, real = tmp_path / "argv", shutil.which("git")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(_RECORDER.format(log=log, git=real))
    (folder / "git").chmod(0o755)
    monkeypatch.setitem(argv.ENVIRONMENT, "PATH", f"{folder}:{argv.ENVIRONMENT['PATH']}")
    monkeypatch.chdir(tmp_path)
    core = await app.build(Config(data_dir=str(tmp_path / "data")))
    try:
        yield core, log
    finally:
        await app.dismantle(core)


def lines(log: Path) -> list[list[str]]:
    """The command lines so far."""
    whole = log.read_bytes().decode("utf-8", "surrogateescape")
    return [line.split("\0") for line in whole.split("\0\0") if line]


async def _all(core: Core, ann: Actor, value: str) -> None:
    """Give a value to everything that takes a revision, a path or a name."""
    main = await browse.at(core, ann, REF, "main")
    asked: list[Awaitable[object]] = [
        browse.at(core, ann, REF, value),
        browse.split_revision(core, ann, REF, f"{value}/README.md"),
        browse.tree(core, main, value, with_commits=True),
        browse.blob(core, main, value),
        browse.commits(core, main, value),
        browse.commit(core, ann, REF, value),
        browse.compare(core, ann, REF, value, "main"),
        browse.compare(core, ann, REF, "main", value),
        commits.create_ref(core, ann, REF, f"refs/heads/{value}", main.commit),
        commits.create_ref(core, ann, REF, value, main.commit),
        commits.delete_ref(core, ann, REF, value),
        commits.commit(core, ann, REF, [commits.AddFile(f"d/{value}/f", b"x\n")], value),
        commits.commit(core, ann, REF, [commits.AddFile(value, b"x\n")], "m", branch=value),
    ]
    for one in asked:
        with contextlib.suppress(HubError):
            await one


async def test_T31_what_git_is_started_with(recorded: tuple[Core, Path], tmp_path: Path) -> None:
    core, log = recorded
    user = await accounts.add_user(core, Actor.system(), "ann")
    ann = Actor(
        kind=ActorKind.USER, user_id=user.id, name="ann", scope=Scope.ADMIN, channel=Channel.API
    )
    await repos.create(core, ann, REF)
    await commits.commit(core, ann, REF, [commits.AddFile("README.md", b"# Hi\n")], "First")
    # A file of such a name, too, so that it comes as far as a name can.
    await commits.commit(core, ann, REF, [commits.AddFile("--output=evil", b"x\n")], "Second")
    at = await browse.at(core, ann, REF, "main")
    assert [info.subject for info in await browse.commits(core, at, "--output=evil")] == ["Second"]
    start = len(lines(log))
    for value in HOSTILE:
        await _all(core, ann, value)
    started = lines(log)
    assert len(started) > start + len(HOSTILE), "git was hardly asked"
    told = [line for line in started if any("evil" in word for word in line)]
    assert any("--output=evil" in line for line in told)
    for line in told:
        command = next(at for at, word in enumerate(line) if word.startswith("--git-dir=/")) + 1
        end = min((line.index(mark) for mark in _SEPARATORS if mark in line), default=len(line))
        assert command < end
        assert not [word for word in line[:end] if word.startswith("-") and "evil" in word], line
    assert not list(tmp_path.rglob("evil"))
    assert not Path("evil").exists()
