"""What happened, in the shape that the Hub's webhooks tell it (its ReportV3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubd.core.context import Core
from hubd.core.rows import row_id
from hubd.errors import HubError
from hubd.store import discussions, events
from hubd.store.discussions import Discussion
from hubd.store.engine import Connection
from hubd.store.events import Event
from hubd.store.repos import Repo
from hubd.types import RepoType, Visibility

# The longest text of a comment that is sent along.
_MAX_TEXT = 65_536


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell: what was done (``action``) to what (``scope``), and the facts."""

    repo_id: int
    namespace_id: int
    action: str
    scope: str
    payload: dict[str, Any]

    @property
    def domain(self) -> str:
        """``repo`` or ``discussion``: what webhooks choose from."""
        return self.scope.partition(".")[0]


_KINDS = {
    events.REF_UPDATED: ("update", "repo.content"),
    events.REPO_CREATED: ("create", "repo"),
    events.REPO_DELETED: ("delete", "repo"),
    events.REPO_MOVED: ("move", "repo"),
    events.REPO_CHANGED: ("update", "repo.config"),
    events.DISCUSSION_CREATED: ("create", "discussion"),
    events.DISCUSSION_CHANGED: ("update", "discussion"),
    events.COMMENT_CREATED: ("create", "discussion.comment"),
    events.COMMENT_CHANGED: ("update", "discussion.comment"),
}


def together(found: Sequence[Event]) -> list[list[Event]]:
    """The events, those of one push together."""
    groups: list[list[Event]] = []
    for event in found:
        last = groups[-1][0] if groups else None
        if last is not None and event.push_id is not None and event.push_id == last.push_id:
            groups[-1].append(event)
        else:
            groups.append([event])
    return groups


async def tell(core: Core, repo: Repo, group: Sequence[Event]) -> Happening:
    """What one group of events tells of its repository."""
    first = group[0]
    action, scope = _KINDS[first.kind]
    payload: dict[str, Any] = {
        "event": {"action": action, "scope": scope},
        "repo": await _repo(core, repo),
    }
    if first.kind == events.REF_UPDATED:
        payload["updatedRefs"] = [_moved_ref(event) for event in group]
    if first.kind == events.REPO_MOVED:
        payload["movedTo"] = {"name": repo.ref.repo_id, "owner": {"id": row_id(repo.namespace_id)}}
        payload["repo"]["name"] = first.payload["from"]
        payload["repo"]["owner"] = {"id": row_id(int(first.payload["from_owner"]))}
    if "discussion" in first.payload:
        async with core.store.read() as conn:
            await _add_discussion(core, conn, repo, first, payload)
    return Happening(repo.id, repo.namespace_id, action, scope, payload)


async def _repo(core: Core, repo: Repo) -> dict[str, Any]:
    try:
        refs = await core.refs.get(core.path_of(repo.id))
        head = refs.oid_of(f"refs/heads/{repo.default_branch}")
    except (HubError, OSError):
        # It may have no directory yet, or none any more.
        head = None
    kind = repo.type.value
    shown: dict[str, Any] = {
        "type": kind,
        "name": repo.ref.repo_id,
        "id": row_id(repo.id),
        "private": repo.visibility is not Visibility.PUBLIC,
        "owner": {"id": row_id(repo.namespace_id)},
        "url": {"web": f"{core.origin}/{repo.ref.path}"},
    }
    if repo.type is not RepoType.CODE:
        shown["url"]["api"] = f"{core.origin}/api/{kind}s/{repo.ref.repo_id}"
    return shown | ({"headSha": head} if head else {})


def _moved_ref(event: Event) -> dict[str, Any]:
    old, new = str(event.payload["old"]), str(event.payload["new"])
    return {"ref": event.ref, "oldSha": _oid(old), "newSha": _oid(new)}


def _oid(oid: str) -> str | None:
    return oid if oid.strip("0") else None


async def _add_discussion(
    core: Core, conn: Connection, repo: Repo, event: Event, payload: dict[str, Any]
) -> None:
    found = await discussions.by_id(conn, int(event.payload["discussion"]))
    if found is None:
        return
    payload["discussion"] = _discussion(core, repo, found)
    if "comment" not in event.payload:
        return
    comment = await discussions.event(conn, found.id, int(event.payload["comment"]))
    if comment is not None:
        payload["comment"] = {
            "id": row_id(comment.id),
            "author": {"id": row_id(comment.author_id)},
            "content": None if comment.hidden else comment.body[:_MAX_TEXT],
            "hidden": comment.hidden,
            "url": payload["discussion"]["url"],
        }


def _discussion(core: Core, repo: Repo, one: Discussion) -> dict[str, Any]:
    web = f"{core.origin}/{repo.ref.path}/discussions/{one.num}"
    shown: dict[str, Any] = {
        "id": row_id(one.id),
        "num": one.num,
        "title": one.title,
        "status": one.status,
        "isPullRequest": one.is_pull,
        "pinned": one.pinned,
        "author": {"id": row_id(one.author_id)},
        "url": {
            "web": web,
            "api": f"{core.origin}/api/{repo.type}s/{repo.ref.repo_id}/discussions/{one.num}",
        },
    }
    if one.is_pull:
        shown["changes"] = {"base": one.base}
        if one.merge_oid:
            shown["changes"]["mergeCommitId"] = one.merge_oid
    return shown
