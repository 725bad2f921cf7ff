"""config/bootstrap.sh names or installs what a machine lacks, and touches nothing else."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

_TOOLS = ("dirname", "grep", "sh", "cat", "printf", "sed", "cut", "sha256sum")


class Machine:
    """A copy of the script on a machine that has only the programs it is given."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.root = folder / "hubd"
        (self.root / "config").mkdir(parents=True)
        shutil.copy(ROOT / "config" / "bootstrap.sh", self.root / "config")
        for tool in _TOOLS:
            found = shutil.which(tool)
            if found:
                (self.bin / tool).symlink_to(found)

    def has(self, name: str, script: str = "exit 0") -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def needs(self, *lines: str) -> None:
        (self.root / "list.txt").write_text("# a comment\n\n" + "".join(f"{x}\n" for x in lines))

    def packages(self) -> subprocess.CompletedProcess[str]:
        return self._run("packages", "list.txt")

    def venv(self, kind: str) -> list[str]:
        return self._done("venv", kind)

    def servers(self) -> list[str]:
        return self._done("servers", "servers.lock")

    def _done(self, *arguments: str) -> list[str]:
        """What was done, in words; the interpreter of the fixture below writes it down."""
        log = self.root / "log"
        log.write_text("")
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        words = [
            (" -m venv ", "venv"),
            (" -r requirements.lock", "requirements.lock"),
            (" -r requirements-dev.lock", "requirements-dev.lock"),
            (" -r servers.lock", "servers.lock"),
            (" --editable .", "hubd"),
        ]
        lines = [f" {line} " for line in log.read_text().splitlines()]
        return [word for line in lines for sign, word in words if f"{sign} ".strip() in line]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", self.root / "config" / "bootstrap.sh", *arguments],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_nothing_is_done_where_nothing_is_missing(machine: Machine) -> None:
    machine.has("hubd-tool")
    machine.has("apt-get", "echo called; exit 1")
    machine.needs("a-tool hubd-tool", "a-folder /dev/nul*")
    done = machine.packages()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_someone_who_is_not_root_gets_the_exact_command(machine: Machine) -> None:
    machine.has("id", "echo 1000")
    machine.has("apt-get", "echo called; exit 1")
    machine.needs("a-tool hubd-tool", "other /no/such/file*", "there sh")
    done = machine.packages()
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "hubd: missing: a-tool other. Run: sudo apt-get update &&"
        " sudo apt-get install -y --no-install-recommends a-tool other\n"
    )


def test_root_gets_them_installed_after_one_update(machine: Machine, tmp_path: Path) -> None:
    log = tmp_path / "log"
    tool = machine.bin / "hubd-tool"
    machine.has("id", "echo 0")
    machine.has(
        "apt-get", f'echo "$*" >>{log}; case "$*" in *install*) ln -s /bin/sh {tool};; esac'
    )
    (machine.bin / "ln").symlink_to(shutil.which("ln") or "/bin/ln")
    machine.needs("a-tool hubd-tool")
    assert machine.packages().returncode == 0
    calls = log.read_text().splitlines()
    assert [call.split()[-1] for call in calls] == ["update", "a-tool"]


def test_a_package_that_brings_nothing_is_named(machine: Machine) -> None:
    machine.has("id", "echo 0")
    machine.has("apt-get")
    machine.needs("a-tool hubd-tool")
    done = machine.packages()
    assert done.returncode == 1
    assert "still missing after the installation: a-tool" in done.stderr


def test_a_machine_without_apt_is_told_the_names(machine: Machine) -> None:
    machine.needs("a-tool hubd-tool")
    done = machine.packages()
    assert done.returncode == 1
    assert "missing: a-tool" in done.stderr


@pytest.fixture
def interpreter(machine: Machine) -> Machine:
    """With a python3 whose venv and pip only write down what they are asked."""
    for tool in ("id", "mkdir", "rm"):
        (machine.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    python = machine.bin / "python3"
    machine.has(
        "python3",
        """echo "$*" >>log
case "$*" in
'-m venv '*)
    for env; do :; done
    mkdir -p $env/bin
    printf 'VIRTUAL_ENV="%s/%s"' "$(pwd -P)" $env >$env/bin/activate
    cat PYTHON >$env/bin/python.new
    mv $env/bin/python.new $env/bin/python
    chmod +x $env/bin/python ;;
esac""".replace("PYTHON", str(python)),
    )
    for tool in ("chmod", "mv"):
        (machine.bin / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    for name in ("requirements.lock", "requirements-dev.lock", "servers.lock", "pyproject.toml"):
        (machine.root / name).write_text(name)
    return machine


def test_the_environment_is_made_once_and_filled_when_a_lock_changes(interpreter: Machine) -> None:
    assert interpreter.venv("runtime") == ["venv", "requirements.lock", "hubd"]
    assert interpreter.venv("runtime") == []
    assert interpreter.venv("dev") == ["requirements-dev.lock"]
    # The larger one serves for both, until a lock changes.
    assert interpreter.venv("runtime") == []
    (interpreter.root / "requirements.lock").write_text("changed")
    assert interpreter.venv("runtime") == ["requirements.lock"]
    assert interpreter.venv("dev") == ["requirements-dev.lock"]
    (interpreter.root / "requirements.lock").write_text("requirements.lock")
    assert interpreter.venv("runtime") == ["requirements.lock"]
    (interpreter.root / "pyproject.toml").write_text("changed")
    assert interpreter.venv("runtime") == ["hubd"]


def test_servers_of_tests_have_an_environment_of_their_own(interpreter: Machine) -> None:
    assert interpreter.venv("runtime") == ["venv", "requirements.lock", "hubd"]
    assert interpreter.servers() == ["venv", "servers.lock"]
    assert interpreter.servers() == interpreter.venv("runtime") == []
    (interpreter.root / "servers.lock").write_text("changed")
    assert interpreter.servers() == ["servers.lock"]
    assert (interpreter.root / ".venv-s3").is_dir()


def test_an_environment_that_was_moved_is_made_again(interpreter: Machine) -> None:
    interpreter.venv("runtime")
    interpreter.root = interpreter.root.rename(interpreter.root.with_name("moved"))
    assert interpreter.venv("runtime")[0] == "venv"


def test_an_unknown_word_shows_how_it_is_used(machine: Machine) -> None:
    done = machine._run()
    assert done.returncode == 2
    assert "config/bootstrap.sh venv runtime|dev" in done.stderr
