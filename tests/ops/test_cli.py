"""``hubd admin``: every command, with the daemon running and standing still."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hubd.cli import cli
from tests.gitkit import SshKey
from tests.hubproc import Hub

TOKEN = re.compile(r"hubd_[A-Za-z0-9]{43}\Z")
FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")
PASSWORD = re.compile(r"[A-Za-z0-9_-]{20}\Z")
NUMBER = re.compile(r"[1-9][0-9]*\Z")


@pytest.fixture(scope="module", params=["running", "stopped"])
def hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp(request.param) / "data", shutdown_grace=1)
    made.start()
    if request.param == "stopped":
        made.stop()
    made.user("ada")
    yield made
    made.stop()


def _leaves(command: click.Command, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for word, below in command.commands.items():
            yield from _leaves(below, (*name, word))
    else:
        yield name


COMMANDS = sorted(_leaves(cli))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_explains_itself(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*command, "--help"])
    assert done.exit_code == 0
    assert done.output.startswith("Usage: ")


def test_the_issue_names_no_command_that_is_missing() -> None:
    named = """
        serve | doctor | admin user add | admin user list | admin user disable | admin user passwd
        | admin token add | admin key add | admin org add | admin org member | admin repo add
        | admin repo grant | admin repo list | admin repo delete | admin repo fsck | admin repo gc
    """
    assert {tuple(line.split()) for line in named.split("|")} <= set(COMMANDS)


def test_what_a_script_catches_stands_alone(hub: Hub, tmp_path: Path) -> None:
    key = SshKey.make(tmp_path / "key")
    assert TOKEN.match(hub.admin("token", "add", "ada", "--scope", "write", "--expires", "30d"))
    assert FINGERPRINT.match(hub.admin("key", "add", "ada", str(key.public)))
    other = SshKey.make(tmp_path / "other")
    added = hub.admin("key", "add", "ada", "-", stdin=other.public.read_text())
    assert FINGERPRINT.match(added)
    assert NUMBER.match(hub.admin("repo", "add", "dataset", "ada/d", "--private"))
    assert NUMBER.match(hub.admin("user", "add", "fay", "--admin"))
    assert NUMBER.match(hub.admin("org", "add", "guild", "--owner", "fay"))
    assert PASSWORD.match(hub.admin("user", "passwd", "fay"))
    for command in ("user disable fay", "org member guild ada --role read"):
        assert hub.admin(*command.split()) == ""


def test_accounts_from_start_to_end(hub: Hub) -> None:
    hub.user("bob", "--email", "bob@example.org", "--full-name", "Bob B", password="a long one")
    assert "bob" in hub.admin("user", "list")
    hub.admin("user", "passwd", "bob", "--password-stdin", stdin="another long one\n")
    hub.admin("user", "disable", "bob")
    assert "disabled" in next(
        line for line in hub.admin("user", "list").splitlines() if line.startswith("bob")
    )
    hub.admin("user", "disable", "bob", "--enable")
    hub.admin("org", "add", "lab", "--owner", "ada", "--default-visibility", "private")
    hub.admin("org", "member", "lab", "bob", "--role", "write")


def test_repositories_from_start_to_end(hub: Hub) -> None:
    hub.user("eve")
    hub.admin("repo", "add", "model", "ada/m")
    hub.admin("repo", "add", "space", "ada/s", "--internal")
    assert "ada/m" in hub.admin("repo", "list")
    hub.admin("repo", "grant", "ada/m", "eve", "--role", "write")
    hub.admin("repo", "grant", "space", "ada/s", "eve", "--role", "read")
    hub.admin("repo", "fsck", "ada/m")
    hub.admin("repo", "gc", "ada/m")
    hub.admin("repo", "delete", "ada/m")
    assert "ada/m" not in hub.admin("repo", "list")


def test_quotas_are_set_and_shown(hub: Hub) -> None:
    hub.user("quincy")
    hub.admin("repo", "add", "dataset", "quincy/d")
    hub.admin("quota", "set", "quincy", "--bytes", "500G")
    hub.admin("quota", "set", "quincy", "--objects", "7")
    shown = hub.admin("quota", "show", "quincy").splitlines()
    assert shown == ["bytes\t0 bytes\t465.7 GiB", "files\t0\t7", "set\there"]
    hub.admin("quota", "set", "dataset", "quincy/d", "--bytes", "2Ti", "--objects", "none")
    assert "2 TiB" in hub.admin("quota", "show", "dataset", "quincy/d")
    hub.admin("quota", "set", "quincy", "--default")
    assert "by default" in hub.admin("quota", "show", "quincy")


@pytest.mark.parametrize(
    "command",
    [
        "quota show nobody",
        "quota show ada/none",
        "quota set ada",
        "quota set ada --bytes lots",
        "quota set ada --bytes 1G --default",
        "quota set nobody --bytes 1G",
        "user add ada",
        "user add ..",
        "user disable nobody",
        "user passwd nobody --password-stdin",
        "token add nobody",
        "token add ada --expires never",
        "key add ada /nowhere",
        "key add ada -",
        "org add ada --owner ada",
        "org add lab2 --owner nobody",
        "org member nolab ada --role read",
        "repo add model nobody/x",
        "repo add model x",
        "repo grant ada/none ada --role read",
        "repo delete ada/none",
        "repo fsck ada/none",
        "repo gc ada/none",
        "repo restore 999999",
        "repo trash nobody",
        "repo grant ada/none/more ada --role read",
        "repo add model ada/x --object-format md5",
        "user list --no-such-option",
        "--config /nowhere user list",
    ],
)
def test_a_failure_is_one_clear_line(hub: Hub, command: str) -> None:
    done = hub.run_cli("admin", *command.split(), stdin="nonsense\n")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    # What click itself finds ends without a full stop.
    assert re.match(r"hubd: .*\.\Z|Error: ", last), done.stderr


@pytest.mark.parametrize(
    "options",
    ["--http nonsense", "--ssh 127.0.0.1:99999", "--config /nowhere", "--data-dir /proc/no"],
)
def test_a_daemon_that_cannot_start_says_why(hub: Hub, options: str) -> None:
    done = hub.run_cli("serve", *options.split())
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.match(r"hubd: .*\.\Z|Error: ", done.stderr.strip().splitlines()[-1]), done.stderr


def test_two_daemons_of_one_folder_or_port(tmp_path: Path) -> None:
    with Hub(tmp_path / "data", shutdown_grace=1) as hub:
        done = hub.run_cli("serve", "--http", "127.0.0.1:0", "--ssh", "127.0.0.1:0")
        assert (done.returncode, done.stderr.strip()) == (
            1,
            f"hubd: Another hubd uses {hub.data}. Stop it first.",
        )
        other = Hub(tmp_path / "other")
        taken = hub.http.removeprefix("http://")
        done = other.run_cli("serve", "--http", taken, "--ssh", "127.0.0.1:0")
        assert done.returncode == 1
        said = f"hubd: http_listen {taken} cannot be used: Address already in use."
        assert done.stderr.strip().splitlines()[-1].startswith(said), done.stderr
