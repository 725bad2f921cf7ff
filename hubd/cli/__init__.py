"""The console script ``hubd``."""

from __future__ import annotations

import sys

import click

from hubd import __version__
from hubd.cli import admin, doctor, serve, store
from hubd.errors import HubError


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """A self-hosted, Git-native hub for models, datasets, code and Spaces."""


cli.add_command(serve.serve)
cli.add_command(admin.admin)
cli.add_command(store.store)
cli.add_command(doctor.doctor)


def main() -> None:
    """Run; a failure is one clear line and a non-zero exit status."""
    try:
        cli(standalone_mode=False)
    except HubError as error:
        print(f"hubd: {error.sentence}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"hubd: {place}{error.strerror or error}.", file=sys.stderr)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
