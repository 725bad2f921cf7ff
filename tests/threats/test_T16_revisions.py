"""T16: what a URL may name is a ref or an object id, never an expression of rev-parse."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.errors import HubError, Invalid
from hubd.types import Revision
from tests.hubkit import Repo, World

EXPRESSIONS = [
    "main:secret",
    ":/fix",
    "HEAD^{/x}",
    "main^{tree}",
    "@{1}",
    "main@{yesterday}",
    "--output=x",
    "HEAD~1",
    "main^",
    "a..b",
    "a...b",
    "^main",
    "-x",
    "@",
    "main:",
    "a b",
    "a\nb",
    "a\0b",
    "",
    "refs/heads/../x",
    "main^{/x}",
    "x.lock",
    "*",
    "main?",
    "\u202emain",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_T16_expressions_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Revision.parse(text)


@given(st.text(max_size=60))
def test_T16_whatever_passes_is_harmless_to_rev_parse(text: str) -> None:
    try:
        revision = Revision.parse(text)
    except Invalid:
        return
    assert revision == text
    assert not text.startswith("-")
    assert not re.search(r"[:^~?*\[\\\x00-\x20\x7f]|\.\.|@\{", text)


def test_T16_the_core_refuses_them_too(world: World, repo: Repo) -> None:
    work = world.work()
    work.commit({"secret": "s"})
    assert work.push(repo.http).returncode == 0
    from hubd.core import browse
    from hubd.types import RepoRef

    async def look(core, actor):  # type: ignore[no-untyped-def]
        passed = []
        for text in EXPRESSIONS:
            try:
                await browse.at(core, actor, RepoRef.from_path(repo.path), text)
            except HubError as error:
                assert error.status in {400, 404}, text
            else:
                passed.append(text)
        return passed

    assert world.inside(look) in ([], [""])  # nothing at all may mean the default branch
