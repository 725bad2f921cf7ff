"""Names say what a thing is for."""

from __future__ import annotations

import ast
import re
from pathlib import PurePath

import pytest

from tests.house.tree import matching, parsed, tracked

_SAYS_NOTHING = re.compile(r"(utils?|helpers?|common|misc|manager)\Z", re.IGNORECASE)
_SAYS_NOTHING_PART = re.compile(r"manager", re.IGNORECASE)


@pytest.mark.parametrize("path", tracked())
def test_no_file_or_folder_has_a_name_that_says_nothing(path: str) -> None:
    for part in PurePath(path).parts:
        stem = part.partition(".")[0]
        assert not _SAYS_NOTHING.match(stem), part
        assert not _SAYS_NOTHING_PART.search(stem), part


@pytest.mark.parametrize("path", matching(".py"))
def test_no_class_is_a_manager(path: str) -> None:
    classes = [node.name for node in ast.walk(parsed(path)) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if _SAYS_NOTHING_PART.search(name)]
