"""The two lock files, and what pyproject.toml asks for, agree."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.house.tree import text_of

_PIN = re.compile(
    r"^(\S+)==(\S+)([^\\\n]*)\\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)
Pins = dict[str, tuple[str, str, frozenset[str]]]


def _pins(path: str) -> Pins:
    text = text_of(path)
    assert not _PIN.sub("", text).strip(), "a line is no pin with hashes"
    return {
        name: (version, marker.strip(), frozenset(hashes.replace("\\", "").split()))
        for name, version, marker, hashes in _PIN.findall(text)
    }


RUNTIME = _pins("requirements.lock")
DEV = _pins("requirements-dev.lock")
PROJECT: dict[str, Any] = tomllib.loads(text_of("pyproject.toml"))["project"]


def test_the_development_lock_has_all_of_the_runtime_lock() -> None:
    assert {name: DEV.get(name) for name in RUNTIME} == RUNTIME


def test_the_locks_satisfy_the_project() -> None:
    extras = PROJECT["optional-dependencies"]
    for texts, pins in (
        (PROJECT["dependencies"] + extras["build"], RUNTIME),
        (extras["dev"], DEV),
    ):
        for text in texts:
            wanted = Requirement(text)
            version = pins[canonicalize_name(wanted.name)][0]
            assert wanted.specifier.contains(Version(version)), text


def test_development_tools_stay_out_of_the_runtime_lock() -> None:
    tools = {
        canonicalize_name(Requirement(text).name)
        for text in PROJECT["optional-dependencies"]["dev"]
    }
    assert not tools & set(RUNTIME)
