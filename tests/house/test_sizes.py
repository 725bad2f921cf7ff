"""Files and functions stay small enough to be read in one go."""

from __future__ import annotations

import ast

import pytest

from tests.house.tree import matching, parsed, text_of

FILE_LINES = 450
FUNCTION_LINES = 60
# A file that may be longer, up to which length, and why.
LONGER: dict[str, tuple[int, str]] = {}
# A migration is one list of steps, made once and never changed.
STEPS = "hubd/store/migrations/versions/"


@pytest.mark.parametrize("path", matching(".py", ".sh", "Makefile", ".mk"))
def test_no_file_is_too_long(path: str) -> None:
    allowed, _ = LONGER.get(path, (FILE_LINES, ""))
    assert len(text_of(path).splitlines()) <= allowed


@pytest.mark.parametrize("path", LONGER)
def test_an_exception_is_still_needed(path: str) -> None:
    assert len(text_of(path).splitlines()) > FILE_LINES


@pytest.mark.parametrize("path", [p for p in matching(".py") if not p.startswith(STEPS)])
def test_no_function_is_too_long(path: str) -> None:
    too_long = {
        node.name: lines
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not too_long
