"""Nothing in the repository speaks of one machine, one registry or unfinished work."""

from __future__ import annotations

import re

import pytest

from tests.house.tree import texts

TEXTS = dict(texts())
# Every machine has a /root; what somebody keeps in hidden folders below it is theirs alone.
_MACHINE_PATHS = re.compile(r"(?<![\w.$}/-])/(?:root/\.|work(?![\w-])|tmp/wt(?![\w-])|home/\w)")
_REGISTRIES = re.compile(
    r"\b(?:"
    r"(?:pypi|pythonhosted|npmjs|rubygems)\.(?:org|com)"
    r"|(?:deb|security|snapshot)\.debian\.org"
    r"|crates\.io|docker\.io|ghcr\.io|quay\.io"
    r"|proxy\.golang\.org"
    r")\b"
)
_UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")


@pytest.mark.parametrize("path", TEXTS)
def test_no_file_has_a_path_of_one_machine(path: str) -> None:
    assert not _MACHINE_PATHS.findall(TEXTS[path])


@pytest.mark.parametrize("path", TEXTS)
def test_no_file_names_the_host_of_a_registry(path: str) -> None:
    assert not _REGISTRIES.findall(TEXTS[path])


@pytest.mark.parametrize("path", TEXTS)
def test_no_file_has_a_note_of_unfinished_work(path: str) -> None:
    assert not _UNFINISHED.findall(TEXTS[path])


@pytest.mark.parametrize(
    "text", ["cd /" + "root/.cache", "x=/" + "home/me/x", "(/" + "work/main)", '"/' + 'tmp/wt/a"']
)
def test_the_rule_sees_paths_of_a_machine(text: str) -> None:
    assert _MACHINE_PATHS.search(text)


@pytest.mark.parametrize(
    "text", ["$ROOT/root", "/roots", "a/home/x", "/" + "workspace", "net/" + "work/"]
)
def test_the_rule_lets_other_paths_be(text: str) -> None:
    assert not _MACHINE_PATHS.search(text)


def test_the_rule_sees_registries() -> None:
    assert _REGISTRIES.search("https://" + "pypi" + ".org/simple")
    assert not _REGISTRIES.search("https://www.debian.org/doc/")
