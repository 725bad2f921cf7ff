"""T11, T28 to T31: the hook's channel, the environment and command lines of git."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubd.errors import Invalid
from hubd.git.argv import guarded
from hubd.hooks.channel import parse_call
from tests.gitkit import (
    ZERO,
    Objects,
    push_http,
    push_request,
    refs_of,
)
from tests.hubkit import Repo, World

ROOT = Path(__file__).resolve().parents[2]
OID = "a" * 40


# T11


def call(hook: bytes = b"pre-receive", env: bytes = b"A=b\0", lines: bytes = b"") -> bytes:
    return hook + b"\n" + env + lines + b"\0.\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0.\n",
        b"pre-receive\n",
        call(b"update"),
        call(b"PRE-RECEIVE"),
        call()[:-1],
        call(lines=b"x y z\n"),
        call(lines=f"{OID} {OID}\n".encode()),
        b"ok\n\0.\n",
        call(lines=f"{OID} {'g' * 40} refs/heads/x\n".encode()),
    ],
)
def test_T11_anything_malformed_refuses(data: bytes) -> None:
    with pytest.raises(Invalid):
        parse_call(data)


@given(st.binary(max_size=300))
def test_T11_no_noise_is_ever_a_call_with_updates(data: bytes) -> None:
    try:
        found = parse_call(data)
    except Invalid:
        return
    assert found.hook in {"pre-receive", "post-receive"}


def test_T11_an_environment_of_any_bytes_stays_data() -> None:
    option = b"GIT_PUSH_OPTION_0=x;user=admin\n" + f"{OID} {OID} refs/heads/evil".encode()
    env = b"GIT_PUSH_OPTION_COUNT=1\0" + option + b"\0"
    found = parse_call(call(env=env, lines=f"{ZERO} {OID} refs/heads/real\n".encode()))
    assert [u.ref for u in found.updates] == ["refs/heads/real"]
    assert found.push_options[0].endswith("refs/heads/evil")


def test_T11_the_hook_alone_refuses(world: World, tmp_path: Path) -> None:
    """Run by anybody else, without the pipe ends, the program lets nothing through."""
    import subprocess

    hook = world.hub.data / "run" / "hooks" / "pre-receive"
    for env in (
        {},
        {"HUBD_HOOK_TO": "1", "HUBD_HOOK_FROM": "0"},
        {"HUBD_HOOK_TO": "99", "HUBD_HOOK_FROM": "98"},
    ):
        done = subprocess.run(
            [hook],
            env={"PATH": "/usr/bin:/bin", **env},
            input=b"",
            check=False,
            capture_output=True,
        )
        assert done.returncode != 0


# T28


@pytest.mark.parametrize(
    "options",
    [
        [b"x;user=admin;repo=1"],
        [b"a\nok"],
        [b"GIT_QUARANTINE_PATH=/etc"],
        [b"\xff\xfe"],
        [b"m x", b"ok", b"."],
    ],
)
def test_T28_push_options_are_data(
    world: World, repo: Repo, objects: Objects, options: list[bytes]
) -> None:
    tip = objects.simple()
    body = push_request(
        [(ZERO, tip, "refs/heads/main"), (ZERO, tip, "refs/x/y")],
        objects.pack_reachable(tip),
        options=options,
    )
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert not [line for line in answer.report if line.startswith("ok ")], (
        "refs/x is refused, so all is"
    )
    body = push_request(
        [(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip), options=options
    )
    push_http(world.hub, repo.path, world.tokens["ada"], body)
    actors = world.sql("SELECT actor_name FROM pushes WHERE repo_id = ?", repo.id)
    assert set(actors) <= {("ada",)}


@pytest.mark.parametrize("options", [[b"x"] * 65, [b"x" * 60_000]])
def test_T28_too_many_or_long_options_are_a_sentence(
    world: World, repo: Repo, objects: Objects, options: list[bytes]
) -> None:
    tip = objects.simple()
    body = push_request(
        [(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip), options=options
    )
    answer = push_http(world.hub, repo.path, world.tokens["ada"], body)
    assert b"A push" in answer.remote, answer.text
    assert refs_of(world.hub, repo.http) == {}


# T29, T30


def test_T29_T30_what_lies_in_a_pushed_tree_configures_nothing(
    world: World, repo: Repo, objects: Objects, tmp_path: Path
) -> None:
    mark = tmp_path / "ran"
    evil = objects.blob(f"#!/bin/sh\ntouch {mark}\n".encode())
    attributes = objects.blob(b"* filter=evil diff=evil merge=evil export-subst ident\n")
    config = objects.blob(
        f'[filter "evil"]\n\tsmudge = touch {mark}\n[diff "evil"]\n\ttextconv = touch {mark}\n'
        f"[core]\n\tfsmonitor = touch {mark}\n".encode()
    )
    hooks = objects.tree([("100755", b"pre-receive", evil), ("100755", b"update", evil)])
    tree = objects.sorted_tree(
        [
            ("100644", b".gitattributes", attributes),
            ("100644", b"config", config),
            ("40000", b"hooks", hooks),
            ("100644", b"HEAD", config),
        ]
    )
    tip = objects.commit(tree)
    body = push_request([(ZERO, tip, "refs/heads/main")], objects.pack_reachable(tip))
    assert push_http(world.hub, repo.path, world.tokens["ada"], body).accepted("refs/heads/main")
    from hubd.core import browse
    from hubd.types import RepoRef

    async def look(core, actor):  # type: ignore[no-untyped-def]
        ref = RepoRef.from_path(repo.path)
        at = await browse.at(core, actor, ref, "main")
        await browse.tree(core, at, "", with_commits=True)
        return await browse.commit(core, actor, ref, at.commit)

    world.inside(look)
    world.op("repo.gc", repo=repo.name)
    assert not mark.exists()


# T31


def test_T31_one_file_starts_git_and_none_uses_a_shell() -> None:
    for file in sorted((ROOT / "hubd").rglob("*.py")):
        name = str(file.relative_to(ROOT))
        tree = ast.parse(file.read_text())
        imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        text = file.read_text()
        if name != "hubd/procs.py":
            assert "create_subprocess" not in text, name
            assert "subprocess" not in imported or name.startswith("hubd/cli/"), name
        assert "shell=True" not in text, name
        assert "os.system" not in text, name
        # The doctor runs where no hub does, to ask git for its version.
        if name not in {"hubd/git/process.py", "hubd/cli/doctor.py"}:
            assert '["git"' not in text, name


@given(
    st.lists(st.text(max_size=20), max_size=4),
    st.dictionaries(st.just("format"), st.text(max_size=20)),
)
def test_T31_values_never_become_options(args: list[str], values: dict[str, str]) -> None:
    try:
        line = guarded(("--flag",), values, args, "--end-of-options")
    except Invalid:
        return
    cut = line.index("--end-of-options") if "--end-of-options" in line and args else len(line)
    assert line[cut + 1 :] == args
    assert all(word.startswith("--") for word in line[:cut])
    try:
        bare = guarded((), None, args, "")
    except Invalid:
        return
    assert not any(word.startswith("-") for word in bare)
