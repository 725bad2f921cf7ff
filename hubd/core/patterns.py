"""Path patterns as gitignore and gitattributes write them, matched in bounded time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import Generic, TypeVar

V = TypeVar("V")
# Rules with wildcards that one file may have; plain paths are looked up and need no limit.
_MOST_WILD = 1000
_MAX_PATTERN = 1000
_WILD = re.compile(r"[*?\[\\]")


@dataclass(frozen=True, slots=True)
class _Wild(Generic[V]):
    """``parts`` None stands for ``**``; without ``anchored`` only a path's last part counts."""

    order: int
    value: V
    parts: tuple[re.Pattern[str] | None, ...]
    anchored: bool
    folder_only: bool

    def matches(self, path: list[str], *, is_folder: bool) -> bool:
        if self.folder_only and not is_folder:
            return False
        if not self.anchored:
            first = self.parts[0]
            return first is not None and first.match(path[-1]) is not None
        states = self._closed({0})
        for name in path:
            states = self._closed(
                {
                    n if part is None else n + 1
                    for n in states
                    if n < len(self.parts)
                    and ((part := self.parts[n]) is None or part.match(name) is not None)
                }
            )
        return len(self.parts) in states

    def _closed(self, states: set[int]) -> set[int]:
        """With those reached because ``**`` may stand for nothing."""
        for n in sorted(states):
            while n < len(self.parts) and self.parts[n] is None:
                n += 1  # noqa: PLW2901
                states.add(n)
        return states


class Rules(Generic[V]):
    """Patterns with a value each; the last one that matches a path counts."""

    def __init__(self) -> None:
        self._count = 0
        self._wild: list[_Wild[V]] = []
        self._names: dict[str, tuple[int, V]] = {}
        self._paths: dict[str, tuple[int, V]] = {}

    def add(self, pattern: str, value: V) -> None:
        """One more pattern, relative to the folder that the rules are for."""
        folder_only = pattern.endswith("/")
        text = pattern.rstrip("/") if folder_only else pattern
        anchored = "/" in text
        text = text.removeprefix("/")
        if not text or len(text) > _MAX_PATTERN:
            return
        self._count += 1
        if not folder_only and not _WILD.search(text):
            (self._paths if anchored else self._names)[text] = (self._count, value)
        elif len(self._wild) < _MOST_WILD:
            parts = tuple(_compiled(part) for part in text.split("/"))
            if not anchored and parts[0] is None:
                parts = (re.compile(""),)
            self._wild.append(_Wild(self._count, value, parts, anchored, folder_only))

    def value_of(self, path: str, *, is_folder: bool = False) -> V | None:
        """What the last matching rule says; None without one."""
        parts = path.split("/")
        found = [hit for hit in (self._paths.get(path), self._names.get(parts[-1])) if hit]
        best = max(found, key=lambda hit: hit[0], default=None)
        for rule in reversed(self._wild):
            if best is not None and best[0] > rule.order:
                break
            if rule.matches(parts, is_folder=is_folder):
                return rule.value
        return best[1] if best is not None else None


def _compiled(part: str) -> re.Pattern[str] | None:
    if part == "**":
        return None
    # git's escapes and classes, in the words of fnmatch, whose patterns never backtrack for long.
    text = re.sub(r"\\(.)", r"[\1]", part.replace("[[:space:]]", "[ ]")).replace("[^", "[!")
    return re.compile(translate(text))


def ignore_rules(text: str) -> Rules[bool]:
    """The rules of a gitignore file: whether a path is ignored."""
    rules: Rules[bool] = Rules()
    for raw in text.splitlines():
        line = raw.rstrip()
        if line and not line.startswith("#"):
            rules.add(line.removeprefix("!").removeprefix("\\"), value=not line.startswith("!"))
    return rules


def is_ignored(rules: Rules[bool], path: str) -> bool:
    """Whether a file is ignored, itself or with a folder that it is in."""
    parts = path.split("/")
    return any(
        rules.value_of("/".join(parts[:depth]), is_folder=depth < len(parts))
        for depth in range(1, len(parts) + 1)
    )


def large_rules(text: str) -> Rules[bool]:
    """The rules of a gitattributes file: whether a path is a large file (``filter=lfs``)."""
    rules: Rules[bool] = Rules()
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", "!")):
            continue
        pattern, attributes = _quoted(line) if line.startswith('"') else _plain(line)
        for attribute in attributes:
            if attribute.lstrip("-!").partition("=")[0] == "filter":
                rules.add(pattern, value=attribute == "filter=lfs")
    return rules


def _plain(line: str) -> tuple[str, list[str]]:
    pattern, *attributes = line.split()
    return pattern, attributes


def _quoted(line: str) -> tuple[str, list[str]]:
    pattern, _, rest = line[1:].partition('"')
    return pattern, rest.split()
