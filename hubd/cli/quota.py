"""``hubd admin quota …``: how many large files a namespace or repository may hold."""

from __future__ import annotations

import click

from hubd.cli.operate import do, repo_words
from hubd.errors import Invalid
from hubd.lfs.quota import human, parse_amount


def _whose(words: tuple[str, ...]) -> dict[str, str]:
    if len(words) == 1 and "/" not in words[0]:
        return {"type": "model", "whose": words[0]}
    kind, repo_id, _ = repo_words(words)
    return {"type": kind, "whose": repo_id}


@click.group()
def quota() -> None:
    """Limits for large files."""


@quota.command("show")
@click.argument("words", nargs=-1, metavar="NS | [TYPE] NS/NAME")
@click.pass_context
def quota_show(context: click.Context, words: tuple[str, ...]) -> None:
    """Print what is used and what may be: bytes, then files."""
    found = do(context, "quota.show", **_whose(words))
    room, used = found["room"], found["room"]["used"]
    most = "no limit" if room["bytes"] is None else human(room["bytes"])
    print(f"bytes\t{human(used['bytes'])}\t{most}")
    most = "no limit" if room["objects"] is None else room["objects"]
    print(f"files\t{used['objects']}\t{most}")
    print(f"set\t{'here' if found['own'] else 'by default'}")


@quota.command("set")
@click.argument("words", nargs=-1, metavar="NS | [TYPE] NS/NAME")
@click.option("--bytes", "size", help="At most so many: 500G, 2Ti, a number, or none.")
@click.option("--objects", help="At most so many files, or none.")
@click.option("--default", is_flag=True, help="Let the settings' defaults hold again.")
@click.pass_context
def quota_set(
    context: click.Context,
    words: tuple[str, ...],
    size: str | None,
    objects: str | None,
    default: bool,
) -> None:
    """Set limits; an option left out leaves its limit as it is."""
    if default is (size is not None or objects is not None):
        raise Invalid("Give --bytes, --objects or both, or --default.")
    args = _whose(words)
    now = do(context, "quota.show", **args)["room"]
    limits = {
        "bytes": now["bytes"] if size is None else parse_amount(size),
        "objects": now["objects"] if objects is None else parse_amount(objects),
    }
    do(context, "quota.set", **args, **limits, default=default)
