"""``hubd admin …``: users, tokens, keys, organizations, repositories and quotas.

Each prints a secret or id alone on standard output, so that a script can capture it.
"""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import Any

import click

from hubd.cli import quota
from hubd.cli.operate import TYPES, do, parse_duration, place_options, repo_words
from hubd.errors import Invalid

ROLES = click.Choice(["read", "write", "admin", "none"])


@click.group()
@place_options
@click.pass_context
def admin(context: click.Context, config_file: Path | None, data_dir: str | None) -> None:
    """Manage accounts and repositories; works with the daemon running or stopped."""
    context.obj = (config_file, data_dir)


def _say(text: str) -> None:
    print(text, file=sys.stderr)


@admin.group()
def user() -> None:
    """Users."""


@user.command("add")
@click.argument("name")
@click.option("--email", help="E-mail address.")
@click.option("--full-name", default="", help="Name to show.")
@click.option("--admin", "is_admin", is_flag=True, help="Administrator of the hub.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_context
def user_add(
    context: click.Context,
    name: str,
    email: str | None,
    full_name: str,
    is_admin: bool,
    password_stdin: bool,
) -> None:
    """Add a user; prints its id."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    print(
        do(
            context,
            "user.add",
            name=name,
            email=email,
            full_name=full_name,
            admin=is_admin,
            password=password,
        )
    )


@user.command("list")
@click.pass_context
def user_list(context: click.Context) -> None:
    """List all users: name, e-mail, marks."""
    for row in do(context, "user.list"):
        marks = [mark for mark in ("admin", "disabled") if row[mark]]
        print("\t".join([row["name"], row["email"] or "-", ",".join(marks) or "-"]))


@user.command("disable")
@click.argument("name")
@click.option("--enable", is_flag=True, help="Let the account in again.")
@click.pass_context
def user_disable(context: click.Context, name: str, enable: bool) -> None:
    """Shut an account out everywhere, at once."""
    do(context, "user.disable", name=name, enable=enable)


@user.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_context
def user_passwd(context: click.Context, name: str, password_stdin: bool) -> None:
    """Set a password; without --password-stdin makes a one-time one and prints it."""
    if password_stdin:
        do(context, "user.passwd", name=name, password=sys.stdin.readline().rstrip("\n"))
        return
    password = secrets.token_urlsafe(15)
    do(context, "user.passwd", name=name, password=password, must_change=True)
    print(password)


@admin.group()
def token() -> None:
    """Access tokens."""


@token.command("add")
@click.argument("user_name", metavar="USER")
@click.option("--name", default="", help="What the token is for.")
@click.option("--scope", type=click.Choice(["read", "write", "admin"]), default="read")
@click.option("--expires", help="Life time, as 30d, 12h or 1s; none: for ever.")
@click.pass_context
def token_add(
    context: click.Context, user_name: str, name: str, scope: str, expires: str | None
) -> None:
    """Make a token for a user; prints it, this once."""
    lifetime = parse_duration(expires)
    print(do(context, "token.add", user=user_name, name=name, scope=scope, lifetime=lifetime))


@admin.group()
def key() -> None:
    """SSH keys."""


@key.command("add")
@click.argument("user_name", metavar="USER")
@click.argument("file", type=click.File("r"))
@click.pass_context
def key_add(context: click.Context, user_name: str, file: Any) -> None:
    """Let the public key in FILE (- for standard input) sign in as USER; prints its fingerprint."""
    added = do(context, "key.add", user=user_name, key=file.read())
    if added["warning"]:
        _say(f"hubd: {added['warning']}")
    print(added["fingerprint"])


@admin.group()
def org() -> None:
    """Organizations."""


@org.command("add")
@click.argument("name")
@click.option("--owner", required=True, help="The first administrator.")
@click.option("--full-name", default="", help="Name to show.")
@click.option(
    "--default-visibility",
    type=click.Choice(["public", "internal", "private"]),
    help="Of new repositories.",
)
@click.pass_context
def org_add(
    context: click.Context,
    name: str,
    owner: str,
    full_name: str,
    default_visibility: str | None,
) -> None:
    """Add an organization; prints its id."""
    print(
        do(
            context,
            "org.add",
            name=name,
            owner=owner,
            full_name=full_name,
            visibility=default_visibility,
        )
    )


@org.command("member")
@click.argument("name", metavar="ORG")
@click.argument("user_name", metavar="USER")
@click.option("--role", type=ROLES, required=True, help="none ends the membership.")
@click.pass_context
def org_member(context: click.Context, name: str, user_name: str, role: str) -> None:
    """Give a user a role in an organization."""
    do(context, "org.member", org=name, user=user_name, role=role)


@admin.group()
def repo() -> None:
    """Repositories."""


@repo.command("add")
@click.argument("repo_type", metavar="TYPE", type=click.Choice(TYPES))
@click.argument("repo_id", metavar="NS/NAME")
@click.option("--private", "visibility", flag_value="private", help="Only who has a role reads.")
@click.option("--internal", "visibility", flag_value="internal", help="Any signed-in user reads.")
@click.option("--public", "visibility", flag_value="public", help="Anybody reads.")
@click.option("--object-format", type=click.Choice(["sha1", "sha256"]), default="sha1")
@click.pass_context
def repo_add(
    context: click.Context,
    repo_type: str,
    repo_id: str,
    visibility: str | None,
    object_format: str,
) -> None:
    """Make an empty repository; prints its id."""
    print(
        do(
            context,
            "repo.add",
            type=repo_type,
            repo=repo_id,
            visibility=visibility,
            object_format=object_format,
        )
    )


@repo.command("grant")
@click.argument("words", nargs=-1, metavar="[TYPE] NS/NAME USER")
@click.option("--role", type=ROLES, required=True, help="none takes the role away.")
@click.pass_context
def repo_grant(context: click.Context, words: tuple[str, ...], role: str) -> None:
    """Give a user a role on a repository."""
    kind, repo_id, (user_name,) = repo_words(words, 1)
    do(context, "repo.grant", type=kind, repo=repo_id, user=user_name, role=role)


@repo.command("list")
@click.option("--namespace", help="Only of this user or organization.")
@click.pass_context
def repo_list(context: click.Context, namespace: str | None) -> None:
    """List all repositories: address, visibility, id."""
    for row in do(context, "repo.list", namespace=namespace):
        print(f"{row['path']}\t{row['visibility']}\t{row['id']}")


@repo.command("delete")
@click.argument("words", nargs=-1, metavar="[TYPE] NS/NAME")
@click.pass_context
def repo_delete(context: click.Context, words: tuple[str, ...]) -> None:
    """Put a repository into the trash, from where it can be restored for a week."""
    kind, repo_id, _ = repo_words(words)
    do(context, "repo.delete", type=kind, repo=repo_id)


@repo.command("trash")
@click.argument("namespace")
@click.pass_context
def repo_trash(context: click.Context, namespace: str) -> None:
    """List what a user or organization has in the trash: id, address, when it was deleted."""
    for row in do(context, "repo.trash", namespace=namespace):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row["deleted_at"]))
        print(f"{row['id']}\t{row['path']}\t{when}")


@repo.command("restore")
@click.argument("repo_key", metavar="ID", type=int)
@click.pass_context
def repo_restore(context: click.Context, repo_key: int) -> None:
    """Take a repository out of the trash by its id; prints its address."""
    print(do(context, "repo.restore", id=repo_key))


@repo.command("fsck")
@click.argument("words", nargs=-1, metavar="[TYPE] NS/NAME")
@click.pass_context
def repo_fsck(context: click.Context, words: tuple[str, ...]) -> None:
    """Verify a repository; prints each fault and fails if there is one."""
    kind, repo_id, _ = repo_words(words)
    faults = do(context, "repo.fsck", type=kind, repo=repo_id)
    for fault in faults:
        print(fault)
    if faults:
        raise Invalid(f"{repo_id} has {len(faults)} faults.")


@repo.command("gc")
@click.argument("words", nargs=-1, metavar="[TYPE] NS/NAME")
@click.option("--prune-now", is_flag=True, help="Forget what no ref reaches, as a leaked secret.")
@click.pass_context
def repo_gc(context: click.Context, words: tuple[str, ...], prune_now: bool) -> None:
    """Repack a repository now."""
    kind, repo_id, _ = repo_words(words)
    do(context, "repo.gc", type=kind, repo=repo_id, prune_now=prune_now)


admin.add_command(quota.quota)
