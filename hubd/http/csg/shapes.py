"""The answers of CSGHub's API as typed structs (csghub-server, ``common/types``)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hubd.core.browse import CommitInfo, Diff
from hubd.core.entries import Entry
from hubd.core.listing import Change
from hubd.http.api.shapes import readable
from hubd.http.hf.shapes import when


class Shape(msgspec.Struct, kw_only=True, frozen=True):
    """What the hub answers."""


class FilePlan(Shape, frozen=True, kw_only=True, rename="camel"):
    """How a file is to be sent; ``oid`` is what is there now, empty for nothing."""

    path: str
    upload_mode: str
    should_ignore: bool
    is_dir: bool = False
    oid: str


class CommitId(Shape, frozen=True, kw_only=True):
    """The commit that a ref leads to."""

    id: str


class Ref(Shape, frozen=True, kw_only=True):
    """A branch or tag."""

    name: str
    message: str = ""
    commit: CommitId


class Commit(Shape, frozen=True, kw_only=True):
    """A commit; dates are ISO 8601 in UTC."""

    id: str
    message: str
    created_at: str
    author_name: str
    author_email: str
    authored_date: str
    committer_name: str
    committer_email: str
    committer_date: str


class Tag(Shape, frozen=True, kw_only=True):
    """A tag and its kind."""

    name: str
    category: str = ""
    group: str = ""
    built_in: bool = False


class CloneUrls(Shape, frozen=True, kw_only=True):
    """Where git finds a repository."""

    http_clone_url: str
    ssh_clone_url: str


class Owner(Shape, frozen=True, kw_only=True, rename="pascal"):
    """Whose a repository is."""

    path: str


class RepoShown(Shape, frozen=True, kw_only=True):
    """A repository."""

    id: int
    repository_id: int
    name: str
    nickname: str
    path: str
    description: str
    private: bool
    visibility: str
    default_branch: str
    likes: int
    downloads: int = 0
    license: str
    tags: list[Tag]
    repository: CloneUrls
    namespace: Owner
    source: str = "local"
    created_at: str
    updated_at: str


class File(Shape, frozen=True, kw_only=True):
    """A file or folder; ``size`` in bytes is that of the real file, also of a large one.

    ``content`` is base64, given for a single file that Git has.
    """

    name: str
    path: str
    type: str
    mode: str
    size: int
    sha: str
    lfs: bool
    lfs_relative_path: str
    commit: Commit | None
    content: str = ""


class Tree(Shape, frozen=True, kw_only=True, rename="pascal"):
    """A part of a folder, and the mark of the next part; empty at the end."""

    files: list[File]
    cursor: str


class LastCommit(Commit, frozen=True, kw_only=True):
    """The last commit that touched an entry of a folder."""

    name: str
    path: str


class LastCommits(Shape, frozen=True, kw_only=True, rename="pascal"):
    """Those of a part of a folder, and the mark of the next part; empty at the end."""

    commits: list[LastCommit]
    cursor: str


class Changed(Shape, frozen=True, kw_only=True):
    """The paths that a difference adds, removes and changes."""

    added: list[str]
    removed: list[str]
    modified: list[str]


class Stats(Shape, frozen=True, kw_only=True):
    """How many lines a commit changes."""

    total: int
    additions: int
    deletions: int


class CommitDetails(Commit, frozen=True, kw_only=True):
    """A commit with what it changes."""

    parents: list[str]
    files: list[str]
    stats: Stats


class UserShown(Shape, frozen=True, kw_only=True):
    """A user; the address for mail is shown to themselves alone."""

    id: int
    username: str
    nickname: str
    email: str = ""
    created_at: str


class Org(Shape, frozen=True, kw_only=True):
    """An organization: CSGHub calls its unique name ``path``."""

    path: str
    name: str
    role: str = ""


class Member(Shape, frozen=True, kw_only=True):
    """Somebody in an organization."""

    username: str
    nickname: str
    role: str


class Token(Shape, frozen=True, kw_only=True):
    """An access token; ``token`` is its secret, shown when it is made."""

    token: str = ""
    token_name: str
    application: str = "git"
    permission: str
    user_name: str
    created_at: str
    expire_at: str | None


class SshKey(Shape, frozen=True, kw_only=True):
    """A key of a user."""

    id: int
    name: str
    title: str
    content: str
    fingerprint: str
    username: str


class Resource(Shape, frozen=True, kw_only=True):
    """Hardware for Spaces."""

    id: int
    name: str
    resources: str = "{}"
    is_available: bool


def commit(info: CommitInfo) -> Commit:
    """A commit as CSGHub shows it."""
    return Commit(**_facts(info))


def commit_details(info: CommitInfo, diff: Diff) -> CommitDetails:
    """A commit with what it changes."""
    total = diff.additions + diff.deletions
    return CommitDetails(
        parents=list(info.parents),
        files=[readable(file.new_path or file.old_path) for file in diff.files],
        stats=Stats(total=total, additions=diff.additions, deletions=diff.deletions),
        **_facts(info),
    )


def last_commits(tree: Tree) -> LastCommits:
    """The commits of a part of a folder."""
    found = [
        LastCommit(name=one.name, path=one.path, **msgspec.structs.asdict(one.commit))
        for one in tree.files
        if one.commit is not None
    ]
    return LastCommits(commits=found, cursor=tree.cursor)


def changed(changes: Sequence[Change]) -> Changed:
    """A difference by paths."""
    return Changed(
        added=[readable(one.path) for one in changes if one.old is None],
        removed=[readable(one.path) for one in changes if one.new is None],
        modified=[readable(one.path) for one in changes if one.old and one.new],
    )


def _facts(info: CommitInfo) -> dict[str, str]:
    return {
        "id": info.oid,
        "message": f"{info.subject}\n\n{info.body}".strip(),
        "created_at": when(info.committer.time),
        "author_name": info.author.name,
        "author_email": info.author.email,
        "authored_date": when(info.author.time),
        "committer_name": info.committer.name,
        "committer_email": info.committer.email,
        "committer_date": when(info.committer.time),
    }


def file(entry: Entry, content: str = "") -> File:
    """An entry of a folder as CSGHub shows it."""
    return File(
        name=readable(entry.name),
        path=readable(entry.path),
        type="dir" if entry.is_folder else "file",
        mode=f"{entry.mode:06o}",
        size=entry.size or 0,
        sha=entry.oid,
        lfs=entry.lfs is not None,
        lfs_relative_path=entry.lfs.oid if entry.lfs is not None else "",
        commit=commit(entry.last) if entry.last is not None else None,
        content=content,
    )
