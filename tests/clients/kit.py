"""One hub, two ways in, and the proof that a copy is the same repository."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubd import control
from tests.gitkit import SshKey
from tests.hubproc import Hub, git


@dataclass
class Place:
    """A hub with one account, reached over HTTP with its token or over SSH with its key."""

    hub: Hub
    folder: Path
    token: str = ""
    # For git, besides the key.
    more_env: dict[str, str] = field(default_factory=dict)
    key: SshKey = field(init=False)
    # The longest that a command may take.
    seconds: float = 300
    _count: int = 0

    def __post_init__(self) -> None:
        self.key = SshKey.make(self.folder / "key")
        self.ask("user.add", name="ada")
        self.ask("key.add", user="ada", key=self.key.public.read_text())
        self.token = str(self.ask("token.add", user="ada", scope="write"))

    def ask(self, operation: str, **args: object) -> object:
        """An operation of ``hubd admin``."""
        socket = self.hub.data / "run" / "control.sock"
        return asyncio.run(control.ask(socket, operation, args))

    def repo(self, **args: object) -> str:
        """A new, private, empty repository; its name."""
        self._count += 1
        name = f"ada/repo{self._count}"
        self.ask("repo.add", type="model", repo=name, visibility="private", **args)
        return name

    def url(self, way: str, repo: str) -> str:
        """Its address."""
        return self.hub.git_url(repo, self.token) if way == "http" else f"{self.hub.ssh}/{repo}"

    @property
    def env(self) -> Mapping[str, str]:
        """For git."""
        return {**self.key.env, **self.more_env}

    def git(self, *args: str | Path, cwd: Path | None = None, check: bool = True) -> str:
        """A git client of this account; its output."""
        done = git(*args, cwd=cwd, env=self.env, check=check, seconds=self.seconds)
        return (done.stdout if check else done.stderr).decode()

    def fresh(self) -> Path:
        """A path for a new clone."""
        self._count += 1
        return self.folder / f"copy{self._count}"

    def publish(self, way: str, source: Path, **args: object) -> str:
        """Push a whole repository to a new one; its name."""
        repo = self.repo(**args)
        self.git("push", "-q", self.url(way, repo), "refs/*:refs/*", cwd=source)
        return repo

    def clone(self, way: str, repo: str, *options: str) -> Path:
        """A bare clone; raises if git complains."""
        copy = self.fresh()
        self.git("clone", "-q", "--bare", *options, self.url(way, repo), copy)
        return copy


def objects(repo: Path, *what: str) -> str:
    """Every object with its path, in git's order."""
    return git("rev-list", "--objects", *(what or ("--all",)), cwd=repo).stdout.decode()


def refs(repo: Path) -> str:
    """Every ref with what it points to."""
    return git(
        "for-each-ref", "--format=%(objectname) %(*objectname) %(refname)", cwd=repo
    ).stdout.decode()


def assert_same(copy: Path, source: Path) -> None:
    """Refs, objects and every byte of them: the ids are the digests, and fsck verifies these."""
    assert refs(copy) == refs(source)
    assert objects(copy) == objects(source)
    git("fsck", "--full", "--strict", "--no-dangling", cwd=copy)
