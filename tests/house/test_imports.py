"""What import contracts cannot see: parts of a library, calls, and programs beside the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from hubd.obs.failpoints import FAILPOINTS
from tests.house.tree import matching, parsed

# The doors of the standard library through which a process starts.
_STARTS = {
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "asyncio.subprocess",
    "concurrent.futures.ProcessPoolExecutor",
    "concurrent.futures.process",
    "multiprocessing",
    "os.fork",
    "os.forkpty",
    "os.popen",
    "os.posix_spawn",
    "os.posix_spawnp",
    "os.system",
    "pty",
    "subprocess",
    *(f"os.exec{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
    *(f"os.spawn{kind}" for kind in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")),
}
_LOOP_STARTS = {"subprocess_exec", "subprocess_shell"}
_PROCS = "hubd/procs.py"
# app opens and closes every door, so it may hold a server.
_HTTP_ROOMS = ("hubd/http/", "hubd/web/", "hubd/app.py")


def names_used(tree: ast.Module) -> Iterator[str]:
    """Every dotted name that is imported, or reached from an imported module."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            for alias in node.names:
                yield f"{node.module}.{alias.name}"
                known[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            first, _, rest = dotted.partition(".")
            if first in known:
                yield f"{known[first]}.{rest}"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def uses(tree: ast.Module, doors: set[str]) -> set[str]:
    """Which of these doors a module uses, itself or something inside of it."""
    return {
        door
        for name in names_used(tree)
        for door in doors
        if name == door or name.startswith(f"{door}.")
    }


@pytest.mark.parametrize("path", [p for p in matching(".py", under="hubd/") if p != _PROCS])
def test_only_procs_starts_processes(path: str) -> None:
    assert not uses(parsed(path), _STARTS)
    attributes = {n.attr for n in ast.walk(parsed(path)) if isinstance(n, ast.Attribute)}
    assert not attributes & _LOOP_STARTS


@pytest.mark.parametrize(
    "path", [p for p in matching(".py", under="hubd/") if not p.startswith(_HTTP_ROOMS)]
)
def test_only_http_and_web_serve_http(path: str) -> None:
    assert not uses(parsed(path), {"aiohttp.web", "aiohttp.web_app", "aiohttp.web_response"})


@pytest.mark.parametrize("path", ["runners", *matching(".py", under="runners/")])
def test_runners_know_nothing_of_hubd(path: str) -> None:
    if path.endswith(".py"):
        assert not uses(parsed(path), {"hubd"})


@pytest.mark.parametrize("path", matching(".py", under="hubd/"))
def test_a_fail_point_is_named_by_a_constant_that_has_a_promise(path: str) -> None:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and _dotted(node.func).split(".")[-1] in {"fail", "afail"}:
            [name] = node.args
            assert isinstance(name, ast.Constant), f"line {node.lineno}"
            assert name.value in FAILPOINTS, f"line {node.lineno}"


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess",
        "import subprocess as s",
        "from subprocess import run",
        "from asyncio import subprocess",
        "from asyncio.subprocess import PIPE",
        "import asyncio\nasync def f():\n  await asyncio.create_subprocess_exec('x')",
        "from asyncio import create_subprocess_shell as c",
        "import os\nos.execve('x', [], {})",
        "import os as o\no.fork()",
        "from concurrent.futures import ProcessPoolExecutor",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "from multiprocessing import Pool",
    ],
)
def test_the_rule_sees_every_way_to_start_a_process(code: str) -> None:
    assert uses(ast.parse(code), _STARTS)


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.path.exists('x')",
        "import asyncio\nasyncio.PidfdChildWatcher()",
        "from concurrent.futures import ThreadPoolExecutor",
        "from hubd import procs\nprocs.run([])",
    ],
)
def test_the_rule_lets_other_uses_be(code: str) -> None:
    assert not uses(ast.parse(code), _STARTS)
