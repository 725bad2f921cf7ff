"""A small populated hub: accounts with tokens, an organization, and a repository with history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from tests.apiclient import Api
from tests.hubproc import Hub, git

FULL = "/repos/model/ada/full"


@dataclass(frozen=True)
class World:
    """``root`` administers the hub; ``ada`` owns, ``bob`` is a stranger; ``nobody`` is anonymous.

    ``ada/full`` (public) has three commits on main, a branch ``work``, a tag ``v1``; ``ada/secret``
    is private and has one file; ``lab`` is an organization of ada's.
    """

    hub: Hub
    root: Api
    ada: Api
    bob: Api
    nobody: Api
    work: Path

    def token(self, user: str, scope: str = "admin", **options: object) -> Api:
        """The API with a new token."""
        made = self.root.post(f"/users/{user}/tokens", {"scope": scope, **options})
        assert made.status == 201, made.body
        return Api(self.hub.http, made.json["secret"])

    def user(self, name: str, password: str | None = None) -> Api:
        """The API with a token of a new user."""
        made = self.root.post("/users", {"name": name, "password": password})
        assert made.status == 201, made.body
        return self.token(name)

    def repo(self, name: str, owner: Api | None = None, **options: object) -> str:
        """Make a model repository of ada's, or of another; its address in the API."""
        api = owner or self.ada
        made = api.post("/repos", {"name": name, **options})
        assert made.status == 201, made.body
        return "/repos/{type}/{namespace}/{name}".format_map(made.json)

    def git(self, *args: str) -> str:
        """Run git in the working copy of ``ada/full``."""
        return git(*args, cwd=self.work).stdout.decode().strip()

    @classmethod
    @contextmanager
    def started(cls, folder: Path, **settings: object) -> Iterator[World]:
        """Start and fill it."""
        settings = {"api_rate": "100000/minute", **settings}
        with Hub(folder / "data", env=None, **settings) as hub:
            hub.user("root", "--admin", password="correct horse 1")
            root = Api(hub.http, hub.token("root", "admin"))
            apis = {"root": root}
            for name in ("ada", "bob"):
                person = {"email": f"{name}@example.org", "password": f"correct horse {name}"}
                assert root.post("/users", {"name": name, **person}).status == 201
                made = root.post(f"/users/{name}/tokens", {"scope": "admin"})
                apis[name] = Api(hub.http, made.json["secret"])
            ada = apis["ada"]
            for body in (
                {"name": "full", "description": "A full one"},
                {"name": "secret", "visibility": "private"},
                {"name": "inner", "visibility": "internal", "type": "dataset"},
            ):
                assert ada.post("/repos", body).status == 201
            assert ada.post("/orgs", {"name": "lab"}).status == 201
            work = folder / "work"
            _fill(work, hub.git_url("ada/full", ada.token))
            git("push", "-q", hub.git_url("ada/secret", ada.token), "main", cwd=work)
            yield cls(hub, **apis, nobody=Api(hub.http), work=work)


def _fill(work: Path, url: str) -> None:
    git("init", "-q", "-b", "main", work)
    (work / "README.md").write_text("# Hello\n")
    (work / "data").mkdir()
    for number in range(5):
        (work / "data" / f"{number}.txt").write_text(f"{number}\n")
    (work / "zero.bin").write_bytes(bytes(range(256)) * 8)
    (work / "link").symlink_to("README.md")
    _commit(work, "First")
    git("tag", "-a", "-m", "One", "v1", cwd=work)
    (work / "README.md").write_text("# Hello\n\nthere\n")
    _commit(work, "Second")
    git("branch", "work", cwd=work)
    (work / "data" / "0.txt").write_text("nought\n")
    _commit(work, "Third\n\nWith a body.")
    git("push", "-q", url, "main", "work", "v1", cwd=work)


def _commit(work: Path, message: str) -> None:
    git("add", ".", cwd=work)
    git("commit", "-qm", message, cwd=work)


def public_key() -> str:
    """A new SSH public key, on one line."""
    key = asyncssh.generate_private_key("ssh-ed25519", comment="test")
    return key.export_public_key().decode().strip()
