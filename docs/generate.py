"""Writes what is made from the declarations in the code: ``make docs``.

A test compares the files with what this would write, so neither can go stale.
"""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from hubd.config import SECRET_FIELDS, Config, SettingInfo, settings
from hubd.http import csg, hf

ROOT = Path(__file__).resolve().parent.parent
_WIDTH = 98
_TOML_INTRO = """\
# Settings of hubd, each with its default: take the # away from those you change.
# HUBD_NAME in the environment wins over this file, the command line over both.
# Made by `make docs` from hubd/config.py; the same as a table: docs/settings.md.
"""
_MARKDOWN_INTRO = """\
# Settings

<!-- Made by `make docs` from hubd/config.py; do not edit. -->

Each setting is a line of the TOML file that `hubd serve --config FILE` names
([config/hubd.toml](../config/hubd.toml) has them all), or a variable: `HUBD_` and its name in
capitals, lists with commas between their parts. The command line wins over the environment, the
environment over the file. A changed file is checked and taken up without a restart where the table
says *live*; a bad one is reported and the old settings stay. {secrets} are secrets: better in the
environment than in a file that others can read.
"""
_COMPATIBILITY_INTRO = """\
# Clients of other hubs

<!-- Made by `make docs` from hubd/http/hf/table.py and hubd/http/csg/table.py; do not edit. -->

# Clients of the Hugging Face Hub

`export HF_ENDPOINT=https://hub.example` and a token of this hub in `HF_TOKEN` is all that the
unmodified clients need: `huggingface_hub` 2.4, 1.33 and 0.36 with the `hf` command are run against
the hub by its tests, with Xet and without.

`{types}` below is `models`, `datasets`, `spaces` or `codes`. All of it is also there below `/hf`,
`/ms` and `/csg`, where the clients of CSGHub look for it.

Not as on the public hub: `main` stands for the default branch where no branch has that name; the
default branch is protected, so squashing its history needs a rule that allows it; downloads are not
counted; of large files that are removed the history keeps the pointers (`rewrite_history=False`); a
webhook's secret is never shown; how a Space is to run is kept, but nothing runs it yet.
"""
_CSGHUB_INTRO = """\

# Clients of CSGHub

`export CSGHUB_DOMAIN=https://hub.example` and a token of this hub in `CSGHUB_TOKEN` is all that
`csghub-cli` needs: `csghub-sdk` 0.9 is run against the hub by its tests, uploading in each of its
ways (as chunks, as large files, by git, by a form, part by part) and downloading from each of its
sources, by the command and by the functions of `pycsghub`. The command is mostly the Hub's own
library with `/hf` as its end point; what it asks for below `/api/v1` beside that is here, each path
below that prefix and each answer in CSGHub's envelope, `{"msg": "OK", "data": …}` or
`{"code": …, "msg": …, "context": {…}}`.
"""


def groups() -> Iterator[tuple[str, list[SettingInfo]]]:
    """The settings under the headings that the declarations have as comments."""
    heading, heading_of = "", dict[str, str]()
    for line in inspect.getsource(Config).splitlines():
        if comment := re.match(r" {4}# (.+)$", line):
            heading = comment[1]
        elif declared := re.match(r" {4}(\w+): Annotated\b", line):
            heading_of[declared[1]] = heading
    for name, members in groupby(settings(), key=lambda info: heading_of[info.name]):
        yield name, list(members)


def literal(value: object) -> str:
    """A default as TOML; JSON's strings, lists, numbers and booleans are TOML's too."""
    return json.dumps(value, ensure_ascii=False)


def unit_of(info: SettingInfo) -> str:
    """The unit, with a large number of bytes said in a shorter way too."""
    if info.unit == "bytes" and isinstance(info.default, int):
        for size, word in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
            if info.default >= size and info.default % size == 0:
                return f"bytes; the default is {info.default // size} {word}"
    return info.unit


def toml() -> str:
    """The text of ``config/hubd.toml``: every setting with its default, commented out."""
    parts = [_TOML_INTRO]
    for heading, members in groups():
        parts.append(f"\n# ---- {heading} ----\n")
        for info in members:
            notes = [info.meaning]
            if unit := unit_of(info):
                notes.append(f"Unit: {unit}.")
            notes.append("Taken up while running." if info.live else "Needs a restart.")
            comment = textwrap.fill(
                " ".join(notes), _WIDTH, initial_indent="# ", subsequent_indent="# "
            )
            parts.append(f"\n{comment}\n#{info.name} = {literal(info.default)}\n")
    return "".join(parts)


def markdown() -> str:
    """The text of ``docs/settings.md``."""
    *most, last = (f"`{name}`" for name in sorted(SECRET_FIELDS))
    secrets = f"{', '.join(most)} and {last}"
    parts = [_MARKDOWN_INTRO.format(secrets=secrets)]
    for heading, members in groups():
        parts.append(f"\n## {heading}\n\n| setting | default | unit | change | meaning |\n")
        parts.append("| --- | --- | --- | --- | --- |\n")
        for info in members:
            change = "live" if info.live else "restart"
            cells = (
                f"`{info.name}`",
                f"`{literal(info.default)}`",
                unit_of(info),
                change,
                info.meaning.replace("|", "\\|"),
            )
            parts.append(f"| {' | '.join(cells)} |\n".replace("|  |", "| |"))
    return "".join(parts)


def compatibility() -> str:
    """The text of ``docs/compatibility.md``: every call of other hubs' clients, with its state."""
    tables = (_COMPATIBILITY_INTRO, hf.ENDPOINTS), (_CSGHUB_INTRO, csg.ENDPOINTS)
    return "".join(intro + calls(endpoints) for intro, endpoints in tables)


def calls(endpoints: Sequence[hf.Endpoint]) -> str:
    """The calls of one dialect: those answered first."""
    parts = []
    # Sorting keeps the order of equals.
    rows = sorted(endpoints, key=lambda endpoint: not endpoint.built)
    for built, members in groupby(rows, key=lambda endpoint: endpoint.built):
        parts.append(f"\n## {'Answered' if built else 'Not yet: 501 with a sentence'}\n\n")
        parts.append("| method | path | what |\n| --- | --- | --- |\n")
        for endpoint in members:
            path = endpoint.shown_path.replace("|", "\\|")
            method = "any" if endpoint.method == "*" else endpoint.method
            parts.append(f"| {method} | `{path}` | {endpoint.summary} |\n")
    return "".join(parts)


def texts() -> dict[Path, str]:
    """Every generated file with what belongs in it."""
    return {
        ROOT / "config" / "hubd.toml": toml(),
        ROOT / "docs" / "settings.md": markdown(),
        ROOT / "docs" / "compatibility.md": compatibility(),
    }


def main() -> None:
    """Write them all."""
    for path, text in texts().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
