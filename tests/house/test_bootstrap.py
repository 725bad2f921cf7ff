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


def test_an_unknown_word_shows_how_it_is_used(machine: Machine) -> None:
    done = machine._run()
    assert done.returncode == 2
    assert "config/bootstrap.sh venv runtime|dev" in done.stderr
