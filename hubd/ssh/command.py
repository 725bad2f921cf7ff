"""The few commands that may be asked for, and their exact grammar."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hubd.errors import Invalid
from hubd.types import RepoRef

MAX_COMMAND = 4096
_QUOTED = re.compile(r"'((?:[^'\\!\n\0]|'\\''|'\\!')*)'\Z")
_BARE = re.compile(r"[A-Za-z0-9~/][A-Za-z0-9._~/-]*\Z")
_SERVICES = {
    "git-upload-pack": "upload-pack",
    "git upload-pack": "upload-pack",
    "git-receive-pack": "receive-pack",
    "git receive-pack": "receive-pack",
}


@dataclass(frozen=True, slots=True)
class GitCommand:
    """A service and the repository it is asked of."""

    service: str
    ref: RepoRef


def parse_command(text: str) -> GitCommand:
    """``git-upload-pack 'PATH'`` or ``git-receive-pack 'PATH'``; raises ``Invalid``."""
    if len(text) > MAX_COMMAND:
        raise Invalid("The command is too long.")
    for verb, service in _SERVICES.items():
        if text.startswith(verb + " "):
            return GitCommand(service, RepoRef.from_path(_unquote(text[len(verb) + 1 :])))
    raise Invalid("This server offers git only: no shell, no files, no forwarding.")


def _unquote(word: str) -> str:
    quoted = _QUOTED.match(word)
    if quoted:
        return re.sub(r"'\\(['!])'", r"\1", quoted[1])
    if _BARE.match(word):
        return word
    raise Invalid("The repository's address is malformed.")
