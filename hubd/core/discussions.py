"""Discussions: open, comment, rename, close, pin, lock; ``core.pulls`` adds pull requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubd.core import repos
from hubd.core.context import Core
from hubd.core.repos import Found
from hubd.errors import Conflict, Denied, Invalid, NotFound, RepoNotFound
from hubd.store import discussions
from hubd.store.discussions import Discussion, Event
from hubd.store.engine import Connection
from hubd.types import Actor, RepoAction, RepoRef, Role

MAX_TITLE = 300
MAX_BODY = 65_536


async def open_discussion(
    core: Core, actor: Actor, ref: RepoRef, title: str, body: str
) -> Discussion:
    """Start a discussion."""
    found = await repos.find(core, actor, ref, RepoAction.DISCUSS)
    return await start(core, actor, found, title, body, base="")


async def start(
    core: Core, actor: Actor, found: Found, title: str, body: str, *, base: str
) -> Discussion:
    """Record a new discussion, or with a ``base`` a pull request; the caller has judged."""
    title, body = check_title(title), check_body(body, may_be_empty=True)
    author = account(actor)
    return await core.store.write(
        lambda conn: discussions.add(
            conn, repo_id=found.repo.id, title=title, author_id=author, base=base, body=body
        )
    )


async def listing(
    core: Core,
    actor: Actor,
    ref: RepoRef,
    *,
    is_pull: bool | None = None,
    live: bool | None = None,
    author: str = "",
    search: str = "",
    start: int = 0,
    limit: int = 25,
) -> tuple[Sequence[Discussion], int]:
    """Some of a repository's discussions, newest first, and how many there are in all.

    Each word of ``search`` must stand in the title or in one of the comments.
    """
    found = await repos.find(core, actor, ref)
    async with core.store.read() as conn:
        return await discussions.page(
            conn,
            found.repo.id,
            is_pull=is_pull,
            live=live,
            author=author,
            search=search,
            start=start,
            limit=limit,
        )


async def show(
    core: Core, actor: Actor, ref: RepoRef, num: int
) -> tuple[Found, Discussion, Sequence[Event]]:
    """One discussion and all that happened in it."""
    found, discussion = await look(core, actor, ref, num, RepoAction.READ)
    async with core.store.read() as conn:
        return found, discussion, await discussions.story(conn, discussion.id)


async def look(
    core: Core, actor: Actor, ref: RepoRef, num: int, action: RepoAction
) -> tuple[Found, Discussion]:
    """The repository and one of its discussions; raises ``NotFound``."""
    found = await repos.find(core, actor, ref, action)
    async with core.store.read() as conn:
        discussion = await discussions.get(conn, found.repo.id, num)
    if discussion is None:
        raise NotFound(f"There is no discussion {num} here.")
    return found, discussion


async def place(core: Core, discussion_id: int) -> tuple[RepoRef, int]:
    """Where the discussion with this id of the whole hub is: its repository and number there.

    Nothing is judged: who may not see the repository is told by the next call what he is told
    here of an id that is none. Raises ``RepoNotFound``.
    """
    async with core.store.read() as conn:
        discussion = await discussions.by_id(conn, discussion_id)
    if discussion is None:
        raise RepoNotFound("Repository not found.")
    return (await repos.by_id(core, discussion.repo_id)).ref, discussion.num


def comments(events: Sequence[Event]) -> list[Event]:
    """What was said, of all that happened; neither hidden nor empty."""
    return [one for one in events if one.kind == discussions.COMMENT and one.body]


async def comment(core: Core, actor: Actor, ref: RepoRef, num: int, body: str) -> Event:
    """Say something; in a locked discussion only those may who moderate."""
    found, discussion = await look(core, actor, ref, num, RepoAction.DISCUSS)
    require_voice(found, discussion)
    body = check_body(body)
    return await record(core, actor, discussion, discussions.COMMENT, body=body)


async def edit_comment(
    core: Core, actor: Actor, ref: RepoRef, num: int, event_id: int, body: str
) -> Event:
    """Change what one said oneself."""
    _, discussion = await look(core, actor, ref, num, RepoAction.DISCUSS)
    event = await _comment(core, discussion, event_id)
    if event.author_id != actor.user_id:
        raise Denied("Only who wrote a comment can change it.")
    if event.hidden:
        raise Conflict("This comment is hidden.")
    body = check_body(body)
    await core.store.write(lambda conn: discussions.edit(conn, discussion.id, event.id, body))
    return await _comment(core, discussion, event_id)


async def hide_comment(core: Core, actor: Actor, ref: RepoRef, num: int, event_id: int) -> Event:
    """Take a comment out of sight for good: one's own, or as a moderator anybody's."""
    found, discussion = await look(core, actor, ref, num, RepoAction.DISCUSS)
    event = await _comment(core, discussion, event_id)
    _require_own_or_moderator(actor, found, event.author_id, "hide this comment")
    await core.store.write(lambda conn: discussions.hide(conn, discussion.id, event.id))
    return await _comment(core, discussion, event_id)


async def rename(core: Core, actor: Actor, ref: RepoRef, num: int, title: str) -> Event:
    """Give another title."""
    found, discussion = await look(core, actor, ref, num, RepoAction.DISCUSS)
    _require_own_or_moderator(actor, found, discussion.author_id, "rename this discussion")
    title = check_title(title)
    data = {"from": discussion.title, "to": title}
    return await record(core, actor, discussion, discussions.TITLE, data=data, title=title)


async def set_status(
    core: Core, actor: Actor, ref: RepoRef, num: int, status: str, body: str = ""
) -> Event:
    """Close or open again; a merged pull request stays so."""
    if status not in {discussions.OPEN, discussions.CLOSED}:
        raise Invalid("The status is open or closed.")
    found, discussion = await look(core, actor, ref, num, RepoAction.DISCUSS)
    _require_own_or_moderator(actor, found, discussion.author_id, "close or open this discussion")
    if discussion.status == discussions.MERGED:
        raise Conflict("This pull request is merged.")
    if discussion.status == status:
        raise Conflict(f"This discussion is {status} already.")
    body = check_body(body, may_be_empty=True)
    data = {"status": status}
    return await record(
        core, actor, discussion, discussions.STATUS, body=body, data=data, status=status
    )


async def set_pinned(core: Core, actor: Actor, ref: RepoRef, num: int, *, pinned: bool) -> Event:
    """Keep at the top of the list, or not."""
    _, discussion = await look(core, actor, ref, num, RepoAction.MODERATE)
    data = {"pinned": pinned}
    return await record(core, actor, discussion, discussions.PIN, data=data, pinned=pinned)


async def set_locked(core: Core, actor: Actor, ref: RepoRef, num: int, *, locked: bool) -> Event:
    """Let only moderators comment, or everybody again."""
    _, discussion = await look(core, actor, ref, num, RepoAction.MODERATE)
    data = {"locked": locked}
    return await record(core, actor, discussion, discussions.LOCK, data=data, locked=locked)


async def record(
    core: Core,
    actor: Actor,
    discussion: Discussion,
    kind: str,
    *,
    body: str = "",
    data: Mapping[str, object] | None = None,
    **changes: object,
) -> Event:
    """In one transaction: what changes, and that it happened."""
    author = account(actor)

    async def work(conn: Connection) -> Event:
        if changes:
            await discussions.change(conn, discussion.id, **changes)
        made = await discussions.record(conn, discussion.id, kind, author, body=body, data=data)
        event = await discussions.event(conn, discussion.id, made)
        assert event is not None, "just written"  # noqa: S101
        return event

    return await core.store.write(work)


async def _comment(core: Core, discussion: Discussion, event_id: int) -> Event:
    async with core.store.read() as conn:
        event = await discussions.event(conn, discussion.id, event_id)
    if event is None or event.kind != discussions.COMMENT:
        raise NotFound("There is no such comment in this discussion.")
    return event


def _require_own_or_moderator(actor: Actor, found: Found, author_id: int, doing: str) -> None:
    if actor.user_id != author_id and found.role < Role.WRITE:
        raise Denied(f"You may not {doing}.", hint="Ask its author or who may push here.")


def require_voice(found: Found, discussion: Discussion) -> None:
    """Raise ``Denied`` for whom the discussion is locked."""
    if discussion.locked and found.role < Role.WRITE:
        raise Denied("This discussion is locked.")


def account(actor: Actor) -> int:
    """Who says it; only accounts take part."""
    if actor.user_id is None:
        raise Denied("Only an account can take part in discussions.")
    return actor.user_id


def check_title(text: str) -> str:
    """One line of text; raises ``Invalid``."""
    title = " ".join(text.split())
    if not 1 <= len(title) <= MAX_TITLE:
        raise Invalid(f"A title has 1 to {MAX_TITLE} characters.")
    return title


def check_body(text: str, *, may_be_empty: bool = False) -> str:
    """A comment's text; raises ``Invalid``."""
    if "\0" in text or len(text) > MAX_BODY:
        raise Invalid(f"A comment has at most {MAX_BODY} characters and no NUL.")
    if not text.strip() and not may_be_empty:
        raise Invalid("A comment needs text.")
    return text
