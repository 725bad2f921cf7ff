"""What every git child is told: its settings, its environment, and how values stand in its line.

Subcommands and flags are constants; values go behind ``=``, positionals behind ``--`` or
``--end-of-options``; the environment is built from nothing; settings are given on the command line,
so that neither a repository's own config nor the machine's has a say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubd.errors import Invalid
from hubd.pktline import DELIM, FLUSH, encode

HIDDEN_REFS = "refs/hubd"

# What every git child is told. bigFileThreshold: a blob above it is streamed, never held whole, so
# a bomb of zeros stays a bomb on the disk quota only; such files get no deltas and belong in LFS.
SETTINGS = (
    "core.bigFileThreshold=1m",
    "core.logAllRefUpdates=false",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.threads=1",
    "pack.windowMemory=256m",
    "pack.writeReverseIndex=true",
    "protocol.allow=never",
    "safe.bareRepository=explicit",
    f"transfer.hideRefs={HIDDEN_REFS}",
    "uploadpack.allowFilter=true",
    "uploadpack.allowAnySHA1InWant=true",
    "uploadpack.keepAlive=5",
    "advice.detachedHead=false",
    "core.attributesFile=/dev/null",
    "i18n.logOutputEncoding=UTF-8",
    "diff.external=",
    "diff.renameLimit=500",
)
RECEIVE = (
    "receive.fsckObjects=true",
    "receive.fsck.badTimezone=ignore",
    "receive.fsck.missingSpaceBeforeDate=ignore",
    "receive.fsck.zeroPaddedFilemode=ignore",
    "receive.unpackLimit=1",
    "receive.autogc=false",
    "receive.keepAlive=5",
    "receive.advertisePushOptions=true",
    "receive.advertiseAtomic=true",
    "receive.denyDeleteCurrent=ignore",
    "receive.denyCurrentBranch=ignore",
    "receive.updateServerInfo=false",
    "core.fsync=committed,reference",
)
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "1",
}


def guarded(
    flags: Sequence[str],
    values: Mapping[str, str] | None,
    args: Sequence[str],
    separator: str,
    paths: Sequence[str] | None = None,
) -> list[str]:
    """Flags, then ``--name=value``, then the positionals behind a separator, then ``--`` and paths.

    Without a separator (some subcommands know none) a positional must not begin with ``-``. Even an
    empty list of paths ends the revisions, so that none is taken for a file.
    """
    line = [*flags, *(f"--{name}={value}" for name, value in (values or {}).items())]
    if args and separator:
        line.append(separator)
    elif any(arg.startswith("-") for arg in args):
        raise Invalid("A value must not begin with '-'.")
    line += args
    if paths is not None:
        line += ["--", *paths]
    if any("\0" in word for word in line):
        raise Invalid("A value has a NUL byte.")
    return line


def v2_request(command: str, args: Sequence[str], object_format: str = "sha1") -> bytes:
    """A request of protocol v2, as a client would send it."""
    head = encode(f"command={command}\n".encode())
    head += encode(f"object-format={object_format}\n".encode())
    return head + DELIM + b"".join(encode(arg.encode() + b"\n") for arg in args) + FLUSH


def empty_tree(like: str) -> str:
    """The id of the tree without entries, in the object format of another id."""
    if len(like) == 40:  # noqa: PLR2004
        return "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    return "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
