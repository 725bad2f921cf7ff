"""Tokens that tell apps who signed in (OpenID Connect Core 1.0), signed with the hub's own key."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
_BITS = 2048


class IdTokens:
    """The key is made when the first app asks for it, and stays in its file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._key: RSAKey | None = None
        self._making = asyncio.Lock()

    async def _loaded(self) -> RSAKey:
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(_key_in, self._file)
        return self._key

    async def sign(self, claims: Mapping[str, Any]) -> str:
        """A signed token with these claims."""
        key = await self._loaded()
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, dict(claims), key)

    async def public_keys(self) -> dict[str, Any]:
        """What tokens are verified with, as a JSON Web Key Set."""
        key = await self._loaded()
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM}]}


def _key_in(file: Path) -> RSAKey:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = file.with_suffix(".tmp")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(RSAKey.generate_key(_BITS).as_pem(private=True))
            out.flush()
            os.fsync(descriptor)
        temporary.rename(file)
    key = RSAKey.import_key(file.read_bytes())
    key.ensure_kid()
    return key
