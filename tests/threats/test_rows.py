"""Every row of the tables of attacks and faults that applies so far has a test with its id."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ATTACKS = [f"T{n:02d}" for n in range(1, 82)]
FAULTS = [f"F{n:02d}" for n in range(1, 23)]
LATER = {
    **dict.fromkeys(["T50", "T51", "T53", "T54"], "going out: mirrors, sign-on"),
    **dict.fromkeys([f"T{n}" for n in range(55, 64)], "models, data and documents"),
    **dict.fromkeys([f"T{n}" for n in range(72, 78)], "runners and Spaces"),
    "T02": "the API's own tests walk the forms of a credential",
    "T03": "the API's own tests walk scopes and expiry",
    "T05": "the API's own tests swap ids between repositories",
    "T07": "the API's own tests raise and drop roles",
    "T12": "runners and Spaces",
    "T79": "backup",
    "T80": "scans for secrets",
    "T81": "a matter of the lock file and of CI",
    "F04": "backup; migrations have their own tests",
    "F15": "backup",
    "F16": "standby",
    "F17": "of database and backup: with backups; of objects and packs it has tests",
    "F18": "there is no release to upgrade from yet",
    "F20": "the load of two hours comes with the benchmark",
    "F22": "jobs",
}


def test_every_row_that_applies_has_a_test() -> None:
    text = "\n".join(f.read_text() for f in TESTS.rglob("test_*.py") if f != Path(__file__))
    tested = {
        row
        for name in re.findall(r"def test_((?:[TF]\d\d_)+)", text)
        for row in name.rstrip("_").split("_")
    }
    missing = [row for row in (*ATTACKS, *FAULTS) if row not in tested and row not in LATER]
    assert missing == []


def test_what_is_put_off_says_why_and_is_a_row() -> None:
    assert set(LATER) <= {*ATTACKS, *FAULTS}
    assert all(LATER.values())
