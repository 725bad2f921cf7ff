"""The only file that starts git: named commands, and the few forms that all others use.

How a command line is built, and with what settings, is in ``hubd.git.argv``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from pathlib import Path

from hubd import procs
from hubd.config import Config
from hubd.errors import Invalid, Unavailable
from hubd.git.argv import (
    ENVIRONMENT,
    HIDDEN_REFS,
    RECEIVE,
    SETTINGS,
    guarded,
    v2_request,
)
from hubd.procs import Child

LEAST_VERSION = (2, 39, 0)


class Git:
    """How this daemon starts git."""

    def __init__(self, config: Config, hooks_dir: Path | None) -> None:
        self._config = config
        self._hooks = hooks_dir
        self._home = config.data / "home"
        self._templates = config.data / "run" / "templates"
        self._v2: dict[str, bytes] = {}
        self._receive: dict[str, bytes] = {}
        self.version: tuple[int, int, int] = (0, 0, 0)

    @property
    def scratch(self) -> Path:
        """The folder for temporary files."""
        return self._config.data / "tmp"

    @property
    def timeout(self) -> float:
        """How many seconds a short command may take."""
        return float(self._config.git_timeout)

    async def check(self) -> None:
        """Find out the version and what protocol v2 offers; raises ``Unavailable``."""
        result = await procs.run(["git", "version"], env=self.env(), timeout=20)
        match = re.search(rb"(\d+)\.(\d+)\.(\d+)", result.out)
        if not match:
            raise Unavailable("git does not tell its version.")
        self.version = (int(match[1]), int(match[2]), int(match[3]))
        if self.version < LEAST_VERSION:
            raise Unavailable("git is too old.", hint="Install git 2.39 or newer.")
        for object_format in ("sha1", "sha256"):
            template = self._templates / f"{object_format}.git"
            await self.init_bare(template, object_format, "main")
            self._v2[object_format] = await self.advertise(template, "upload-pack", "version=2")
            self._receive[object_format] = await self.advertise(template, "receive-pack", "")

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a git child, built from nothing."""
        return {**ENVIRONMENT, "HOME": str(self._home), **(extra or {})}

    def argv(
        self, repo: Path | None, subcommand: str, *rest: str, settings: Sequence[str] = ()
    ) -> list[str]:
        """A whole command line; ``rest`` is constants and already guarded values.

        ``settings`` (constants, too) come after those that every command gets.
        """
        fixed = [part for setting in SETTINGS for part in ("-c", setting)]
        hooks = str(self._hooks) if self._hooks and subcommand == "receive-pack" else "/dev/null"
        command = ["git", *fixed, "-c", f"core.hooksPath={hooks}", "--no-replace-objects"]
        if subcommand == "receive-pack":
            command += [part for setting in RECEIVE for part in ("-c", setting)]
            command += ["-c", f"receive.maxInputSize={self._config.push_limit}"]
        command += [part for setting in settings for part in ("-c", setting)]
        if repo is not None:
            command.append(f"--git-dir={repo}")
        return [*command, subcommand, *rest]

    async def run(
        self,
        repo: Path | None,
        subcommand: str,
        *flags: str,
        values: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        separator: str = "--end-of-options",
        paths: Sequence[str] | None = None,
        stdin: bytes | None = None,
        timeout: float | None = None,
        env_extra: Mapping[str, str] | None = None,
        ok_codes: Collection[int] = (0,),
        nice: int = 0,
        merge_stderr: bool = False,
        limit: int | None = None,
    ) -> bytes:
        """A short command's output; raises ``Unavailable`` with its error text in the details.

        With ``limit`` the output ends after so many bytes or when time is out, and the rest of the
        work is left undone; the exit status does not count then.
        """
        if limit is not None:
            return await self._run_some(
                repo, subcommand, guarded(flags, values, args, separator, paths), limit
            )
        result = await procs.run(
            self.argv(repo, subcommand, *guarded(flags, values, args, separator, paths)),
            env=self.env(env_extra),
            stdin=stdin,
            timeout=timeout or self._config.git_timeout,
            nice=nice,
        )
        if result.code not in ok_codes:
            raise Unavailable(
                "git could not do this.",
                details={
                    "subcommand": subcommand,
                    "code": result.code,
                    "stderr": result.err.decode("utf-8", "replace")[-2000:],
                },
            )
        return result.out + result.err if merge_stderr else result.out

    async def _run_some(
        self, repo: Path | None, subcommand: str, rest: Sequence[str], limit: int
    ) -> bytes:
        child = await procs.start(self.argv(repo, subcommand, *rest), env=self.env(), stdin=False)
        out = bytearray()
        try:
            async with asyncio.timeout(self._config.git_timeout):
                while len(out) < limit and (piece := await child.read(65536)):
                    out += piece
        except TimeoutError:
            pass
        finally:
            await asyncio.shield(child.kill())
        return bytes(out[:limit])

    async def start(
        self,
        repo: Path | None,
        subcommand: str,
        *flags: str,
        values: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        separator: str = "--end-of-options",
        paths: Sequence[str] | None = None,
        stdin: bool = True,
        stdin_fd: int | None = None,
        stdout_fd: int | None = None,
        env_extra: Mapping[str, str] | None = None,
        settings: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        pipe_size: int = 0,
    ) -> Child:
        """A long-lived command."""
        return await procs.start(
            self.argv(
                repo,
                subcommand,
                *guarded(flags, values, args, separator, paths),
                settings=settings,
            ),
            env=self.env(env_extra),
            stdin=stdin,
            stdin_fd=stdin_fd,
            stdout_fd=stdout_fd,
            pass_fds=pass_fds,
            pipe_size=pipe_size,
        )

    # Repositories

    async def init_bare(self, path: Path, object_format: str, default_branch: str) -> None:
        """Make an empty repository; whole or not at all, and no harm if it is there."""
        if await asyncio.to_thread((path / "HEAD").exists):
            return
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        # Git writes HEAD before the rest: only a folder that is moved into place is whole.
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
        try:
            await self.run(
                None,
                "init",
                "--bare",
                "--quiet",
                "--template=",
                values={"object-format": object_format, "initial-branch": default_branch},
                args=[str(fresh)],
            )
            await asyncio.to_thread(_move_into_place, fresh, path)
        finally:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)

    async def set_head(self, path: Path, ref: str) -> None:
        """Point HEAD at a branch."""
        await self.run(path, "symbolic-ref", args=["HEAD", ref], separator="")

    # Serving

    def v2_advertisement(self, object_format: str) -> bytes:
        """What ``upload-pack`` offers in protocol v2; the same for all repositories."""
        return self._v2[object_format]

    def receive_advertisement(self, object_format: str) -> bytes:
        """What ``receive-pack`` says of an empty repository; its capabilities are those of all."""
        return self._receive[object_format]

    async def advertise(self, path: Path, service: str, protocol: str) -> bytes:
        """The ref advertisement over a stateless transport."""
        if service not in {"upload-pack", "receive-pack"}:
            raise Invalid("There is no such service.")
        return await self.run(
            path,
            service,
            "--stateless-rpc",
            "--advertise-refs",
            args=[str(path)],
            separator="",
            env_extra={"GIT_PROTOCOL": protocol} if protocol else None,
        )

    async def list_refs(self, path: Path) -> Child:
        """Every ref, the hidden ones too, in the packets of ``ls-refs`` (gitprotocol-v2)."""
        object_format = await asyncio.to_thread(_object_format, path)
        child = await self.start(
            path,
            "upload-pack",
            "--strict",
            "--stateless-rpc",
            args=[str(path)],
            separator="",
            env_extra={"GIT_PROTOCOL": "version=2"},
            # The last of a key's values decides (git-config, transfer.hideRefs).
            settings=(f"transfer.hideRefs=!{HIDDEN_REFS}",),
        )
        arguments = ["peel", "symrefs", "unborn"]
        await _feed(child, v2_request("ls-refs", arguments, object_format))
        return child

    async def upload_pack(self, path: Path, *, protocol: str, stateless: bool) -> Child:
        """Serve a fetch."""
        flags = ("--stateless-rpc",) if stateless else ()
        return await self.start(
            path,
            "upload-pack",
            *flags,
            args=[str(path)],
            separator="",
            env_extra={"GIT_PROTOCOL": protocol} if protocol else None,
            pipe_size=procs.PIPE_SIZE,
        )

    async def receive_pack(
        self,
        path: Path,
        *,
        protocol: str,
        stateless: bool,
        hook_fds: tuple[int, int],
        lock_fd: int,
    ) -> Child:
        """Take a push; git hands the two pipe ends on to its hooks."""
        extra = {"HUBD_HOOK_TO": str(hook_fds[0]), "HUBD_HOOK_FROM": str(hook_fds[1])}
        if protocol:
            extra["GIT_PROTOCOL"] = protocol
        flags = ("--stateless-rpc",) if stateless else ()
        return await self.start(
            path,
            "receive-pack",
            *flags,
            args=[str(path)],
            separator="",
            env_extra=extra,
            pass_fds=(*hook_fds, lock_fd),
            pipe_size=procs.PIPE_SIZE,
        )

    # Questions of the checks

    async def list_new_objects(
        self, path: Path, quarantine: Path
    ) -> AsyncGenerator[list[tuple[str, str, int]], None]:
        """(oid, type, size) of everything in a push's quarantine, in portions."""
        child = await self.start(
            path,
            "cat-file",
            "--batch-all-objects",
            "--unordered",
            "--buffer",
            "--batch-check=%(objectname) %(objecttype) %(objectsize)",
            stdin=False,
            env_extra={
                "GIT_OBJECT_DIRECTORY": str(quarantine),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
            },
        )
        try:
            rest = b""
            while piece := await child.read(65536):
                *lines, rest = (rest + piece).split(b"\n")
                yield [_object_line(line) for line in lines]
            if await child.wait():
                raise Unavailable("git could not list the pushed objects.")
        finally:
            await asyncio.shield(child.kill())

    async def new_object_paths(
        self,
        path: Path,
        tips: Sequence[str],
        oids: Collection[str],
        *,
        env_extra: Mapping[str, str],
    ) -> dict[str, str]:
        """A path for each of these objects that the tips reach and no ref did before."""
        # "--not --all" stands on the command line: git 2.39 knows no options on standard input.
        child = await self.start(
            path, "rev-list", "--objects", "--stdin", "--not", "--all", env_extra=env_extra
        )
        wanted = {oid.encode() for oid in oids}
        found: dict[str, str] = {}
        try:
            lines = "".join(f"{tip}\n" for tip in tips)
            feeding = asyncio.create_task(_feed(child, lines.encode()))
            rest = b""
            while piece := await child.read(65536):
                *complete, rest = (rest + piece).split(b"\n")
                for line in complete:
                    oid, _, name = line.partition(b" ")
                    if oid in wanted and name:
                        found[oid.decode()] = name.decode("utf-8", "surrogateescape")
            await feeding
            if await child.wait():
                raise Unavailable(
                    "git could not list the pushed objects.", details={"stderr": child.error_text}
                )
        finally:
            await asyncio.shield(child.kill())
        return found

    async def is_ancestor(
        self, path: Path, old: str, new: str, *, env_extra: Mapping[str, str] | None = None
    ) -> bool:
        """Whether ``new`` contains ``old``; both are object ids."""
        result = await procs.run(
            self.argv(path, "merge-base", "--is-ancestor", "--end-of-options", old, new),
            env=self.env(env_extra),
            timeout=self._config.push_check_timeout,
        )
        return result.code == 0


def _object_format(path: Path) -> str:
    """What ``init_bare`` was told, from the repository's own config (gitrepository-layout)."""
    try:
        config = (path / "config").read_bytes()
    except OSError as error:
        raise Unavailable(
            "This repository cannot be read.", details={"error": str(error)}
        ) from error
    return "sha256" if re.search(rb"(?im)^\s*objectformat\s*=\s*sha256\s*$", config) else "sha1"


def _move_into_place(fresh: Path, path: Path) -> None:
    try:
        fresh.rename(path)
    except OSError as error:
        # Somebody else was quicker; anything but a repository in the way is a fault.
        if not (path / "HEAD").exists():
            raise Unavailable(
                "The server cannot make this repository.", details={"error": str(error)}
            ) from error


def _object_line(line: bytes) -> tuple[str, str, int]:
    oid, kind, size = line.split(b" ")
    return oid.decode(), kind.decode(), int(size)


async def _feed(child: Child, data: bytes) -> None:
    try:
        await child.write(data)
    except BrokenPipeError:
        return
    finally:
        child.close_stdin()
