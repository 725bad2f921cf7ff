"""Whether a hub's data is sound after a fault: an independent look, without hubd's own code.

Reads the database with sqlite3 and the repositories with git, and believes nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

ZERO = "0"


def _git(path: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", "--git-dir", str(path), *args], capture_output=True, text=True, check=False
    )


def repo_path(data: Path, repo_id: int) -> Path:
    """Where a repository lies."""
    return data / "repos" / f"{repo_id % 256:02x}" / f"{repo_id}.git"


def faults(
    data: Path,
    *,
    acknowledged: Mapping[int, Sequence[str]] | None = None,
    is_restarted: bool = True,
) -> list[str]:
    """All that is wrong: ``acknowledged`` maps repository ids to commits that clients were told of.

    ``is_restarted``: a start has come since the fault, so nothing may be left open.
    """
    conn = sqlite3.connect(f"file:{data / 'hubd.db'}?mode=ro", uri=True, timeout=20)
    try:
        return [
            *_integrity(conn),
            *(_open_intents(conn) if is_restarted else []),
            *_doubled(conn),
            *_objects(conn, data),
            *(
                fault
                for repo_id, made in _repos(conn)
                for fault in _repo(conn, data, repo_id, made, (acknowledged or {}).get(repo_id, ()))
            ),
        ]
    finally:
        conn.close()


def wait_sound(
    data: Path, acknowledged: Mapping[int, Sequence[str]] | None = None, seconds: float = 15.0
) -> list[str]:
    """The faults that are still there after a while: a start clears up in the background."""
    deadline = time.monotonic() + seconds
    while (found := faults(data, acknowledged=acknowledged)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _repos(conn: sqlite3.Connection) -> list[tuple[int, bool]]:
    return [
        (row[0], row[1] is not None)
        for row in conn.execute("SELECT id, pushed_at FROM repos ORDER BY id")
    ]


def _integrity(conn: sqlite3.Connection) -> list[str]:
    found = [row[0] for row in conn.execute("PRAGMA integrity_check")]
    broken = [str(row) for row in conn.execute("PRAGMA foreign_key_check")]
    return [f"database: {text}" for text in (*found, *broken) if text != "ok"]


def _open_intents(conn: sqlite3.Connection) -> list[str]:
    rows = conn.execute("SELECT id, repo_id FROM pushes WHERE state = 'intent'")
    return [f"push {push} of repository {repo} is still open" for push, repo in rows]


def _doubled(conn: sqlite3.Connection) -> list[str]:
    """Each move of a done push has exactly one event, and no event lacks its move."""
    wanted = {
        (push, ref)
        for push, ref in conn.execute(
            "SELECT push_id, ref FROM push_refs JOIN pushes ON pushes.id = push_id"
            " WHERE state = 'done' AND applied"
        )
    }
    found: dict[tuple[int, str], int] = defaultdict(int)
    for push, ref in conn.execute(
        "SELECT push_id, ref FROM events WHERE kind = 'ref.updated' ORDER BY id"
    ):
        found[push, ref] += 1
    return [
        *(f"event of push {p} for {r}: {n} times" for (p, r), n in found.items() if n != 1),
        *(f"push {p} moved {r} without an event" for p, r in sorted(wanted - set(found))),
        *(f"event of push {p} for {r} without a move" for p, r in sorted(set(found) - wanted)),
    ]


def _objects(conn: sqlite3.Connection, data: Path) -> list[str]:
    """Whatever is listed is there, with its size and its hash."""
    out = []
    for oid, size in conn.execute("SELECT oid, size FROM objects").fetchall():
        file = data / "blobs" / "objects" / oid[:2] / oid[2:4] / oid
        if not file.exists():
            out.append(f"object {oid[:12]} is not there")
        elif file.stat().st_size != size:
            out.append(f"object {oid[:12]} has {file.stat().st_size} bytes, not {size}")
        elif _sha256(file) != oid:
            out.append(f"object {oid[:12]} has other bytes")
    query = (
        "SELECT repo_id, l.oid FROM object_links l LEFT JOIN objects o ON o.oid = l.oid"
        " WHERE o.size IS NOT l.size"
    )
    rows = conn.execute(query)
    return [*out, *(f"repository {repo} links {oid[:12]} wrongly" for repo, oid in rows)]


def _sha256(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _repo(
    conn: sqlite3.Connection, data: Path, repo_id: int, made: bool, acknowledged: Sequence[str]
) -> list[str]:
    path = repo_path(data, repo_id)
    if not (path / "HEAD").exists():
        return [f"repository {repo_id} has no directory"] if made or acknowledged else []
    fsck = _git(path, "fsck", "--full", "--strict", "--no-dangling", "--no-progress")
    # Notices are no faults: an empty repository has an unborn branch.
    told = [line for line in fsck.stderr.splitlines() if not line.startswith("notice: ")]
    out = [f"repository {repo_id}: {line}" for line in told]
    if fsck.returncode:
        out.append(f"repository {repo_id}: fsck says {fsck.returncode}")
    out += [f"repository {repo_id}: left over {f.name}" for f in _leftovers(path)]
    return out + _replay(conn, path, repo_id) + _reachable(path, repo_id, acknowledged)


def _leftovers(path: Path) -> list[Path]:
    return [
        *(lock for lock in path.rglob("*.lock") if lock.name != "hubd.lock"),
        *path.glob("objects/tmp_objdir*"),
        *path.glob("objects/incoming-*"),
        *path.glob("objects/pack/tmp_*"),
        *path.glob("objects/pack/.tmp-*"),
        *path.glob("objects/??/tmp_obj_*"),
        *path.glob("objects/info/**/tmp_*"),
        *path.glob("packed-refs.new"),
        *path.glob("shallow_*"),
    ]


def _replay(conn: sqlite3.Connection, path: Path, repo_id: int) -> list[str]:
    """The events, one after the other, must lead from nothing to the refs that are there."""
    refs: dict[str, str] = {}
    out = []
    for ref, payload in conn.execute(
        "SELECT ref, payload FROM events WHERE repo_id = ? AND kind = 'ref.updated' ORDER BY id",
        (repo_id,),
    ):
        move = json.loads(payload)
        old, new = str(move["old"]), str(move["new"])
        before = refs.get(ref, "")
        if (old if old.strip(ZERO) else "") != before:
            out.append(f"repository {repo_id}: {ref} moves from {old[:8]}, was {before[:8]}")
        if new.strip(ZERO):
            refs[ref] = new
        else:
            refs.pop(ref, None)
    shown = _git(path, "for-each-ref", "--format=%(refname) %(objectname)").stdout.splitlines()
    real = dict(line.split(" ") for line in shown)
    if real != refs:
        odd = {r: (refs.get(r), real.get(r)) for r in {*refs, *real} if refs.get(r) != real.get(r)}
        out.append(f"repository {repo_id}: the events lead elsewhere: {odd}")
    return out


def _reachable(path: Path, repo_id: int, acknowledged: Sequence[str]) -> list[str]:
    if not acknowledged:
        return []
    reached = set(_git(path, "rev-list", "--all").stdout.split())
    return [
        f"repository {repo_id}: {oid} was acknowledged and is not reachable"
        for oid in acknowledged
        if oid not in reached
    ]
