"""``hubd store …``: the large files: what there is, what may go, what is damaged."""

from __future__ import annotations

from pathlib import Path

import click

from hubd.cli.operate import do, place_options
from hubd.errors import Unavailable
from hubd.lfs.quota import human


@click.group()
@place_options
@click.pass_context
def store(context: click.Context, config_file: Path | None, data_dir: str | None) -> None:
    """Look after large files; works with the daemon running or stopped."""
    context.obj = (config_file, data_dir)


@store.command()
@click.pass_context
def usage(context: click.Context) -> None:
    """Print what is stored, what it is for, and who has most (the trash included)."""
    found = do(context, "store.usage")
    for name in ("stored", "linked"):
        print(f"{name}\t{_amount(found[name])}")
    if found["free"] is not None:
        print(f"free\t{human(found['free'])}")
    print(f"place\t{found['place']}")
    for one in found["holdings"]:
        print(f"{one['namespace']}\t{_amount(one)}")


def _amount(usage: dict[str, int]) -> str:
    return f"{human(usage['bytes'])}\t{usage['objects']} files\t{usage['bytes']} bytes"


@store.command()
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.pass_context
def gc(context: click.Context, dry_run: bool) -> None:
    """Remove what no repository points to and nobody used for the grace (object_grace).

    The daemon does this by itself every collect_hours. Fails if a repository could not be read;
    nothing of it is removed then.
    """
    done = do(context, "store.gc", dry_run=dry_run)
    print(f"{'would free' if dry_run else 'freed'}\t{human(done['bytes'])}\t{done['bytes']} bytes")
    for name in ("links", "objects", "strays", "chunks"):
        print(f"{name}\t{done[name]}")
    if done["skipped"]:
        ids = ", ".join(map(str, done["skipped"]))
        raise Unavailable(f"Repositories that could not be read: {ids}.", hint="See the log.")


@store.command()
@click.option("--repair-list", is_flag=True, help="Also print where each damaged file belongs.")
@click.pass_context
def verify(context: click.Context, repair_list: bool) -> None:
    """Read and hash everything that is stored; prints what is damaged and fails if anything is.

    With --repair-list each line goes on with the file's place below the store and the
    repositories that have it, to bring it back from a backup.
    """
    found = do(context, "store.verify")
    done = found["done"]
    for one in done["damaged"]:
        oid = one["oid"]
        more = [f"objects/{oid[:2]}/{oid[2:4]}/{oid}", *found["owners"].get(oid, ())]
        words = [oid, str(one["size"]), one["reason"], *(more if repair_list else ())]
        print("\t".join(words))
    wrong = len(done["damaged"])
    summary = f"{done['objects']} files, {human(done['bytes'])}; {done['strays']} without a row"
    click.echo(f"{summary}; {wrong} damaged.", err=True)
    if wrong:
        raise Unavailable(f"{wrong} of {done['objects']} files are damaged.")


@store.command()
@click.option("--to", type=click.Choice(["local", "s3"]), required=True)
@click.pass_context
def migrate(context: click.Context, to: str) -> None:
    """Copy all large files to another place, verified, while the hub goes on.

    First copy ahead as often as you like. Then set blob_store and restart: what is new goes to the
    new place, the rest is read where it was. Run it again, and the move is done. Cut short, it goes
    on where it was; the old place keeps its files.
    """
    done = do(context, "store.migrate", to=to)
    for path in done["damaged"]:
        print(f"damaged\t{path}")
    print(f"copied\t{human(done['bytes'])}\t{done['blobs']} files\t{done['bytes']} bytes")
    if done["damaged"]:
        raise Unavailable(
            f"{len(done['damaged'])} files are damaged and were not copied.",
            hint="Bring them back from a backup; hubd store verify --repair-list says where.",
        )
    if done["is_done"]:
        click.echo(f"All large files are in {to}.", err=True)
    else:
        told = f'Now set blob_store = "{to}", restart, and run this again for what came meanwhile.'
        click.echo(told, err=True)


@store.command()
@click.pass_context
def forget(context: click.Context) -> None:
    """Have the daemon read the database anew, after somebody changed it by hand."""
    do(context, "store.forget")
