"""Reviews of pull requests: comments on lines of their difference, and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubd.core import discussions, pulls, repos
from hubd.core.browse import Diff
from hubd.core.context import Core
from hubd.core.pulls import Changes
from hubd.errors import Conflict, Denied, HubError, Invalid
from hubd.git import diff as git_diff
from hubd.store import discussions as table
from hubd.store.discussions import Event
from hubd.types import Actor, RepoAction, RepoRef

SIDES = ("old", "new")
VERDICTS = ("approve", "request_changes")
# Comments made at so many different commits are looked for in the present difference.
_MAX_COMMITS = 20


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of a difference: ``old`` are those that go, ``new`` those that come or stay."""

    side: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class LineComments:
    """Comments on lines: where they stand in the present difference, and those whose line is gone.

    In the order in which they were made.
    """

    at: dict[Spot, list[Event]]
    outdated: list[Event]


async def comment_line(
    core: Core, actor: Actor, ref: RepoRef, num: int, head: str, spot: Spot, body: str
) -> Event:
    """Say something about a line that the difference up to ``head`` shows.

    Raises ``Conflict`` if the pull request has other commits by now.
    """
    found, pull = await discussions.look(core, actor, ref, num, RepoAction.DISCUSS)
    discussions.require_voice(found, pull)
    body = discussions.check_body(body)
    changes = await pulls.changes(core, actor, ref, num)
    _require_present(head, changes.head_oid)
    if spot not in shown(changes.diff):
        raise Invalid("This line is not part of the difference.")
    commit = changes.head_oid if spot.side == "new" else changes.merge_base
    data = {"side": spot.side, "path": spot.path, "line": spot.line, "commit": commit}
    return await discussions.record(core, actor, pull, table.COMMENT, body=body, data=data)


async def review(
    core: Core, actor: Actor, ref: RepoRef, num: int, verdict: str, head: str, body: str = ""
) -> Event:
    """Approve the commits up to ``head``, or ask for changes; a later verdict takes its place."""
    if verdict not in VERDICTS:
        raise Invalid("A verdict is approve or request_changes.")
    found, pull = await discussions.look(core, actor, ref, num, RepoAction.DISCUSS)
    repos.require_files(core, found)
    discussions.require_voice(found, pull)
    body = discussions.check_body(body, may_be_empty=verdict == "approve")
    base, present = await pulls.tips(core, found, pull)
    if not pull.is_live:
        raise Conflict(f"This pull request is {pull.status}.")
    if pull.author_id == actor.user_id:
        raise Denied("Nobody judges a pull request of their own.", hint="Ask somebody else.")
    if present == base:
        raise Conflict("This pull request has no commits.")
    _require_present(head, present)
    data = {"verdict": verdict, "commit": present}
    return await discussions.record(core, actor, pull, table.REVIEW, body=body, data=data)


def _require_present(head: str, present: str) -> None:
    if head != present:
        raise Conflict(
            "The pull request has other commits by now.", hint="Look at its changes again."
        )


def shown(diff: Diff) -> set[Spot]:
    """The lines of a difference that can be commented on."""
    return {
        Spot("new", file.new_path, line.new_no)
        if line.new_no is not None
        else Spot("old", file.old_path, line.old_no or 0)
        for file in diff.files
        for hunk in file.hunks
        for line in hunk.lines
    }


async def line_comments(
    core: Core, actor: Actor, ref: RepoRef, num: int, changes: Changes
) -> LineComments:
    """Comments on lines, each where its line stands in these changes; hidden ones are left out."""
    found, _, story = await discussions.show(core, actor, ref, num)
    repos.require_files(core, found)
    said = [event for event in story if "line" in event.data and not event.hidden]
    ends = {"old": changes.merge_base, "new": changes.head_oid}
    steps = list(dict.fromkeys((str(e.data["commit"]), ends[e.data["side"]]) for e in said))
    diffs = {step: await _between(core, found, *step) for step in reversed(steps[-_MAX_COMMITS:])}
    present, placed = shown(changes.diff), LineComments({}, [])
    for event in said:
        data = event.data
        diff = diffs.get((data["commit"], ends[data["side"]]))
        spot = carried(diff, Spot(data["side"], data["path"], data["line"])) if diff else None
        if spot in present and spot is not None:
            placed.at.setdefault(spot, []).append(event)
        else:
            placed.outdated.append(event)
    return placed


_SAME = Diff([], 0, 0, 0, truncated=False)


async def _between(core: Core, found: repos.Found, old: str, new: str | None) -> Diff | None:
    """What changed since a comment was made; None where its commit is gone."""
    if old == new:
        return _SAME
    try:
        return await git_diff.diff(core.git, found.path, old, new) if new else None
    except HubError:
        return None


def carried(diff: Diff, spot: Spot) -> Spot | None:
    """Where a line of the old side stands on the new one; None if it changed or is not known."""
    touched = [f for f in diff.files if f.old_path == spot.path and f.status != "added"]
    if not touched:
        return None if diff.truncated else spot
    file = touched[0]
    if file.status == "deleted" or file.binary or file.truncated:
        return None
    shift = 0
    for line in (line for hunk in file.hunks for line in hunk.lines):
        if line.old_no is not None and line.old_no >= spot.line:
            if line.old_no == spot.line and line.new_no is None:
                return None
            break
        shift += (line.old_no is None) - (line.new_no is None)
    return Spot(spot.side, file.new_path, spot.line + shift)


def verdicts(story: Sequence[Event]) -> dict[str, Event]:
    """The last verdict of each person."""
    return {event.author: event for event in story if event.kind == table.REVIEW}
