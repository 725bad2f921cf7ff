"""What the documents promise is what the code has."""

from __future__ import annotations

import re
from typing import Any

from hubd.cli import cli
from hubd.control import OPERATIONS
from hubd.obs.failpoints import FAILPOINTS
from hubd.obs.metrics import Metrics
from tests.house.tree import ROOT


def _text(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_fail_point_and_its_promise_is_documented() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", _text("docs/durability.md"), re.MULTILINE)
    assert dict(rows) == FAILPOINTS


def test_links_between_documents_lead_somewhere() -> None:
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
    ):
        folder = (ROOT / name).parent
        for target in re.findall(r"\]\(([^)#]+)\)", _text(name)):
            if "://" not in target:
                assert (folder / target).exists(), f"{name}: {target}"


def test_every_check_of_contributing_is_in_the_list() -> None:
    listed = _text("hubd/hooks/checks/__init__.py")
    for path in ROOT.glob("hubd/hooks/checks/*.py"):
        if path.name != "__init__.py":
            assert f"checks.{path.stem} " in listed, path.name


def test_every_operation_has_a_command() -> None:
    admin = cli.commands["admin"]
    names = {
        f"{group}.{command}"
        for group, commands in admin.commands.items()  # type: ignore[attr-defined]
        for command in commands.commands
    }
    store: Any = cli.commands["store"]
    names |= {f"store.{command}" for command in store.commands} & set(OPERATIONS)
    assert names == set(OPERATIONS)


def test_metrics_have_names_of_this_hub() -> None:
    names = re.findall(r"^# HELP (\S+)", Metrics().render().decode(), re.MULTILINE)
    assert [n for n in names if not n.startswith(("hubd_", "process_", "python_"))] == []
