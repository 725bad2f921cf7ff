"""Addresses of the pages of a repository."""

from __future__ import annotations

from dataclasses import dataclass

from hubd.types import RepoRef, RepoType
from hubd.web.templating import path_quoted

TYPE_WORDS = {
    RepoType.MODEL: "Model",
    RepoType.DATASET: "Dataset",
    RepoType.SPACE: "Space",
    RepoType.CODE: "Code",
}
TYPE_PLURALS = {
    RepoType.MODEL: "Models",
    RepoType.DATASET: "Datasets",
    RepoType.SPACE: "Spaces",
    RepoType.CODE: "Code",
}


@dataclass(frozen=True, slots=True)
class Links:
    """Builds root-relative addresses below one repository's."""

    ref: RepoRef

    @property
    def home(self) -> str:
        """The first page: ``/datasets/ns/name``."""
        return f"/{self.ref.path}"

    def at(self, verb: str, revision: str = "", path: str = "") -> str:
        """``…/tree/REV/PATH``; ``verb`` is tree, blob, raw, commits, commit, branches, settings."""
        parts = [self.home, verb]
        if revision:
            parts.append(path_quoted(revision))
        if path:
            parts.append(path_quoted(path))
        return "/".join(parts)

    def tree(self, revision: str, path: str = "") -> str:
        """A folder at a revision."""
        return self.at("tree", revision, path)

    def blob(self, revision: str, path: str) -> str:
        """A file's page at a revision."""
        return self.at("blob", revision, path)

    def raw(self, revision: str, path: str) -> str:
        """A file's bytes at a revision."""
        return self.at("raw", revision, path)

    def commits(self, revision: str, path: str = "") -> str:
        """The history of a revision, or of a path in it."""
        return self.at("commits", revision, path)

    def commit(self, oid: str) -> str:
        """One commit."""
        return self.at("commit", oid)

    def discussion(self, num: int, part: str = "") -> str:
        """A discussion or pull request; ``part`` is its ``changes``."""
        return self.at("discussions", str(num), part)

    def settings(self, section: str = "") -> str:
        """The settings, or one form of them."""
        return self.at("settings", section)


def clone_lines(origin: str, ssh_url: str, ref: RepoRef) -> dict[str, str]:
    """What goes after ``git clone``, by HTTP and (where it is served) by SSH."""
    found = {"HTTP": f"{origin}/{ref.path}"}
    if ssh_url:
        found["SSH"] = f"{ssh_url.rstrip('/')}/{ref.path}"
    return found
