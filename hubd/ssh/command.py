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
    "git-lfs-authenticate": "lfs-authenticate",
    "git-lfs-transfer": "lfs-transfer",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A service, the repository it is asked of, and for LFS the direction."""

    service: str
    ref: RepoRef
    uploads: bool = False


def parse_command(text: str) -> Command:
    """``git-upload-pack 'PATH'``, ``git-lfs-transfer 'PATH' upload`` …; raises ``Invalid``."""
    if len(text) > MAX_COMMAND:
        raise Invalid("The command is too long.")
    for verb, service in _SERVICES.items():
        if not text.startswith(verb + " "):
            continue
        rest, uploads = text[len(verb) + 1 :], False
        if service.startswith("lfs-"):
            rest, _, operation = rest.rstrip(" ").rpartition(" ")
            if operation not in {"upload", "download"}:
                raise Invalid("The operation is upload or download.")
            uploads = operation == "upload"
        return Command(service, RepoRef.from_path(_unquote(rest)), uploads)
    raise Invalid("This server offers git only: no shell, no files, no forwarding.")


def _unquote(word: str) -> str:
    quoted = _QUOTED.match(word)
    if quoted:
        return re.sub(r"'\\(['!])'", r"\1", quoted[1])
    if _BARE.match(word):
        return word
    raise Invalid("The repository's address is malformed.")
