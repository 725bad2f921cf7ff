"""Makes repositories by git's plumbing, for tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ann Author",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Carl Committer",
    "GIT_COMMITTER_EMAIL": "carl@example.org",
}

# A file's content; with a mode; or a tree or commit by mode and object id.
Content = bytes | tuple[str, bytes | str] | None


@dataclass
class Repository:
    """A bare repository and a way to put things in."""

    path: Path
    object_format: str
    clock: int = 1_700_000_000
    tips: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, path: Path, object_format: str = "sha1") -> Repository:
        command = ["git", "init", "-q", "--bare", "-b", "main", "--object-format", object_format]
        subprocess.run([*command, "--template=", str(path)], env=ENV, check=True)
        return cls(path, object_format)

    def git(self, *args: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """Run git on it and return what it prints, stripped."""
        return self.raw(*args, data=data, env=env).decode("utf-8", "surrogateescape").strip()

    def raw(self, *args: str, data: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        done = subprocess.run(
            ["git", f"--git-dir={self.path}", *args],
            input=data,
            env=ENV | dict(env or {}),
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=data)

    def tree(self, entries: Sequence[tuple[str, str, str]]) -> str:
        """A tree from (mode, name, oid); names may be anything that git can store."""
        kinds = {"040000": "tree", "160000": "commit"}
        lines = b"".join(
            f"{mode} {kinds.get(mode, 'blob')} {oid}\t".encode() + os.fsencode(name) + b"\0"
            for mode, name, oid in entries
        )
        return self.git("mktree", "-z", "--missing", data=lines)

    def object(self, kind: str, data: bytes) -> str:
        """An object with exactly these bytes, however malformed."""
        return self.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", data=data)

    def commit(
        self,
        changes: Mapping[str, Content],
        message: str = "A commit",
        *,
        branch: str = "main",
        parents: Sequence[str] | None = None,
        when: int | None = None,
    ) -> str:
        """Add a commit; None deletes a path. Parents default to the branch's tip."""
        if parents is None:
            parents = [self.tips[branch]] if branch in self.tips else []
        self.clock += 60
        stamp = when if when is not None else self.clock
        head = [f"commit refs/heads/{branch}", "mark :1"]
        head += [f"author Ann Author <ann@example.org> {stamp} +0100"]
        head += [f"committer Carl Committer <carl@example.org> {stamp} +0100"]
        text = os.fsencode(message)
        stream = "\n".join(head).encode() + b"\ndata %d\n%s\n" % (len(text), text)
        words = ["from", *["merge"] * 100]
        if not parents:
            stream = b"reset refs/heads/" + os.fsencode(branch) + b"\n" + stream
        stream += b"".join(f"{w} {p}\n".encode() for w, p in zip(words, parents, strict=False))
        for name, content in changes.items():
            stream += _change(name, content)
        self.raw("fast-import", "--quiet", "--force", data=stream + b"\ndone\n")
        self.tips[branch] = self.git("rev-parse", f"refs/heads/{branch}")
        return self.tips[branch]

    def bomb(self, depth: int = 9, width: int = 10) -> str:
        """A tree of few objects that names WIDTH to the power of DEPTH files."""
        oid, mode = self.blob(b"boom"), "100644"
        for _ in range(depth):
            oid = self.tree([(mode, f"f{number}", oid) for number in range(width)])
            mode = "040000"
        return oid


def _change(name: str, content: Content) -> bytes:
    quoted = b'"' + os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    quoted = quoted.replace(b"\n", b"\\n")
    if content is None:
        return b"D " + quoted + b"\n"
    mode, data = content if isinstance(content, tuple) else ("100644", content)
    if isinstance(data, str):
        return f"M {mode} {data} ".encode() + quoted + b"\n"
    return f"M {mode} inline ".encode() + quoted + b"\ndata %d\n%s\n" % (len(data), data)
