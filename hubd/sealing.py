"""Secrets that the hub must know again: AES-256-GCM under a key that stays in its data directory.

    nonce 12 | ciphertext and tag, base64

The context (whose secret it is) is authenticated, so that none can stand in for another.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hubd.errors import Unavailable

_KEY_BYTES = 32
_NONCE_BYTES = 12


def key_file(file: Path) -> bytes:
    """The 32 random bytes in a file, made at the first start. Blocking."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        temporary = file.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_bytes(_KEY_BYTES))
            out.flush()
            os.fsync(descriptor)
        temporary.rename(file)
    return file.read_bytes()


class Sealer:
    """Seals and opens with one key."""

    def __init__(self, key: bytes) -> None:
        self._box = AESGCM(key)

    def seal(self, text: str, context: str) -> str:
        """A text that says nothing without the key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._box.encrypt(nonce, text.encode(), context.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, context: str) -> str:
        """What was sealed for this context; raises ``Unavailable`` under another key."""
        try:
            data = base64.b64decode(sealed, validate=True)
            plain = self._box.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], context.encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise Unavailable(
                "A stored secret cannot be opened.", hint="Set it again; the hub's key has changed."
            ) from None
        return plain.decode()
