"""Scripts run where they say they run, and every target of make explains itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.house.tree import ROOT, matching, shell_scripts, text_of

_TARGET = re.compile(r"^([a-z][a-z-]*):(?!=)(.*)$", re.MULTILINE)
_PACKAGE_LISTS = ("config/debian-packages.txt", "tests/debian-packages.txt")


@pytest.mark.parametrize("path", shell_scripts())
def test_a_shell_script_is_understood_by_dash(path: str) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    subprocess.run([shell, "-n", ROOT / path], check=True)


@pytest.mark.parametrize("path", ["config/bootstrap.sh", ".ci/run"])
def test_what_is_started_by_its_name_may_be_run(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)


def test_every_target_has_a_help_line_and_is_phony() -> None:
    for path in matching("Makefile", ".mk"):
        text = text_of(path)
        for name, rest in _TARGET.findall(text):
            assert re.search(r"## \w", rest), f"{path}: {name} has no help line"
            phony = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
            assert name in " ".join(phony).split(), f"{path}: {name} is not .PHONY"


def test_make_without_a_target_shows_all_of_them() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {name for name, _ in _TARGET.findall(text_of("Makefile"))}
    assert {"run", "test", "check", "bench", "soak", "venv", "lock", "docs"} <= names
    assert names == {line.split()[1] for line in shown.splitlines()} & names


def test_each_debian_package_is_listed_once_with_its_sign() -> None:
    rows = [
        line.split()
        for path in _PACKAGE_LISTS
        for line in text_of(path).splitlines()
        if line.strip() and not line.startswith("#")
    ]
    assert all(len(row) == 2 for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
