"""Repositories of known shape, made by ``git fast-import`` from a seed, alike everywhere."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

_EPOCH = 1_700_000_000
_WHO = b"Ada Lovelace <ada@example.org>"
Writer = IO[bytes]


def _import(path: Path, write: Callable[[Writer], None], object_format: str = "sha1") -> Path:
    """Make a bare repository and run one fast-import of what ``write`` writes."""
    init = ["git", "init", "--quiet", "--bare", "--initial-branch=main", "--template="]
    subprocess.run([*init, f"--object-format={object_format}", str(path)], check=True)
    command = ["git", "-C", str(path), "fast-import", "--quiet", "--done", "--force"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        write(process.stdin)
        process.stdin.write(b"done\n")
        process.stdin.close()
        if process.wait():
            raise RuntimeError(f"fast-import failed for {path}")
    return path


def _commit(out: Writer, ref: str, number: int, text: str, parents: tuple[str, ...] = ()) -> None:
    """The head of a commit; its files follow. Marks are the commits' numbers, from 1."""
    out.write(b"commit %s\nmark :%d\n" % (ref.encode(), number))
    out.write(b"committer %s %d +0000\n" % (_WHO, _EPOCH + 60 * number))
    message = text.encode()
    out.write(b"data %d\n%s\n" % (len(message), message))
    for keyword, parent in zip(("from", "merge"), parents, strict=False):
        out.write(f"{keyword} {parent}\n".encode())


def _file(out: Writer, path: str, data: bytes) -> None:
    out.write(b"M 100644 inline %s\ndata %d\n" % (path.encode(), len(data)))
    out.write(data + b"\n")


def _lines(chance: random.Random, count: int) -> bytes:
    return b"".join(b"%s %08x\n" % (b"row", chance.getrandbits(32)) for _ in range(count))


def big_pack(path: Path, size: int, *, commits: int = 350) -> Path:
    """``size`` bytes of blobs that no compression makes smaller, over some hundred commits."""
    chance = random.Random(1)

    def write(out: Writer) -> None:
        left = size
        for number in range(1, commits + 1):
            _commit(out, "refs/heads/main", number, f"Weights, part {number}")
            average = size // commits
            count = left if number == commits else chance.randint(average // 2, average * 3 // 2)
            count = min(count, left)
            _file(out, f"part-{number % 40:02d}/weights-{number:04d}.bin", chance.randbytes(count))
            left -= count

    return _import(path, write)


def long_history(path: Path, commits: int, *, object_format: str = "sha1") -> Path:
    """Many small commits with merges, branches and tags, on 1,200 small files."""
    chance = random.Random(2)
    tree = {n: _lines(chance, 12) for n in range(1200)}

    def write(out: Writer) -> None:
        for number in range(1, commits + 1):
            parents: tuple[str, ...] = (f":{number - 1}",) if number > 1 else ()
            if number % 50 == 0 and number > 60:
                parents = (f":{number - 1}", f":{number - 40}")
            ref = "refs/heads/main" if number != commits - 1 else "refs/heads/side"
            _commit(out, ref, number, f"Change {number}\n\nWhy: because of {number}.", parents)
            for key in _some_files(chance, first=number == 1):
                text = tree[key].splitlines(keepends=True)
                text[chance.randrange(len(text))] = _lines(chance, 1)
                tree[key] = b"".join(text)
                _file(out, f"src/d{key % 60:02d}/file{key:04d}.txt", tree[key])
            if number % 5000 == 0 or number == commits:
                _tag(out, f"v{number}", number)

    return _import(path, write, object_format)


def _some_files(chance: random.Random, *, first: bool) -> Iterator[int]:
    yield from range(1200) if first else {chance.randrange(1200) for _ in range(2)}


def _tag(out: Writer, name: str, number: int) -> None:
    out.write(f"tag {name}\nfrom :{number}\n".encode())
    out.write(b"tagger %s %d +0000\ndata 4\nTag.\n" % (_WHO, _EPOCH + 60 * number))


def many_refs(path: Path, refs: int) -> Path:
    """Half branches, half tags, a tenth of the tags annotated; a commit for each branch."""
    chance = random.Random(3)
    branches = refs // 2

    def write(out: Writer) -> None:
        for number in range(1, branches + 1):
            main = number == branches
            ref = "refs/heads/main" if main else f"refs/heads/topic-{number:05d}"
            parent = (f":{chance.randrange(max(1, number - 50), number)}",) if number > 1 else ()
            _commit(out, ref, number, f"Work {number}", parent)
            _file(out, f"notes/{number % 100:02d}.txt", _lines(chance, 3))
        for number in range(1, refs - branches + 1):
            if number % 10 == 0:
                _tag(out, f"t{number:05d}", number)
            else:
                out.write(f"reset refs/tags/t{number:05d}\nfrom :{number}\n\n".encode())

    return _import(path, write)


def many_files(path: Path, files: int, *, commits: int = 20) -> Path:
    """A tree of ``files`` small files in folders of 100, touched by a few commits."""
    chance = random.Random(4)

    def write(out: Writer) -> None:
        for number in range(1, commits + 1):
            parents: tuple[str, ...] = (f":{number - 1}",) if number > 1 else ()
            _commit(out, "refs/heads/main", number, f"Files, round {number}", parents)
            wanted = range(files) if number == 1 else chance.sample(range(files), files // 100)
            for key in wanted:
                top, folder = key // 10000, key // 100 % 100
                _file(out, f"tree/{top:02d}/{folder:02d}/f{key:06d}.txt", _lines(chance, 4))

    return _import(path, write)


def small(path: Path, *, commits: int = 200) -> Path:
    """A project as most are: a few hundred commits, a hundred files."""
    chance = random.Random(5)

    def write(out: Writer) -> None:
        for number in range(1, commits + 1):
            parents: tuple[str, ...] = (f":{number - 1}",) if number > 1 else ()
            _commit(out, "refs/heads/main", number, f"Step {number}", parents)
            keys = range(100) if number == 1 else [chance.randrange(100)]
            for key in keys:
                _file(out, f"src/m{key // 10}/part{key:02d}.py", _lines(chance, 40))

    return _import(path, write)
