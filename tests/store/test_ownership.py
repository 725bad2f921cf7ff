"""One owner for each table: nobody else names it in an INSERT, UPDATE or DELETE (rule 5)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import hubd
from hubd.store import schema

ROOT = Path(hubd.__file__).parent
OWNERS = {
    "namespaces": "namespaces",
    "namespace_redirects": "namespaces",
    "users": "users",
    "org_members": "orgs",
    "repos": "repos",
    "repo_redirects": "repos",
    "collaborators": "repos",
    "ref_rules": "rules",
    "tokens": "tokens",
    "ssh_keys": "keys",
    "sessions": "sessions",
    "pushes": "pushes",
    "push_refs": "pushes",
    "events": "pushes",
    "audit": "audit",
}
WRITING = {"insert", "update", "delete", "upsert"}


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def writes(source: str) -> set[str]:
    """The tables that a module writes: ``insert(TABLE)``, ``x.TABLE.insert()`` and the like."""
    tree = ast.parse(source)
    alias = {
        item.asname or item.name: item.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for item in node.names
    }
    for node in ast.walk(tree):  # table = other
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _name(node.value)
            if value is not None:
                alias[node.targets[0].id] = alias.get(value, value)
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node.func) not in WRITING:
            continue
        named = [*node.args[:2]]
        if isinstance(node.func, ast.Attribute):
            named.append(node.func.value)
        names = [_name(item) for item in named]
        found |= {alias.get(n, n) for n in names if n is not None} & set(schema.metadata.tables)
    return found


def test_every_table_has_an_owner() -> None:
    assert set(OWNERS) == set(schema.metadata.tables)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_owner_writes_a_table(path: Path) -> None:
    owned = {table for table, owner in OWNERS.items() if path == ROOT / "store" / f"{owner}.py"}
    assert writes(path.read_text()) <= owned


def test_each_owner_writes_what_it_owns() -> None:
    for table, owner in OWNERS.items():
        assert table in writes((ROOT / "store" / f"{owner}.py").read_text()), table


@pytest.mark.parametrize(
    "source",
    [
        "insert(schema.users)",
        "from x import users as u\nsa.update(u).values(a=1)",
        "t.users.delete()",
        "users.insert().values(a=1)",
        "from x import users as u\ntable = u\ndelete(table)",
        "rows.upsert(conn, users, ('id',), id=1)",
    ],
)
def test_the_search_finds_a_write(source: str) -> None:
    assert writes(source) == {"users"}
